"""Weights to and from PyTorch: kernels and S9 state dicts, as NumPy arrays, without PyTorch.

A state dict is a dict of arrays under the names of the original PyTorch network; what
`model.state_dict()` gives is accepted as it is, and PyTorch takes one back with
`model.load_state_dict({name: torch.from_numpy(a) for name, a in state_dict.items()})`.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxconv.linen.convolutions import (
    Conv,
    DepthwiseSeparableConv,
    DilatedConv,
)
from jaxconv.models.s9 import ROWS, S9Net

_HEAD = "conv_block14.0.weight"  # the original has no block 13
_KERNELS = {  # names inside a block: index 0 is the convolution, nested where it was wrapped
    Conv: {"0.weight": ("conv", "kernel")},
    DilatedConv: {"0.0.weight": ("conv", "kernel")},
    DepthwiseSeparableConv: {
        "0.0.weight": ("conv", "depthwise", "kernel"),
        "0.1.weight": ("conv", "pointwise", "kernel"),
    },
}
_NORM = {  # index 2 is the BatchNorm
    "2.weight": ("params", "scale"),
    "2.bias": ("params", "bias"),
    "2.running_mean": ("batch_stats", "mean"),
    "2.running_var": ("batch_stats", "var"),
}


def kernel_from_torch(weight: Any) -> np.ndarray:
    """The weight of a Conv2d or a ConvTranspose2d as a kernel of this package.

    One permutation serves both: [o, c/groups, kh, kw] becomes [kh, kw, c/groups, o] for `conv`, and
    [c, o/groups, kh, kw] becomes [kh, kw, o/groups, c] for `transpose_conv`.

    Args:
        weight: four axes; an array, or a tensor in main memory without gradient. Any dtype.

    Returns:
        A contiguous array of the same dtype and the same numbers.

    Raises:
        ValueError: not four axes.

    Example:
        >>> kernel_from_torch(np.ones((32, 3, 5, 7))).shape
        (5, 7, 3, 32)
    """
    return _permuted(weight, (2, 3, 1, 0), "a PyTorch weight [out, in, kh, kw]")


def kernel_to_torch(kernel: Any) -> np.ndarray:
    """The inverse of `kernel_from_torch`.

    Raises:
        ValueError: not four axes.

    Example:
        >>> kernel_to_torch(np.ones((5, 7, 3, 32))).shape
        (32, 3, 5, 7)
    """
    return _permuted(kernel, (3, 2, 0, 1), "a kernel [kh, kw, in, out]")


def s9_variables(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """A PyTorch S9's state dict as variables of `S9Net`, bit for bit.

    Args:
        state_dict: exactly the names of the original network; `num_batches_tracked` entries may be
            there and are not used. The number of classes is read off the last weight.

    Returns:
        {"params": ..., "batch_stats": ...} of NumPy arrays, dtypes kept.

    Raises:
        ValueError: names are missing or too many (all are listed), or a shape is not S9Net's.
    """
    arrays = {name: np.asarray(a) for name, a in state_dict.items() if not _is_counter(name)}
    paths = _paths()
    _check_names(arrays, paths, "state dict")
    shapes = _shapes(arrays[_HEAD], 0)
    _check_shapes(arrays, {name: _torch_shape(shapes[path]) for name, path in paths.items()})
    return unflatten_dict(
        {path: _map_kernel(kernel_from_torch, arrays[name]) for name, path in paths.items()}
    )


def s9_state_dict(
    variables: Mapping[str, Any], *, num_batches_tracked: int = 0
) -> dict[str, np.ndarray]:
    """The inverse of `s9_variables`: what a PyTorch S9 loads with `strict=True`.

    Args:
        variables: {"params": ..., "batch_stats": ...} of `S9Net`.
        num_batches_tracked: written for each BatchNorm; PyTorch's default momentum ignores it.

    Raises:
        ValueError: variables are missing or too many (all are listed), or a shape is not S9Net's.
    """
    arrays = require_s9(variables)
    state_dict = {}
    for name, path in _paths().items():
        state_dict[name] = _map_kernel(kernel_to_torch, arrays["/".join(path)])
        if name.endswith("running_var"):  # the counter's place in PyTorch's own order
            counter = name.replace("running_var", "num_batches_tracked")
            state_dict[counter] = np.array(num_batches_tracked, np.int64)
    return state_dict


def require_s9(
    variables: Mapping[str, Any], *, num_classes: int | None = None
) -> dict[str, np.ndarray]:
    """The arrays of S9Net's ``variables`` by name, `params/head/kernel` for one, once checked.

    Raises:
        ValueError: variables are missing or too many (all are listed), or a shape is not S9Net's.
    """
    arrays = flatten_dict(jax.tree.map(np.asarray, dict(variables)), sep="/")
    _check_names(arrays, ["/".join(path) for path in _paths().values()], "variables")
    head = arrays["params/head/kernel"]
    shapes = _shapes(head if num_classes is None else np.empty((1, 1, 1, num_classes)), 3)
    _check_shapes(arrays, {"/".join(path): shape for path, shape in shapes.items()})
    return arrays


def _paths() -> dict[str, tuple[str, ...]]:
    """Where each entry of the state dict lives among the variables."""
    paths = {}
    for number, row in enumerate(ROWS, start=1):
        theirs, ours = f"conv_block{number}", f"block{number}"
        for name, path in _KERNELS[row.conv].items():
            paths[f"{theirs}.{name}"] = ("params", ours, *path)
        for name, (collection, entry) in _NORM.items():
            paths[f"{theirs}.{name}"] = (collection, ours, "norm", entry)
    return paths | {_HEAD: ("params", "head", "kernel")}


def _is_counter(name):
    return name in {f"conv_block{n}.2.num_batches_tracked" for n in range(1, len(ROWS) + 1)}


def _permuted(array, axes, expected):
    array = np.asarray(array)
    if array.ndim != 4:
        raise ValueError(f"expected {expected}, got shape {array.shape}")
    return np.array(array.transpose(axes), order="C")


def _check_names(given: Iterable[str], expected: Iterable[str], what: str):
    given, expected = list(given), list(expected)
    missing = [name for name in expected if name not in given]
    extra = [name for name in given if name not in expected]
    if missing or extra:
        listed = [f"missing {', '.join(missing)}"] * bool(missing)
        listed += [f"unexpected {', '.join(map(_printable, extra))}"] * bool(extra)
        raise ValueError(f"not the {what} of an S9Net: {'; '.join(listed)}")


def _printable(name):
    return name if name.isprintable() else repr(name)


def _check_shapes(arrays, expected):
    wrong = [
        f"{name} has shape {arrays[name].shape}, expected {shape}"
        for name, shape in expected.items()
        if arrays[name].shape != shape
    ]
    if wrong:
        raise ValueError(f"not the weights of an S9Net: {'; '.join(wrong)}")


def _shapes(head, classes_axis):
    """The shape of every variable of S9Net, by path, as the last kernel's classes make it."""
    return _shapes_for(head.shape[classes_axis] if head.ndim == 4 and head.size else 10)


@functools.lru_cache(maxsize=8)
def _shapes_for(num_classes):
    """The same, asked of the model itself; that takes a tenth of a second."""
    model = S9Net(num_classes=num_classes)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    made = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
    return {path: array.shape for path, array in flatten_dict(made).items()}


def _torch_shape(shape):
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape


def _map_kernel(function, array):
    return function(array) if array.ndim == 4 else array.copy()
