"""Exact rewrites of a window: the same convolution of fewer pixels, or without what XLA trips on.

Each predicate tells whether a rewrite holds for a case; the function beside it gives the smaller
convolution. `lowering.py` says which is taken when.
"""

from math import gcd
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.ops.geometry import Pair
from jaxconv.ops.window import Ints, Window, output_space


class Case(NamedTuple):
    """What the choice of a rewrite may depend on."""

    x_shape: tuple[int, ...]  # [b, *space, c]
    kernel_shape: tuple[int, ...]  # [*taps, c/groups, o]
    window: Window
    backend: str
    jax_version: tuple[int, ...] = jax.__version_info__

    @property
    def space(self) -> Ints:
        return self.x_shape[1:-1]

    @property
    def taps(self) -> Ints:
        return self.kernel_shape[:-2]


# A line: one axis of space, beside which another of size one is put.


def is_line(case: Case) -> bool:
    return case.window.axes == 1


def widen(window: Window) -> Window:
    """The window over [1, space]."""
    (padding,) = window.padding
    return Window(
        (1, *window.stride),
        ((0, 0), padding),
        (1, *window.input_dilation),
        (1, *window.dilation),
        window.groups,
    )


# Cropping: negative padding.


def has_crop(case: Case) -> bool:
    return min(min(pads) for pads in case.window.padding) < 0


