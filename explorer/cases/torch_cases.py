"""PyTorch's own answers on what the stored grid leaves out: `python explorer/cases/torch_cases.py`.

Writes, beside this file, torch.npz (padding modes, "same", "valid", in the format of
tests/torch_results/grid.npz, from whose generator it borrows the drawing of numbers), line.npz (the
same in 1-D), adjoint.npz (transposed convolutions with the paddings that PyTorch's refuses, as the
gradient of its convolutions) and refusals.json (many options, and whether PyTorch takes them).
Needs PyTorch 2.13. Names on the command line, such as adjoint.npz, write only those.
"""

import itertools
import json
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "torch_results"))

from drawn import draw  # noqa: E402


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Using padding='same'")
    wanted = sys.argv[1:] or ["torch.npz", "line.npz", "adjoint.npz", "refusals.json"]
    for file, seed, cases, run in (
        ("torch.npz", "modes", mode_cases, run_2d),
        ("line.npz", "line", line_cases, run_1d),
        ("adjoint.npz", "adjoint", adjoint_cases, run_adjoint),
    ):
        if file in wanted:
            save(file, seed, cases(), run)
    path = HERE / "refusals.json"
    if path.name not in wanted:
        return
    verdicts = [{**case, "refused": refused(case)} for case in refusal_cases()]
    path.write_text("[\n" + ",\n".join(json.dumps(v) for v in verdicts) + "\n]\n")
    print(f"{path.name}: {sum(v['refused'] for v in verdicts)} of {len(verdicts)} refused")


def mode_cases():
    source = random.Random("modes")
    cases = []
    for mode in ("zeros", "reflect", "replicate", "circular"):
        for padding in (1, [2, 0], [3, 2], "same", "valid"):
            for stride in (1, [2, 3]):
                if padding == "same" and stride != 1:
                    continue
                dilation = source.choice([1, 2, [1, 3]])
                kernel = [source.randint(1, 4), source.randint(1, 4), 2, 4]
                options = {"stride": stride, "padding": padding, "dilation": dilation}
                options |= {"groups": 2, "padding_mode": mode}
                cases.append(case("conv", [1, 6, 7, 4], [kernel], options))
    return cases


def line_cases():
    """1-D, with an axis of height 1 that nothing touches: [b, 1, w, c] and [1, kw, in, out]."""
    source = random.Random("line")
    cases = []
    for _ in range(30):
        groups = source.randint(1, 3)
        kernel = [1, source.randint(1, 5), source.randint(1, 2), groups * source.randint(1, 2)]
        options = {"stride": [1, source.randint(1, 3)], "padding": [0, source.randint(0, 3)]}
        options |= {"dilation": [1, source.randint(1, 3)], "groups": groups}
        options["padding_mode"] = source.choice(["zeros", "reflect", "replicate", "circular"])
        cases.append(case("conv", [1, 1, 13, groups * kernel[2]], [kernel], options))
    for _ in range(30):
        groups, per_group = source.randint(1, 3), source.randint(1, 2)
        kernel = [1, source.randint(2, 5), per_group, groups * source.randint(1, 2)]
        stride, dilation = source.randint(1, 3), source.randint(1, 3)
        options = {"stride": [1, stride], "dilation": [1, dilation], "groups": groups}
        options |= {"padding": [0, source.randint(0, 2)]}
        options["output_padding"] = [0, source.randrange(max(stride, dilation))]
        cases.append(case("transpose_conv", [1, 1, 6, kernel[3]], [kernel], options))
    return cases


