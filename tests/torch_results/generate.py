"""Computes with PyTorch what the tests compare against: `python tests/torch_results/generate.py`.

Needs NumPy and PyTorch (2.13 on CPU made the stored files), nothing of the project, and takes
seconds. Everything is computed in float64 and stored rounded to float32; PyTorch's own float32 must
agree within 1e-5 of the largest value. Inputs and weights are not stored: see drawn.py.
"""

import json
from pathlib import Path

import numpy as np
import torch
from drawn import draw, draw_kernel, s9_images, s9_state_dict
from grid import make_cases
from networks import S9, Zoo
from torch.nn import functional

HERE = Path(__file__).parent


def main():
    torch.set_num_threads(1)
    save("grid.npz", **grid())
    save("s9.npz", **s9())
    save("zoo.npz", **zoo())


def grid():
    """Output, and gradients of sum(output * cotangent), of every case: one flat array of each."""
    cases, shapes, values, worst = make_cases(), [], [], 0.0
    for number, case in enumerate(cases):
        exact = [array.numpy() for array in run_case(number, case, torch.float64)]
        rounded = run_case(number, case, torch.float32)
        for ours, theirs in zip(exact, rounded, strict=True):
            worst = max(worst, difference(theirs.numpy(), ours))
        shapes.append(exact[0].shape)
        values += [array.ravel() for array in exact]
    print(f"grid: {len(cases)} cases, {sum(map(len, values)):,} numbers; ", end="")
    print(f"PyTorch's float32 differs by {worst:.1e} at most")
    assert worst < 1e-5
    return {
        "cases": np.array(json.dumps(cases)),
        "output_shapes": np.array(shapes, np.int16),
        "values": np.concatenate(values).astype(np.float32),
    }


def run_case(number, case, dtype):
    """[output, gradient of x, gradient of each kernel], in the layout of the project."""
    x = draw(f"grid {number} x", case["x"])
    kernels = [draw(f"grid {number} kernel {i}", shape) for i, shape in enumerate(case["kernels"])]
    inputs = [torch.tensor(array, dtype=dtype).requires_grad_() for array in (x, *kernels)]
    weights = [kernel.permute(3, 2, 0, 1).contiguous() for kernel in inputs[1:]]
    options = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in case["options"].items()
    }
    y = FUNCTIONS[case["function"]](inputs[0].permute(0, 3, 1, 2).contiguous(), *weights, **options)
    y = y.permute(0, 2, 3, 1)
    cotangent = torch.tensor(draw(f"grid {number} cotangent", tuple(y.shape)), dtype=dtype)
    return [y.detach(), *torch.autograd.grad((y * cotangent).sum(), inputs)]


def depthwise(x, weight, **options):
    return functional.conv2d(x, weight, groups=x.shape[1], **options)


def depthwise_separable(x, first, second, *, pointwise_padding=0, **options):
    return functional.conv2d(depthwise(x, first, **options), second, padding=pointwise_padding)


def dilated(x, weight, *, dilation=2, **options):
    return functional.conv2d(x, weight, dilation=dilation, **options)


def spatially_separable(x, column, row, *, stride=1, padding=0):
    stride, padding = (v if isinstance(v, tuple) else (v, v) for v in (stride, padding))
    y = functional.conv2d(x, column, stride=(stride[0], 1), padding=(padding[0], 0))
    return functional.conv2d(y, row, stride=(1, stride[1]), padding=(0, padding[1]))


FUNCTIONS = {
    "conv": functional.conv2d,
    "pointwise_conv": functional.conv2d,
    "depthwise_conv": depthwise,
    "depthwise_separable_conv": depthwise_separable,
    "dilated_conv": dilated,
    "spatially_separable_conv": spatially_separable,
    "transpose_conv": functional.conv_transpose2d,
}


def s9():
    """Evaluation block by block with its input gradient; one training step without dropout."""
    model = S9().double()
    weights = {name: torch.tensor(array) for name, array in s9_state_dict().items()}
    model.load_state_dict(weights, strict=True)
    images = torch.tensor(s9_images()).double().requires_grad_()
    nchw = images.permute(0, 3, 1, 2)

    logits = model.eval()(nchw)
    arrays = {"logits": logits}
    for number, output in model.outputs.items():
        arrays[f"block{number} over h"] = output.permute(0, 2, 3, 1).mean(1)
        arrays[f"block{number} over w"] = output.permute(0, 2, 3, 1).mean(2)
    cotangent = torch.tensor(draw("s9 cotangent", tuple(logits.shape))).double()
    arrays["image gradient"] = torch.autograd.grad((logits * cotangent).sum(), images)[0]

    for layer in model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    arrays["train logits"] = model.train()(nchw)
    labels = torch.tensor([3, 7])
    functional.cross_entropy(arrays["train logits"], labels).backward()
    for name, parameter in model.named_parameters():
        probe = torch.tensor(draw(f"probe {name}", tuple(parameter.shape))).double()
        arrays[f"gradient {name}"] = (parameter.grad * probe).sum()
    for name, buffer in model.named_buffers():
        if "running" in name:
            arrays[f"after {name}"] = buffer
    print(f"s9: logits {logits[0].tolist()}")
    return as_float32(arrays)


def zoo():
    """Logits and input gradient of the network with every variant."""
    model = Zoo().double()
    for name, parameter in model.named_parameters():
        fan_in = parameter[0].numel() if parameter.ndim == 4 else 1
        parameter.data = torch.tensor(draw_kernel(f"zoo {name}", parameter.shape, fan_in)).double()
    x = torch.tensor(draw("zoo x", (2, 9, 12, 4), -2, 2)).double().requires_grad_()
    logits = model(x.permute(0, 3, 1, 2))
    cotangent = torch.tensor(draw("zoo cotangent", tuple(logits.shape))).double()
    (gradient,) = torch.autograd.grad((logits * cotangent).sum(), x)
    print(f"zoo: logits {logits[0].tolist()}")
    return as_float32({"logits": logits, "x gradient": gradient})


def difference(given, expected):
    """The largest difference, relative to the largest expected value; 0 where both are all 0."""
    return np.abs(given - expected).max() / max(np.abs(expected).max(), 1e-30)


def as_float32(arrays):
    return {name: array.detach().numpy().astype(np.float32) for name, array in arrays.items()}


def save(name, **arrays):
    """Writes the arrays beside this file, compressed."""
    path = HERE / name
    np.savez_compressed(path, **arrays)
    print(f"{name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
