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
from jaxconv.ops.window import Window, output_hw


class Case(NamedTuple):
    """What the choice of a rewrite may depend on."""

    x_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...]
    window: Window
    backend: str
    jax_version: tuple[int, ...] = jax.__version_info__


# Cropping: negative padding.


def has_crop(case):
    return min(min(pads) for pads in case.window.padding) < 0


# Decimation: a stride and a dilation with a common factor.


def _shared_factors(window: Window, kernel_hw: Pair) -> Pair:
    """What stride and dilation have in common along each axis; a single tap has any dilation."""
    h, w = (
        s if k == 1 else gcd(s, d)
        for s, d, k in zip(window.stride, window.dilation, kernel_hw, strict=True)
    )
    return h, w


def can_decimate(case: Case) -> bool:
    factors = _shared_factors(case.window, case.kernel_shape[:2])
    return case.window.input_dilation == (1, 1) and factors != (1, 1)


def decimate(
    x: jax.Array, window: Window, kernel_shape: tuple[int, ...]
) -> tuple[jax.Array, Window]:
    """The pixels of x that are read at all, and the window that reads them."""
    factors = _shared_factors(window, kernel_shape[:2])
    outputs = output_hw(window, x.shape[1:3], kernel_shape[:2])
    stride, dilation, padding, slices = [], [], [], []
    for axis, (g, out) in enumerate(zip(factors, outputs, strict=True)):
        low, kernel_size = window.padding[axis][0], kernel_shape[axis]
        stride.append(window.stride[axis] // g)
        dilation.append(window.dilation[axis] // g if kernel_size > 1 else 1)
        first = -low % g  # the first pixel on the grid that the taps stand on
        picked = len(range(first, x.shape[1 + axis], g))
        new_low = (low + first) // g
        extent = (out - 1) * stride[-1] + dilation[-1] * (kernel_size - 1) + 1
        padding.append((new_low, extent - new_low - picked))
        slices.append(slice(first, None, g))
    smaller = Window(tuple(stride), tuple(padding), (1, 1), tuple(dilation), window.groups)
    return x[:, slices[0], slices[1]], smaller


# Interleaving: the adjoint of decimation.


class Interleaving(NamedTuple):
    """A smaller window, whose outputs stand `step` apart, from `first`, in the full output."""

    window: Window
    first: Pair
    step: Pair
    output_hw: Pair

    def spread(self, y: jax.Array) -> jax.Array:
        """Puts the outputs at their places, zeros between them."""
        config = [(0, 0, 0)]
        for axis, (first, step) in enumerate(zip(self.first, self.step, strict=True)):
            given = (y.shape[1 + axis] - 1) * step + 1
            config.append((first, self.output_hw[axis] - first - given, step - 1))
        return lax.pad(y, jnp.zeros((), y.dtype), [*config, (0, 0, 0)])

    def pick(self, y: jax.Array) -> jax.Array:
        """The adjoint of `spread`."""
        (first_h, first_w), (step_h, step_w) = self.first, self.step
        return y[:, first_h::step_h, first_w::step_w]


def _adjoint_factors(window: Window, kernel_hw: Pair) -> Pair:
    h, w = (
        i if k == 1 else gcd(i, d)
        for i, d, k in zip(window.input_dilation, window.dilation, kernel_hw, strict=True)
    )
    return h, w


def can_interleave(case: Case) -> bool:
    if case.window.stride != (1, 1):
        return False
    if _adjoint_factors(case.window, case.kernel_shape[:2]) == (1, 1):
        return False
    plan = plan_interleaving(case.window, case.x_shape, case.kernel_shape)
    return min(output_hw(plan.window, case.x_shape[1:3], case.kernel_shape[:2])) > 0


def plan_interleaving(
    window: Window, x_shape: tuple[int, ...], kernel_shape: tuple[int, ...]
) -> Interleaving:
    """Splits a window of stride 1 whose input dilation and dilation share factors."""
    factors = _adjoint_factors(window, kernel_shape[:2])
    outputs = output_hw(window, x_shape[1:3], kernel_shape[:2])
    input_dilation, dilation, padding, firsts = [], [], [], []
    for axis, (g, out) in enumerate(zip(factors, outputs, strict=True)):
        low, kernel_size = window.padding[axis][0], kernel_shape[axis]
        input_dilation.append(window.input_dilation[axis] // g)
        dilation.append(window.dilation[axis] // g if kernel_size > 1 else 1)
        first = low % g  # outputs elsewhere read zeros only
        count = len(range(first, out, g))
        new_low = (low - first) // g
        extent = count - 1 + dilation[-1] * (kernel_size - 1) + 1
        given = (x_shape[1 + axis] - 1) * input_dilation[-1] + 1
        padding.append((new_low, extent - new_low - given))
        firsts.append(first)
    smaller = Window((1, 1), tuple(padding), tuple(input_dilation), tuple(dilation), window.groups)
    return Interleaving(smaller, (firsts[0], firsts[1]), factors, outputs)


# Lengthening: a pixel more, where XLA fails without.


def trips_xla(case):
    outputs = output_hw(case.window, case.x_shape[1:3], case.kernel_shape[:2])
    return any(_trip_axes(case.window, case.kernel_shape[:2], outputs))


def _trip_axes(window, kernel_hw, outputs):
    """Along which axes to ask for one pixel more; see the row "lengthened"."""
    options = zip(window.input_dilation, window.padding, window.dilation, strict=True)
    return [
        option == (2, (0, 0), 1) and 2 in sizes
        for option, sizes in zip(options, zip(kernel_hw, outputs, strict=True), strict=True)
    ]


def lengthen(x, window, kernel_shape):
    outputs = output_hw(window, x.shape[1:3], kernel_shape[:2])
    more = [int(trips) for trips in _trip_axes(window, kernel_shape[:2], outputs)]
    padding = tuple(
        (low, high + pixel) for (low, high), pixel in zip(window.padding, more, strict=True)
    )
    return window._replace(padding=padding), more, outputs