def adjoint_cases():
    """Transposed convolutions with modes and words, and the row alone of a 1-D separable one."""
    source = random.Random("adjoint")
    cases = []
    for mode in ("zeros", "reflect", "replicate", "circular"):
        for padding in (1, [2, 0], [1, 3], "same", "valid"):
            if mode == "zeros" and not isinstance(padding, str):
                continue  # PyTorch's own transposed convolution takes it
            for stride in (1, [2, 3]):
                if padding == "same" and stride != 1:
                    continue
                dilation = source.choice([1, 2, [1, 3]])
                kernel = [source.randint(2, 4), source.randint(2, 4), 2, 4]
                options = {"stride": stride, "padding": padding, "dilation": dilation}
                options |= {"groups": 2, "padding_mode": mode}
                if stride != 1:
                    options["output_padding"] = source.choice([0, 1])
                cases.append(case("transpose_conv", [1, 5, 6, 4], [kernel], options))
    for mode in ("zeros", "reflect", "replicate", "circular"):
        kernel = [1, source.randint(2, 4), 2, 3]
        options = {"stride": [1, source.randint(1, 2)], "padding": [0, 1], "padding_mode": mode}
        cases.append(case("spatially_separable_conv", [1, 1, 9, 2], [kernel], options))
    return cases


def run_adjoint(name, case):
    """[output, gradients], as `run`; the gradient of a convolution where it is transposed."""
    if case["function"] != "transpose_conv":
        return run(name, {**case, "function": "conv"}, axes=1)
    x = torch.tensor(draw(f"{name} x", case["x"])).double().requires_grad_()
    kernel = torch.tensor(draw(f"{name} kernel 0", case["kernels"][0])).double().requires_grad_()
    weight, image = kernel.permute(3, 2, 0, 1).contiguous(), x.permute(0, 3, 1, 2).contiguous()
    options = {k: v if isinstance(v, (str, int)) else tuple(v) for k, v in case["options"].items()}
    extra = options.pop("output_padding", 0)
    layer = make_layer("conv", 2, weight, options)
    space = (
        transposed_size(size, taps, axis, case["options"]) + extra
        for axis, (size, taps) in enumerate(zip(case["x"][1:3], kernel.shape[:2], strict=True))
    )
    u = torch.zeros(1, layer.in_channels, *space, dtype=torch.float64, requires_grad=True)
    forth = torch.func.functional_call(layer, {"weight": weight}, (u,))
    assert forth.shape == image.shape, (forth.shape, image.shape)
    (y,) = torch.autograd.grad(forth, u, image, create_graph=True)
    y = y.permute(0, 2, 3, 1)
    cotangent = torch.tensor(draw(f"{name} cotangent", tuple(y.shape))).double()
    return [y.detach(), *torch.autograd.grad((y * cotangent).sum(), [x, kernel])]


def transposed_size(size, taps, axis, options):
    stride, padding, dilation = (
        value if isinstance(value, (str, int)) else value[axis]
        for value in (options["stride"], options["padding"], options["dilation"])
    )
    span = dilation * (taps - 1) + 1
    crop = {"valid": 0, "same": span - 1}.get(padding)
    return (size - 1) * stride + span - (2 * padding if crop is None else crop)


def case(function, x, kernels, options):
    return {"function": function, "x": x, "kernels": kernels, "options": options}


def run_2d(name, case):
    return run(name, case, axes=2)


def run_1d(name, case):
    return run(name, case, axes=1)


def run(name, case, axes):
    """[output, gradient of x, gradient of the kernel], channels last, as float64."""
    x = torch.tensor(draw(f"{name} x", case["x"])).double().requires_grad_()
    kernel = torch.tensor(draw(f"{name} kernel 0", case["kernels"][0])).double().requires_grad_()
    weight, image = kernel.permute(3, 2, 0, 1), x.permute(0, 3, 1, 2)
    if axes == 1:
        weight, image = weight[:, :, 0], image[:, :, 0]
    weight, image = weight.contiguous(), image.contiguous()
    options = {
        key: value if isinstance(value, (str, int)) else tuple(value)[2 - axes :]
        for key, value in case["options"].items()
    }
    layer = make_layer(case["function"], axes, weight, options)
    y = torch.func.functional_call(layer, {"weight": weight}, (image,))
    y = y.permute(0, 2, 3, 1) if axes == 2 else y.permute(0, 2, 1)[:, None]
    cotangent = torch.tensor(draw(f"{name} cotangent", tuple(y.shape))).double()
    return [y.detach(), *torch.autograd.grad((y * cotangent).sum(), [x, kernel])]


