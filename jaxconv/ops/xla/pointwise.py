"""A kernel of one tap: a matrix product over pixels, which pads and crops by itself."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.ops.window import Window
from jaxconv.ops.xla.rewrites import Case
from jaxconv.ops.xla.stored import stored
from jaxconv.ops.xla.sums import contract_pixels, wide


def is_pointwise(case: Case) -> bool:
    window, ones = case.window, (1,) * case.window.axes
    if (
        case.taps != ones
        or window.groups != 1
        or (window.stride, window.input_dilation) != (ones, ones)
    ):
        return False
    crops, _ = _crops_and_pads(window)
    return all(size + sum(crop) >= 0 for size, crop in zip(case.space, crops, strict=True))


def pointwise(x: jax.Array, kernel: jax.Array, window: Window, dtype: jnp.dtype) -> jax.Array:
    crops, pads = _crops_and_pads(window)
    product = lax.dot_general(
        stored(pad_space(x, crops)),
        kernel.reshape(kernel.shape[-2:]),
        (((x.ndim - 1,), (0,)), ((), ())),
        preferred_element_type=wide(x.dtype),
    )
    return pad_space(product.astype(dtype), pads)


def pointwise_kernel_gradient(x, cotangent, window, kernel_shape):
    crops, pads = _crops_and_pads(window)
    unpads = [(-low, -high, 0) for low, high, _ in pads]
    x, cotangent = stored(pad_space(x, crops)), stored(pad_space(cotangent, unpads))
    return contract_pixels(x, cotangent).astype(x.dtype).reshape(kernel_shape)


def _crops_and_pads(window: Window) -> tuple[list, list]:
    """The padding in two parts: what the input loses, and the zeros round the output."""
    crops = [(min(low, 0), min(high, 0), 0) for low, high in window.padding]
    pads = [(max(low, 0), max(high, 0), 0) for low, high in window.padding]
    return crops, pads


def pad_space(x: jax.Array, config: list[tuple[int, int, int]]) -> jax.Array:
    """x [b, *space, c] with (low, high, between) zeros along each axis of space."""
    if all(amount == (0, 0, 0) for amount in config):
        return x
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *config, (0, 0, 0)])
