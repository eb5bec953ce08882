"""Workers in inference runtimes: ONNX Runtime and OpenVINO, on S9Net as PyTorch exports it."""

import io
import warnings

import numpy as np

from benchmarks import problem, torch_s9
from benchmarks.worker import Job

try:
    import onnx  # noqa: F401  (PyTorch's exporter needs it)
    import onnxruntime
    import openvino
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error.name} is not installed: pip install 'jaxconv[bench]' to compare with it"
    ) from error

MOST_BATCHES = 8  # in memory, used in turn


def exported(batch_size: int) -> bytes:
    """The network as ONNX for batches of this size, BatchNorm folded by each runtime itself."""
    model, _ = torch_s9.make_model("eager", problem.DROPOUT_RATE)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter that needs no further package
        images = torch_s9.torch.zeros(batch_size, 3, 32, 32)
        torch_s9.torch.onnx.export(model.eval(), (images,), file, dynamo=False)
    return file.getvalue()


def draw(batch_size: int) -> list[np.ndarray]:
    images, _ = problem.draw_batches(MOST_BATCHES, batch_size)
    batches = images.reshape(MOST_BATCHES, batch_size, 32, 32, 3).transpose(0, 1, 4, 2, 3)
    return list(np.ascontiguousarray(batches))


def job(logits, batch_size: int) -> Job:
    """Of a function from images [b, 3, h, w] to logits, both NumPy's."""
    batches = draw(batch_size)

    def run(calls):
        return float(sum(logits(batches[n % MOST_BATCHES])[0, 0] for n in range(calls)))

    return Job(run, lambda: logits(batches[0]).tolist(), "cpu")


def onnx_runtime(*, threads: int, batch_size: int) -> Job:
    """ONNX Runtime on the CPU, all its optimizations on (its default)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        exported(batch_size), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return job(lambda images: session.run(None, {name: images})[0], batch_size)


def open_vino(*, threads: int, batch_size: int) -> Job:
    """OpenVINO on the CPU in float32, tuned for latency, since each call is waited for."""
    core = openvino.Core()
    model = core.read_model(exported(batch_size), b"")
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return job(lambda images: request.infer({0: images}, share_inputs=True)[0], batch_size)