def make_layer(function, axes, weight, options):
    """A layer of the shape of `weight`, whose padding mode is the module's own."""
    groups = options.get("groups", 1)
    first, second = weight.shape[:2]
    if function == "conv":
        kind, channels = (nn.Conv1d, nn.Conv2d)[axes - 1], (second * groups, first)
    else:
        kind, channels = (
            (nn.ConvTranspose1d, nn.ConvTranspose2d)[axes - 1],
            (first, second * groups),
        )
    return kind(*channels, tuple(weight.shape[2:]), bias=False, dtype=torch.float64, **options)


def save(name, seed, cases, run):
    shapes, values = [], []
    for number, stored in enumerate(cases):
        arrays = [array.numpy() for array in run(f"{seed} {number}", stored)]
        shapes.append(arrays[0].shape)
        values += [array.ravel() for array in arrays]
    path = HERE / name
    np.savez_compressed(
        path,
        cases=np.array(json.dumps(cases)),
        output_shapes=np.array(shapes, np.int16),
        values=np.concatenate(values).astype(np.float32),
    )
    print(f"{name}: {len(cases)} cases, {path.stat().st_size:,} bytes")


def refusal_cases():
    """Single options out of place, and combinations of them, in 2-D."""
    cases = []
    usual = {"function": "conv", "size": 5, "kernel": 3, "channels": 4, "features": 4}
    for change in (
        *({"stride": n} for n in (-1, 0, 1, 5)),
        *({"dilation": n} for n in (-1, 0, 1, 2, 3)),
        *({"padding": n} for n in (-1, 0, 2, 7)),
        *({"kernel": n} for n in (1, 5, 6)),
        *({"groups": n} for n in (1, 2, 3, 4)),
        *({"features": f, "groups": g} for f, g in ((6, 2), (6, 4), (3, 2))),
        *({"padding": p, "stride": s} for p, s in itertools.product(("same", "valid"), (1, 2))),
        *({"padding": "same", "kernel": k, "dilation": d} for k, d in ((2, 1), (4, 3), (3, 4))),
        *(
            {"padding_mode": m, "padding": p}
            for m, p in itertools.product(("reflect", "replicate", "circular"), (0, 4, 5, 6))
        ),
    ):
        cases.append({**usual, **change})
    usual["function"] = "transpose_conv"
    for change in (
        *(
            {"output_padding": e, "stride": s, "dilation": d}
            for e, s, d in itertools.product((0, 1, 2, 3), (1, 2, 3), (1, 2, 3))
        ),
        *({"padding": p} for p in (-1, 0, 3, 4, 9, "same")),
        *({"padding_mode": m} for m in ("reflect", "replicate", "circular")),
        *({"groups": g} for g in (2, 3)),
        *({"stride": n} for n in (0, 4)),
        *({"dilation": n} for n in (0, 4)),
    ):
        cases.append({**usual, **change})
    return cases


def refused(case):
    """Whether PyTorch raises, on construction or on application."""
    options = {
        key: case[key]
        for key in ("stride", "padding", "dilation", "output_padding", "groups", "padding_mode")
        if key in case
    }
    kind = nn.Conv2d if case["function"] == "conv" else nn.ConvTranspose2d
    try:
        layer = kind(case["channels"], case["features"], case["kernel"], **options)
        y = layer(torch.ones(1, case["channels"], case["size"], case["size"]))
    except (RuntimeError, ValueError, TypeError, ZeroDivisionError):
        return True
    return y.numel() == 0


if __name__ == "__main__":
    main()
