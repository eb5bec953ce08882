"""The spatially separable convolution: a column, then a row, instead of a square."""

import jax

from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.geometry import pair
from jaxconv.ops.standard import conv


def spatially_separable_conv(
    x: jax.Array,
    column_kernel: jax.Array,
    row_kernel: jax.Array,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
) -> jax.Array:
    """Convolves with a column, then with a row.

        y[b, h, w, o] = sum over i, j, c, m of column_kernel[i, 0, c, m] * row_kernel[0, j, m, o]
            * x[b, h*stride_h + i - padding_h, w*stride_w + j - padding_w, c]

    Against the standard convolution: kh + kw taps instead of kh * kw, for kernels that are outer
    products of a column and a row, summed over the middle channels m.

    Args:
        x: [b, h, w, c_in], floating point; b may be 0.
        column_kernel: [kh, 1, c_in, c_mid], dtype of x; takes the vertical stride and padding.
        row_kernel: [1, kw, c_mid, c_out], dtype of x; takes the horizontal ones.
        stride, padding: as in `conv`, for the two together.

    Returns:
        [b, h', w', c_out] of the dtype of x, sizes as in `conv` with a [kh, kw] kernel.

    Raises:
        ValueError: as `conv`, or kernels that are not a column and a row.

    Cost:
        h' * w * kh * c_in * c_mid + h' * w' * kw * c_mid * c_out multiply-adds an image.

    Example:
        >>> import jax.numpy as jnp
        >>> column, row = jnp.ones((3, 1, 3, 1)), jnp.ones((1, 3, 1, 32))
        >>> spatially_separable_conv(jnp.ones((1, 5, 5, 3)), column, row).shape
        (1, 3, 3, 32)

    Source: Jaderberg, Vedaldi and Zisserman, "Speeding up convolutional neural networks with low
    rank expansions" (2014). In PyTorch: two torch.nn.functional.conv2d, one after the other.
    """
    if column_kernel.shape[1:2] != (1,) or row_kernel.shape[:1] != (1,):
        raise ValueError(
            f"the kernels must be a column [kh, 1, c_in, c_mid] and a row [1, kw, c_mid, c_out], "
            f"got shapes {column_kernel.shape} and {row_kernel.shape}"
        )
    (stride_h, stride_w) = pair(stride, "stride", minimum=1)
    (padding_h, padding_w) = pair(padding, "padding", minimum=0)
    y = conv(x, column_kernel, stride=(stride_h, 1), padding=(padding_h, 0))
    return conv(y, row_kernel, stride=(1, stride_w), padding=(0, padding_w))
