"""Logits from trained S9Net weights: jaxconv's `fold` and `infer` against what people deploy with.

    python -m benchmarks.inference [--batch-size N] [--threads N] [--memory kept] [--pairs N]

Everyone has the same weights, float32 images in memory and as many threads, waits for each batch
and has its logits at hand; the logits must agree. PyTorch, ONNX Runtime and OpenVINO run under
their best settings: inference mode, frozen weights, BatchNorm folded. At batch 1 the median and the
99th percentile of single calls are given, too.
"""

import sys
from collections.abc import Iterator

from benchmarks.compete import Contender, Settings, matrix_rate, race, settings_of, settings_parser
from benchmarks.problem import FORWARD_MULTIPLY_ADDS
from benchmarks.record import finish, show
from benchmarks.result import Result

JAX, TORCH = "benchmarks.jax_s9:inference", "benchmarks.torch_s9:inference"

OURS = Contender("jaxconv infer", JAX, {})
OPPONENTS = (
    Contender("ONNX Runtime", "benchmarks.runtimes:onnx_runtime", {}),
    Contender("OpenVINO", "benchmarks.runtimes:open_vino", {}),
    Contender("PyTorch eager", TORCH, {"mode": "eager"}),
    Contender("PyTorch channels_last", TORCH, {"mode": "channels_last"}),
    Contender("torch.compile", TORCH, {"mode": "compile"}),
    Contender("jaxconv apply", JAX, {"network": "jaxconv"}),
    Contender("Flax nn.Conv", JAX, {"network": "flax"}),
)


def results(settings: Settings) -> Iterator[Result]:
    for result in race("inference", OURS, OPPONENTS, settings):
        rate = FORWARD_MULTIPLY_ADDS * settings.batch_size / result.comparison.a_seconds
        share = rate / matrix_rate(settings)
        yield result._replace(figures=result.figures | {"of matrix product": share})


def main() -> int:
    given = settings_parser(__doc__).parse_args()
    return finish("inference", show(results(settings_of(given))), given.out)


if __name__ == "__main__":
    sys.exit(main())
