"""Padding: what may be asked for, as (low, high) per axis, and borders that are not zeros."""

from collections.abc import Sequence
from functools import partial
from operator import index
from typing import TypeGuard, cast

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.ops.geometry import LARGEST, Pair, effective_kernel_size, per_axis
from jaxconv.ops.xla.types import by_batch

Padding = int | str | Sequence[int | Sequence[int]]  # an int; one per axis; (low, high) per axis
MODES = ("zeros", "reflect", "replicate", "circular")


def padding_pairs(
    padding: Padding,
    *,
    taps: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    name: str = "padding",
) -> tuple[Pair, ...]:
    """The padding of each axis as (low, high).

    "valid" is none. "same" gives an output of the size of x, the odd pixel at the end, and wants a
    stride of 1, as in PyTorch.

    Raises:
        ValueError: it is none of an int, one int or (low, high) per axis, "same" and "valid"; a
            negative int; "same" with a stride.
    """
    axes = len(taps)
    if isinstance(padding, str) and padding == "valid":
        return ((0, 0),) * axes
    if isinstance(padding, str) and padding == "same":
        if set(stride) != {1}:
            raise ValueError(f"{name}='same' wants a stride of 1, got {stride=}; give ints")
        totals = [effective_kernel_size(k, d) - 1 for k, d in zip(taps, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if _is_pairs(padding, axes):
        pairs = tuple((index(low), index(high)) for low, high in padding)
        if min(map(min, pairs)) < 0:
            raise ValueError(f"{name} must be at least 0, got {padding!r}")
        if max(map(max, pairs)) > LARGEST:
            raise ValueError(f"{name} must be below 2**31, got {padding!r}")
        return pairs
    try:
        ints = cast(int, padding)  # or `per_axis` says what is wrong with it
        return tuple((n, n) for n in per_axis(ints, name, axes=axes, minimum=0))
    except ValueError as error:
        if "must be an int" not in str(error):
            raise
        raise ValueError(f"{error}; (low, high) an axis, 'same' and 'valid' will do too") from None


def _is_pairs(padding: Padding, axes: int) -> TypeGuard[Sequence[Sequence[int]]]:
    """Whether it is one (low, high) of ints for each axis."""
    if isinstance(padding, str) or not isinstance(padding, Sequence) or len(padding) != axes:
        return False
    return all(
        isinstance(pair, Sequence)
        and not isinstance(pair, str)
        and len(pair) == 2
        and all(hasattr(n, "__index__") and not isinstance(n, bool) for n in pair)
        for pair in padding
    )


def check_mode(mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"padding_mode must be one of {', '.join(MODES)}, got {mode!r}")


def pad_border(x: jax.Array, pairs: tuple[Pair, ...], mode: str) -> jax.Array:
    """x [b, *space, c] with a border made of its own pixels: "reflect", "replicate", "circular".

    Raises:
        ValueError: the padding is not below the size ("reflect"), or exceeds it ("circular").
    """
    x = by_batch(x)
    for axis, (low, high) in enumerate(pairs, start=1):
        _check_border(x.shape[axis], low, high, mode)
        x = lax.concatenate(_border(x, axis, low, high, mode), axis)
    return x


def _check_border(size, low, high, mode):
    known = isinstance(size, int)  # a symbolic one is believed
    if mode == "reflect" and known and max(low, high) >= size:
        raise ValueError(
            f"reflected padding must be below the size, got {(low, high)} for {size} pixels"
        )
    if mode == "circular" and known and max(low, high) > size:
        raise ValueError(f"circular padding may go round once, got {(low, high)} for {size} pixels")


def _border(x, axis, low, high, mode):
    size = x.shape[axis]

    def cut(start, stop):
        return lax.slice_in_dim(x, start, stop, axis=axis)

    def repeated(pixel, count):
        shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
        return jnp.broadcast_to(pixel, shape)

    if mode == "reflect":
        before, after = cut(1, 1 + low), cut(size - 1 - high, size - 1)
        return [jnp.flip(before, axis), x, jnp.flip(after, axis)]
    if mode == "circular":
        return [cut(size - low, size), x, cut(0, high)]
    return [repeated(cut(0, 1), low), x, repeated(cut(size - 1, size), high)]


def fold_border(y: jax.Array, pairs: tuple[Pair, ...], mode: str) -> jax.Array:
    """The adjoint of `pad_border`: each border pixel is added to the pixel that it came from.

    Raises:
        ValueError: as `pad_border`, of the size that is left.
    """
    for axis, (low, high) in enumerate(pairs, start=1):
        size = y.shape[axis] - low - high
        _check_border(size, low, high, mode)

        def cut(start, stop, y=y, axis=axis):
            return lax.slice_in_dim(y, start, stop, axis=axis)

        before, y, after = cut(0, low), cut(low, low + size), cut(low + size, low + size + high)
        if mode == "reflect":
            parts = [(1, jnp.flip(before, axis)), (size - 1 - high, jnp.flip(after, axis))]
        elif mode == "circular":
            parts = [(size - low, before), (0, after)]
        else:
            total = partial(jnp.sum, axis=axis, keepdims=True)
            parts = [(0, total(before)), (size - 1, total(after))]
        for start, part in parts:
            y = y + _placed(part, axis, start, size)
    return y


def _placed(part, axis, start, size):
    """Zeros but for `part`, which begins at `start` of an axis of `size`."""
    config = [(0, 0, 0)] * part.ndim
    config[axis] = (start, size - start - part.shape[axis], 0)
    return lax.pad(part, jnp.zeros((), part.dtype), config)
