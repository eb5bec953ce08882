"""From checked options to an output: what every convolution does between the two."""

import jax

from jaxconv.ops.window import Window
from jaxconv.ops.xla.primitives import convolve
from jaxconv.ops.xla.sums import wide


def convolve_with_bias(
    x: jax.Array, kernel: jax.Array, bias: jax.Array | None, window: Window
) -> jax.Array:
    """The convolution of x [b, *space, c], plus `bias` [o] before the one rounding to its dtype."""
    if bias is None:
        return convolve(x, kernel, window)
    return with_bias(convolve(x, kernel, window, wide(x.dtype)), bias)


def with_bias(total: jax.Array, bias: jax.Array) -> jax.Array:
    """A sum [b, *space, o] and `bias` [o], rounded once, to the dtype of the bias."""
    row = bias.astype(total.dtype).reshape((1,) * (total.ndim - 1) + bias.shape)
    return (total + row).astype(bias.dtype)
