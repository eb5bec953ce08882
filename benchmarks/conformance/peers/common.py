"""What the adapters share: axes, and saying that a library has no option for a case."""

import jax
import jax.numpy as jnp


class CannotExpress(Exception):
    """The library's layer has no option for this case; the text says which is missing."""


def channels_last(x, axes):
    """[..., c, *space] -> [..., *space, c]."""
    return jnp.moveaxis(x, -1 - axes, -1)


def channels_first(y, axes):
    return jnp.moveaxis(y, -1, -1 - axes)


def kernel_of(weight):
    """PyTorch's weight [o, c, *taps] -> [*taps, c, o]; so [c, o, *taps] -> [*taps, o, c]."""
    return jnp.transpose(weight, (*range(2, weight.ndim), 1, 0))


def spread_padding(case):
    """The padding of a transposed convolution as `lax.conv_transpose` counts it: of the spread x.

    dilation * (taps - 1) - padding at each side, and the output padding at the end.
    """
    extra = case.per_axis("output_padding", 0)
    sides = zip(case.reach, case.pads, extra, strict=True)
    return tuple((r - low, r - high + e) for r, (low, high), e in sides)


def layer_dtype(array):
    """The dtype for a layer to draw its first weights in, before they are replaced."""
    return jnp.float32 if jnp.issubdtype(array.dtype, jnp.integer) else array.dtype


def key():
    return jax.random.key(0)
