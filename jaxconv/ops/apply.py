"""From checked options to an output: what every convolution does between the two."""

from jaxtyping import Array, Num

from jaxconv.ops.window import Window
from jaxconv.ops.xla.primitives import convolve
from jaxconv.ops.xla.sums import wide
from jaxconv.ops.xla.types import whole


def convolve_with_bias(
    x: Num[Array, "b *space c_in"],
    kernel: Num[Array, "*taps _ c_out"],
    bias: Num[Array, " c_out"] | None,
    window: Window,
) -> Num[Array, "b *space_out c_out"]:
    """The convolution of x [b, *space, c], plus `bias` [o] before the one rounding to its dtype."""
    if bias is None:
        return convolve(x, kernel, window)
    return with_bias(unrounded(x, kernel, window), bias)


def unrounded(
    x: Num[Array, "b *space c_in"], kernel: Num[Array, "*taps _ c_out"], window: Window
) -> Num[Array, "b *space_out c_out"]:
    """The convolution of x [b, *space, c] in the dtype in which it is added up."""
    return convolve(x, kernel, window, wide(x.dtype))


def with_bias(
    total: Num[Array, "b *space c_out"], bias: Num[Array, " c_out"]
) -> Num[Array, "b *space c_out"]:
    """A sum [b, *space, o] and `bias` [o], rounded once, to the dtype of the bias."""
    row = whole(bias).astype(total.dtype).reshape((1,) * (total.ndim - 1) + bias.shape)
    return (total + row).astype(bias.dtype)
