"""Channels that do not mix: one multiply-add for each tap, over all channels at once."""

from collections.abc import Iterator
from functools import reduce
from itertools import product
from math import prod
from operator import add

import jax
import jax.numpy as jnp

from jaxconv.ops.window import Window, output_space
from jaxconv.ops.xla.pointwise import pad_space
from jaxconv.ops.xla.rewrites import Case
from jaxconv.ops.xla.sums import sum_over_pixels, wide

# Each tap is written out in the program, in the gradient once for each piece of the sum.
MOST_TAPS = 64
MOST_TAPS_FORWARD = 256


def is_depthwise(case: Case) -> bool:
    return _is_alone(case) and prod(case.taps) <= MOST_TAPS


def is_large_depthwise_on_cpu(case: Case) -> bool:
    return case.backend == "cpu" and _is_alone(case) and prod(case.taps) <= MOST_TAPS_FORWARD


def _is_alone(case):
    """Whether each group has one channel, of the input or of the output."""
    per_group, out = case.kernel_shape[-2:]
    return case.window.groups > 1 and (per_group == 1 or out == case.window.groups)


def _taps(x: jax.Array, window: Window, taps: tuple[int, ...]) -> Iterator[jax.Array]:
    """What each tap, the last axis fastest, reads of x: [b, *space', c]."""
    config = [
        (low, high, dilation - 1)
        for (low, high), dilation in zip(window.padding, window.input_dilation, strict=True)
    ]
    sizes = output_space(window, x.shape[1:-1], taps)
    x = pad_space(x, config)
    for place in product(*map(range, taps)):
        axes = zip(place, sizes, window.stride, window.dilation, strict=True)
        reads = (slice(i * d, i * d + (n - 1) * s + 1, s) for i, n, s, d in axes)
        yield x[(slice(None), *reads)]


def depthwise(x: jax.Array, kernel: jax.Array, window: Window, dtype: jnp.dtype) -> jax.Array:
    *taps, per_group, out = kernel.shape
    multiplier = out // window.groups
    # Either per_group or multiplier is 1: one row [groups * max of the two] for each tap.
    flat = jnp.swapaxes(kernel.reshape(-1, per_group, window.groups, multiplier), 1, 2)
    flat = flat.reshape(prod(taps), *[1] * (x.ndim - 1), -1).astype(wide(x.dtype))
    repeated = jnp.repeat(x, multiplier, axis=-1) if multiplier > 1 else x
    parts = _taps(repeated, window, tuple(taps))
    terms = (part.astype(flat.dtype) * row for part, row in zip(parts, flat, strict=True))
    total = reduce(add, terms)
    if per_group > 1:
        total = total.reshape(*total.shape[:-1], window.groups, per_group).sum(axis=-1)
    return total.astype(dtype)


def depthwise_kernel_gradient(x, cotangent, window, kernel_shape):
    *taps, per_group, out = kernel_shape
    multiplier = out // window.groups
    repeated = jnp.repeat(x, multiplier, axis=-1) if multiplier > 1 else x
    cotangent = jnp.repeat(cotangent, per_group, axis=-1) if per_group > 1 else cotangent
    sums = [_inner(part, cotangent) for part in _taps(repeated, window, tuple(taps))]
    split = jnp.stack(sums).reshape(-1, window.groups, per_group, multiplier)
    return jnp.swapaxes(split, 1, 2).reshape(kernel_shape).astype(x.dtype)


def _inner(x: jax.Array, y: jax.Array) -> jax.Array:
    """Sum over b and space of x * y, [c]."""
    dtype = wide(x.dtype)
    return sum_over_pixels(lambda x, y: x.astype(dtype) * y.astype(dtype), x, y)