def crop(x: jax.Array, window: Window) -> tuple[jax.Array, Window]:
    """What is left of x, and the window without negative padding that says the same of it."""
    slices, padding = [], []
    for axis, (low, high) in enumerate(window.padding):
        step, size = window.input_dilation[axis], x.shape[1 + axis]
        start, stop = max(0, -(low // step)), size - max(0, -(high // step))
        slices.append(slice(start, max(start, stop)))
        padding.append((low + start * step, high + (size - stop) * step))
    return x[(slice(None), *slices)], window._replace(padding=tuple(padding))


# Decimation: a stride and a dilation with a common factor.


def _shared_factors(steps: Ints, dilation: Ints, taps: Ints) -> Ints:
    """What steps and dilation have in common along each axis; a single tap has any dilation."""
    axes = zip(steps, dilation, taps, strict=True)
    return tuple(step if k == 1 else gcd(step, d) for step, d, k in axes)


def can_decimate(case: Case) -> bool:
    window = case.window
    factors = _shared_factors(window.stride, window.dilation, case.taps)
    return not window.is_stretched and set(factors) != {1}


def decimate(
    x: jax.Array, window: Window, kernel_shape: tuple[int, ...]
) -> tuple[jax.Array, Window]:
    """The pixels of x that are read at all, and the window that reads them."""
    taps = kernel_shape[:-2]
    factors = _shared_factors(window.stride, window.dilation, taps)
    outputs = output_space(window, x.shape[1:-1], taps)
    stride, dilation, padding, slices = [], [], [], []
    for axis, (g, out) in enumerate(zip(factors, outputs, strict=True)):
        low, kernel_size = window.padding[axis][0], taps[axis]
        stride.append(window.stride[axis] // g)
        dilation.append(window.dilation[axis] // g if kernel_size > 1 else 1)
        first = -low % g  # the first pixel on the grid that the taps stand on
        picked = len(range(first, x.shape[1 + axis], g))
        new_low = (low + first) // g
        extent = (out - 1) * stride[-1] + dilation[-1] * (kernel_size - 1) + 1
        padding.append((new_low, extent - new_low - picked))
        slices.append(slice(first, None, g))
    smaller = window._replace(
        stride=tuple(stride), padding=tuple(padding), dilation=tuple(dilation)
    )
    return x[(slice(None), *slices)], smaller


# Interleaving: the adjoint of decimation.


class Interleaving(NamedTuple):
    """A smaller window, whose outputs stand `step` apart, from `first`, in the full output."""

    window: Window
    first: Ints
    step: Ints
    output: Ints

    def spread(self, y: jax.Array) -> jax.Array:
        """Puts the outputs at their places, zeros between them."""
        config = [(0, 0, 0)]
        for axis, (first, step) in enumerate(zip(self.first, self.step, strict=True)):
            given = (y.shape[1 + axis] - 1) * step + 1
            config.append((first, self.output[axis] - first - given, step - 1))
        return lax.pad(y, jnp.zeros((), y.dtype), [*config, (0, 0, 0)])

    def pick(self, y: jax.Array) -> jax.Array:
        """The adjoint of `spread`."""
        axes = zip(self.first, self.step, strict=True)
        return y[(slice(None), *(slice(first, None, step) for first, step in axes))]


def can_interleave(case: Case) -> bool:
    window = case.window
    if set(window.stride) != {1}:
        return False
    if set(_shared_factors(window.input_dilation, window.dilation, case.taps)) == {1}:
        return False
    plan = plan_interleaving(window, case.x_shape, case.kernel_shape)
    return min(output_space(plan.window, case.space, case.taps)) > 0


def plan_interleaving(
    window: Window, x_shape: tuple[int, ...], kernel_shape: tuple[int, ...]
) -> Interleaving:
    """Splits a window of stride 1 whose input dilation and dilation share factors."""
    taps = kernel_shape[:-2]
    factors = _shared_factors(window.input_dilation, window.dilation, taps)
    outputs = output_space(window, x_shape[1:-1], taps)
    input_dilation, dilation, padding, firsts = [], [], [], []
    for axis, (g, out) in enumerate(zip(factors, outputs, strict=True)):
        low, kernel_size = window.padding[axis][0], taps[axis]
        input_dilation.append(window.input_dilation[axis] // g)
        dilation.append(window.dilation[axis] // g if kernel_size > 1 else 1)
        first = low % g  # outputs elsewhere read zeros only
        count = len(range(first, out, g))
        new_low = (low - first) // g
        extent = count - 1 + dilation[-1] * (kernel_size - 1) + 1
        given = (x_shape[1 + axis] - 1) * input_dilation[-1] + 1
        padding.append((new_low, extent - new_low - given))
        firsts.append(first)
    smaller = window._replace(
        padding=tuple(padding), input_dilation=tuple(input_dilation), dilation=tuple(dilation)
    )
    return Interleaving(smaller, tuple(firsts), factors, outputs)


# Lengthening: a pixel more, where XLA fails without.


def trips_xla(case: Case) -> bool:
    outputs = output_space(case.window, case.space, case.taps)
    return any(_trip_axes(case.window, case.taps, outputs))


def _trip_axes(window: Window, taps: Ints, outputs: Ints) -> list[bool]:
    """Along which axes to ask for one pixel more; see the row "lengthened"."""
    options = zip(window.input_dilation, window.padding, window.dilation, strict=True)
    sizes = zip(taps, outputs, strict=True)
    return [
        option == (2, (0, 0), 1) and 2 in both for option, both in zip(options, sizes, strict=True)
    ]


def lengthen(
    x: jax.Array, window: Window, kernel_shape: tuple[int, ...]
) -> tuple[Window, list[int], Ints]:
    """The longer window, how many pixels more it gives along each axis, and the output's sizes."""
    outputs = output_space(window, x.shape[1:-1], kernel_shape[:-2])
    more = [int(trips) for trips in _trip_axes(window, kernel_shape[:-2], outputs)]
    padding: tuple[Pair, ...] = tuple(
        (low, high + pixel * stride)
        for (low, high), pixel, stride in zip(window.padding, more, window.stride, strict=True)
    )
    return window._replace(padding=padding), more, outputs


# Unpadding: padding and stretching by themselves, where sizes are symbols and no other row applies.


def unpad(x: jax.Array, window: Window) -> tuple[jax.Array, Window]:
    """x with its padding, crops and input dilation done, and the window that has none."""
    axes = zip(window.padding, window.input_dilation, strict=True)
    config = [(low, high, dilation - 1) for (low, high), dilation in axes]
    padded = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *config, (0, 0, 0)])
    ones = (1,) * window.axes
    return padded, window._replace(padding=((0, 0),) * window.axes, input_dilation=ones)
