"""Channels that do not mix: one multiply-add for each tap, over all channels at once."""

from collections.abc import Iterator
from functools import reduce
from itertools import product
from math import prod
from operator import add

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.ops.window import Window, output_space
from jaxconv.ops.xla.pointwise import pad_space
from jaxconv.ops.xla.rewrites import Case
from jaxconv.ops.xla.stored import stored
from jaxconv.ops.xla.sums import sums_over_pixels, wide

MOST_TAPS, MOST_TAPS_ON_CPU = 64, 256  # each is written out in the program
MOST_SUMS = 9  # of taps that the gradient writes out; more are done row by row
SUMS_AT_ONCE = 3  # in one loop, which LLVM does not vectorise if it is long


def is_depthwise(case: Case) -> bool:
    per_group, out = case.kernel_shape[-2:]
    alone = per_group == 1 or out == case.window.groups  # one channel of the input or the output
    most = MOST_TAPS_ON_CPU if case.backend == "cpu" else MOST_TAPS
    return case.window.groups > 1 and alone and prod(case.taps) <= most


def _padded(x: jax.Array, window: Window) -> jax.Array:
    config = [
        (low, high, dilation - 1)
        for (low, high), dilation in zip(window.padding, window.input_dilation, strict=True)
    ]
    # Stored: where a tap meets no padding, XLA would otherwise recompute x in its loop.
    return stored(pad_space(x, config))


def _taps(
    padded: jax.Array, window: Window, taps: tuple[int, ...], sizes: tuple[int, ...]
) -> Iterator[jax.Array]:
    """What each tap, the last axis fastest, reads of padded x: [b, *sizes, c]."""
    for place in product(*map(range, taps)):
        axes = zip(place, sizes, window.stride, window.dilation, strict=True)
        reads = (slice(i * d, i * d + (n - 1) * s + 1, s) for i, n, s, d in axes)
        yield padded[(slice(None), *reads)]


def depthwise(x: jax.Array, kernel: jax.Array, window: Window, dtype: jnp.dtype) -> jax.Array:
    *taps, per_group, out = kernel.shape
    multiplier = out // window.groups
    # Either per_group or multiplier is 1: one row [groups * max of the two] for each tap.
    flat = jnp.swapaxes(kernel.reshape(-1, per_group, window.groups, multiplier), 1, 2)
    flat = flat.reshape(prod(taps), *[1] * (x.ndim - 1), -1).astype(wide(x.dtype))
    repeated = jnp.repeat(x, multiplier, axis=-1) if multiplier > 1 else x
    sizes = output_space(window, x.shape[1:-1], tuple(taps))
    parts = _taps(_padded(repeated, window), window, tuple(taps), sizes)
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
    padded, sizes = _padded(repeated, window), cotangent.shape[1:-1]
    if prod(taps) <= MOST_SUMS:
        sums = _sums(padded, cotangent, window, tuple(taps))
    else:
        # A loop over the first axis of taps: a program a row long compiles sooner, and the operands
        # of a loop are stored, where XLA would compute a cheap one anew in the sum of each tap.
        length = (sizes[0] - 1) * window.stride[0] + 1

        def row(i):
            rows = lax.dynamic_slice_in_dim(padded, i * window.dilation[0], length, axis=1)
            return _sums(rows, cotangent, window, (1, *taps[1:]))

        sums = lax.map(row, jnp.arange(taps[0]))
    split = sums.reshape(-1, window.groups, per_group, multiplier)
    return jnp.swapaxes(split, 1, 2).reshape(kernel_shape).astype(x.dtype)


def _sums(
    padded: jax.Array, cotangent: jax.Array, window: Window, taps: tuple[int, ...]
) -> jax.Array:
    """[taps, c], each the sum over b and space of what the tap reads times the cotangent."""
    dtype = wide(padded.dtype)

    def products(cotangent, *parts):
        return [part.astype(dtype) * cotangent.astype(dtype) for part in parts]

    parts = list(_taps(padded, window, taps, cotangent.shape[1:-1]))
    sums = []
    for start in range(0, len(parts), SUMS_AT_ONCE):
        sums += sums_over_pixels(products, cotangent, *parts[start : start + SUMS_AT_ONCE])
    return jnp.stack(sums)
