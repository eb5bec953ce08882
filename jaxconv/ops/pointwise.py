"""The pointwise (1x1) convolution: mixes channels, one pixel at a time."""

import jax

from jaxconv.ops.arguments import IntOrPair, conv_window
from jaxconv.ops.xla.primitives import convolve


def pointwise_conv(
    x: jax.Array, kernel: jax.Array, *, stride: IntOrPair = 1, padding: IntOrPair = 0
) -> jax.Array:
    """1x1 convolution: combines the channels of each pixel, to more or fewer of them.

        y[b, h, w, o] = sum over c of kernel[0, 0, c, o]
            * x[b, h*stride - padding, w*stride - padding, c]

    Against the standard convolution: no view of neighbours, and kh * kw times less work.

    Args:
        x: [b, h, w, c_in], floating point; b may be 0.
        kernel: [1, 1, c_in, c_out], dtype of x.
        stride: pixels between reads, at least 1; an int or (vertical, horizontal).
        padding: pixels of zeros at each border, at least 0 (they give zeros, or the bias).

    Returns:
        [b, h', w', c_out] of the dtype of x, h' = floor((h + 2*padding - 1) / stride) + 1.

    Raises:
        ValueError: as `conv`, or a kernel that is not 1x1.

    Cost:
        h' * w' * c_in * c_out multiply-adds an image.

    Example:
        >>> import jax.numpy as jnp
        >>> pointwise_conv(jnp.ones((1, 28, 28, 192)), jnp.ones((1, 1, 192, 32))).shape
        (1, 28, 28, 32)

    Source: Lin, Chen and Yan, "Network in network" (2013).
    Differs from torch.nn.functional.conv2d in layout only.
    """
    if kernel.shape[:2] != (1, 1):
        raise ValueError(
            f"a pointwise kernel must be [1, 1, c_in, c_out], got shape {kernel.shape}"
        )
    return convolve(
        x, kernel, conv_window(x, kernel, stride=stride, padding=padding, dilation=1, groups=1)
    )
