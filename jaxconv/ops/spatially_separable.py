"""The spatially separable convolution: a column, then a row, instead of a square."""

from jaxtyping import Array, Num

from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.padding import Padding
from jaxconv.ops.parameters import factors
from jaxconv.ops.standard import conv


def spatially_separable_conv(
    x: Num[Array, "*b_space c_in"],
    *kernels: Num[Array, "... _ _"],
    column_kernel: Num[Array, "kh 1 c_in c_mid"] | None = None,
    row_kernel: Num[Array, "1 kw c_mid c_out"] | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    padding_mode: str = "zeros",
    bias: Num[Array, " c_out"] | None = None,
) -> Num[Array, "*b_space_out c_out"]:
    """Convolves along one spatial axis after the other: with a column, then with a row.

        y[b, h, w, o] = bias[o]
            + sum over i, j, c, m of column_kernel[i, 0, c, m] * row_kernel[0, j, m, o]
            * x[b, h*stride_h + i - padding_h, w*stride_w + j - padding_w, c]

    Against the standard convolution: kh + kw taps instead of kh * kw, for kernels that are outer
    products of a column and a row, summed over the middle channels m.

    Args:
        x: [b, *space, c_in], numbers; b may be 0, or left out.
        *kernels: one for each spatial axis, with taps along it alone, dtype of x: for an image
            the column [kh, 1, c_in, c_mid] and the row [1, kw, c_mid, c_out], which may be given
            as `column_kernel` and `row_kernel` too. Each takes the stride and padding of its axis.
        stride, padding, padding_mode: as in `conv`.
        bias: [c_out], dtype of x.

    Returns:
        [b, *space', c_out] of the dtype of x, sizes as in `conv` with a [kh, kw] kernel.

    Raises:
        ValueError: as `conv`, or kernels that are not a column and a row.

    Cost:
        h' * w * kh * c_in * c_mid + h' * w' * kw * c_mid * c_out multiply-adds per image.

    Example:
        >>> import jax.numpy as jnp
        >>> column, row = jnp.ones((3, 1, 3, 1)), jnp.ones((1, 3, 1, 32))
        >>> spatially_separable_conv(jnp.ones((1, 5, 5, 3)), column, row).shape
        (1, 3, 3, 32)

    Source: Jaderberg, Vedaldi and Zisserman, "Speeding up convolutional neural networks with low
    rank expansions" (2014). In PyTorch: two torch.nn.functional.conv2d, one after the other.
    """
    named = (column_kernel, row_kernel)
    kernels = (*kernels, *(kernel for kernel in named if kernel is not None))
    parts = factors(_taps_along_each_axis(kernels), stride, padding)
    for kernel, part in zip(kernels, parts, strict=True):
        x = conv(
            x,
            kernel,
            stride=part.stride,
            padding=part.padding,
            padding_mode=padding_mode,
            bias=bias if part.name == "row" else None,
        )
    return x


def _taps_along_each_axis(kernels):
    axes = len(kernels)
    flat = all(
        kernel.ndim == axes + 2
        and all(size == 1 for i, size in enumerate(kernel.shape[:-2]) if i != axis)
        for axis, kernel in enumerate(kernels)
    )
    if not kernels or axes > 3 or not flat:
        shapes = " and ".join(str(kernel.shape) for kernel in kernels) or "none"
        raise ValueError(
            f"the kernels must be one an axis of space, of an image a column [kh, 1, c_in, c_mid] "
            f"and a row [1, kw, c_mid, c_out], got shapes {shapes}"
        )
    return tuple(kernel.shape[axis] for axis, kernel in enumerate(kernels))
