"""Asks PyTorch for its own samples of the six convolutions, and what they give. Writes opinfo.npz.

python tests/torch_results/opinfo.py        (PyTorch 2.13, no JAX)

Each sample of torch.testing's OpInfo database is stored as it stands: positional and keyword
arguments, arrays as shapes (their numbers are drawn by name, see drawn.py); and PyTorch's output
and the gradients of sum(output * cotangent) for every array, in float64, rounded to float32. The
error samples are stored as arguments that PyTorch refuses.
"""

import json
from pathlib import Path

import numpy as np
import torch
from drawn import draw
from torch.testing._internal.common_methods_invocations import op_db

NAMES = [
    f"nn.functional.{name}{axes}d" for name in ("conv", "conv_transpose") for axes in (1, 2, 3)
]


def described(argument):
    """An argument as JSON: an array is {"shape": ...}, complex or not."""
    if isinstance(argument, torch.Tensor):
        return {"shape": list(argument.shape)}
    return list(argument) if isinstance(argument, (tuple, torch.Size)) else argument


def numbers(name, shape, dtype):
    """The numbers of an array: drawn; integers from -3 to 2; complex ones from two draws."""
    real = draw(name, shape, -3, 3) if dtype == "int64" else draw(name, shape)
    if dtype == "int64":
        return np.floor(real).astype(np.int64)
    return real + 1j * draw(f"{name} imaginary", shape) if dtype == "complex64" else real


def realised(argument, name, dtype):
    """A described argument with its numbers, in the widest dtype of the kind of `dtype`."""
    if isinstance(argument, dict):
        wide = {"int64": np.int64, "complex64": np.complex128, "float32": np.float64}[dtype]
        array = torch.tensor(numbers(name, argument["shape"], dtype).astype(wide))
        return array.requires_grad_(dtype != "int64")
    return argument


def results(function, case, number):
    """Output of one case, and its gradients but for integers."""
    dtype, named = case["dtype"], case["kwargs"].items()
    args = [realised(a, f"opinfo {number} {i}", dtype) for i, a in enumerate(case["args"])]
    kwargs = {name: realised(a, f"opinfo {number} {name}", dtype) for name, a in named}
    y = function(*args, **kwargs)
    if dtype == "int64":
        return [y]
    cotangent = realised({"shape": y.shape}, f"opinfo {number} cotangent", dtype).detach()
    arrays = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)]
    return [y, *torch.autograd.grad(y, arrays, cotangent)]


def stored(array):
    """As float32, the real and the imaginary numbers of a complex one in turn."""
    flat = array.detach().resolve_conj().numpy().ravel()
    return flat.view(np.float64).astype(np.float32) if np.iscomplexobj(flat) else flat.astype("f4")


def main():
    cases, shapes, values, refused = [], [], [], []
    for name in NAMES:
        (op,) = [op for op in op_db if op.name == name]
        short = name.removeprefix("nn.functional.")
        samples = [
            (str(dtype).removeprefix("torch."), sample)
            for dtype in (torch.float32, torch.complex64, torch.int64)
            for sample in op.sample_inputs("cpu", dtype, requires_grad=False)
        ]
        for dtype, sample in samples:
            args = [described(a) for a in (sample.input, *sample.args)]
            kwargs = {key: described(a) for key, a in sample.kwargs.items()}
            case = {"function": short, "dtype": dtype, "args": args, "kwargs": kwargs}
            given = results(op.op, case, len(cases))
            cases.append(case)
            shapes.append(list(given[0].shape))
            values.extend(map(stored, given))
        if op.error_inputs_func is not None:
            for error in op.error_inputs("cpu"):
                sample = error.sample_input
                args = [described(a) for a in (sample.input, *sample.args)]
                kwargs = {key: described(a) for key, a in sample.kwargs.items()}
                dtypes = [str(a.dtype) for a in (sample.input, *sample.args) if hasattr(a, "dtype")]
                case = {"function": short, "args": args, "kwargs": kwargs, "dtypes": dtypes}
                refused.append(case | {"message": str(error.error_regex)})
    path = Path(__file__).with_name("opinfo.npz")
    np.savez_compressed(
        path,
        torch=torch.__version__,
        cases=json.dumps(cases),
        output_shapes=json.dumps(shapes),
        refused=json.dumps(refused),
        values=np.concatenate(values),
    )
    print(len(cases), "cases,", len(refused), "refused,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
