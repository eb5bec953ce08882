"""One array of PyTorch's as one of ours: dtypes, tensors, and the axes of kernels."""

from typing import Any

import ml_dtypes  # noqa: F401  (its names become NumPy's: bfloat16 and the float8s)
import numpy as np
from jaxtyping import Shaped


def kernel_from_torch(weight: Any) -> Shaped[np.ndarray, "*size c_in c_out"]:
    """The weight of a convolution, transposed or not, as a kernel of this package.

    One permutation serves both: [o, c/groups, *size] becomes [*size, c/groups, o] for `conv`, and
    [c, o/groups, *size] becomes [*size, o/groups, c] for `transpose_conv`.

    Args:
        weight: an array or a tensor, with or without gradient, on any device, of one to three axes
            of space. Any dtype, bfloat16 too.

    Returns:
        A contiguous array of the same dtype and the same numbers.

    Raises:
        ValueError: not three to five axes.

    Example:
        >>> kernel_from_torch(np.ones((32, 3, 5, 7))).shape
        (5, 7, 3, 32)
    """
    array = as_array(weight)
    if not 3 <= array.ndim <= 5:
        raise ValueError(f"expected a PyTorch weight [out, in, *size], got shape {array.shape}")
    return from_torch_axes(array)


def kernel_to_torch(kernel: Any) -> Shaped[np.ndarray, "c_out c_in *size"]:
    """The inverse of `kernel_from_torch`.

    Raises:
        ValueError: not three to five axes.

    Example:
        >>> kernel_to_torch(np.ones((5, 7, 3, 32))).shape
        (32, 3, 5, 7)
    """
    array = as_array(kernel)
    if not 3 <= array.ndim <= 5:
        raise ValueError(f"expected a kernel [*size, in, out], got shape {array.shape}")
    return to_torch_axes(array)


def as_array(value: Any) -> np.ndarray:
    """An array or a tensor as a NumPy array: without gradient, from any device, bfloat16 too."""
    if not hasattr(value, "detach"):
        return np.asarray(value)
    tensor = value.detach().cpu()
    name = str(tensor.dtype).removeprefix("torch.")
    if name.startswith(("bfloat16", "float8")):  # which NumPy lacks: float32 holds them exactly
        return tensor.float().numpy().astype(np.dtype(name))
    return tensor.numpy()


def from_torch_axes(weight):
    """[o, c, *size] -> [*size, c, o]."""
    return np.array(weight.transpose(*range(2, weight.ndim), 1, 0), order="C")


def to_torch_axes(kernel):
    """[*size, c, o] -> [o, c, *size]."""
    axes = kernel.ndim
    return np.array(kernel.transpose(axes - 1, axes - 2, *range(axes - 2)), order="C")
