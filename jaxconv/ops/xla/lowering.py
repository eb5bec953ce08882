"""How XLA is asked to compute a convolution: exact rewrites, chosen in one table.

`window.definition` is what a convolution means; every row of `LOWERINGS` is a faster way to the
same numbers, for the cases it names. The gradient for the input is a convolution again (by the
adjoint window), so that it goes through the same table; a row has its own rule for the gradient of
the kernel. Rows are traced when a program is lowered: they need not be differentiable or mappable.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.ops.window import (
    Window,
    adjoint_kernel,
    adjoint_window,
    crop,
    definition,
    output_hw,
)
from jaxconv.ops.xla import kernels, rewrites
from jaxconv.ops.xla.rewrites import Case


class Lowering(NamedTuple):
    """A way to compute the convolutions for which `applies` holds."""

    name: str
    applies: Callable[[Case], bool]
    forward: Callable[[jax.Array, jax.Array, Window], jax.Array]
    kernel_gradient: Callable[[jax.Array, jax.Array, Window, tuple[int, ...]], jax.Array]


def forward(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """`definition(x, kernel, window)`, by the first row of `LOWERINGS` that applies."""
    return choose(x.shape, kernel.shape, window).forward(x, kernel, window)


def kernel_gradient(
    x: jax.Array, cotangent: jax.Array, window: Window, kernel_shape: tuple[int, ...]
) -> jax.Array:
    """Gradient of `definition` for its kernel, [kh, kw, c/groups, o]."""
    row = choose(x.shape, kernel_shape, window)
    return row.kernel_gradient(x, cotangent, window, kernel_shape)


def choose(x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], window: Window) -> Lowering:
    """The row of `LOWERINGS` for these shapes, on the default backend."""
    case = Case(x_shape, kernel_shape, window, jax.default_backend())
    return next(row for row in LOWERINGS if row.applies(case))


def _cropped(x, kernel, window):
    rest, smaller = crop(x, window)
    if 0 in rest.shape[1:3]:  # the kernel reads padding only
        h, w = output_hw(window, x.shape[1:3], kernel.shape[:2])
        return jnp.zeros((x.shape[0], h, w, kernel.shape[3]), x.dtype)
    return forward(rest, kernel, smaller)


def _cropped_kernel_gradient(x, cotangent, window, kernel_shape):
    rest, smaller = crop(x, window)
    if 0 in rest.shape[1:3]:
        return jnp.zeros(kernel_shape, x.dtype)
    return kernel_gradient(rest, cotangent, smaller, kernel_shape)


def _lengthened(x, kernel, window):
    longer, _, (h, w) = rewrites.lengthen(x, window, kernel.shape)
    return forward(x, kernel, longer)[:, :h, :w]


def _lengthened_kernel_gradient(x, cotangent, window, kernel_shape):
    longer, (more_h, more_w), _ = rewrites.lengthen(x, window, kernel_shape)
    config = [(0, 0, 0), (0, more_h, 0), (0, more_w, 0), (0, 0, 0)]
    cotangent = lax.pad(cotangent, jnp.zeros((), cotangent.dtype), config)
    return kernel_gradient(x, cotangent, longer, kernel_shape)


def _decimated(x, kernel, window):
    picked, smaller = rewrites.decimate(x, window, kernel.shape)
    return forward(picked, kernel, smaller)


def _decimated_kernel_gradient(x, cotangent, window, kernel_shape):
    picked, smaller = rewrites.decimate(x, window, kernel_shape)
    return kernel_gradient(picked, cotangent, smaller, kernel_shape)


def _interleaved(x, kernel, window):
    plan = rewrites.plan_interleaving(window, x.shape, kernel.shape)
    return plan.spread(forward(x, kernel, plan.window))


def _interleaved_kernel_gradient(x, cotangent, window, kernel_shape):
    plan = rewrites.plan_interleaving(window, x.shape, kernel_shape)
    return kernel_gradient(x, plan.pick(cotangent), plan.window, kernel_shape)


def _exchanged_kernel_gradient(x, cotangent, window, kernel_shape):
    """That of the adjoint, which reads the cotangent with a stride and gives x, turned back."""
    kh, kw, per_group, features = kernel_shape
    groups = window.groups
    back = adjoint_window(window, x.shape[1:3], (kh, kw))
    turned = (kh, kw, features // groups, per_group * groups)
    return adjoint_kernel(kernel_gradient(cotangent, x, back, turned), groups)


# First match wins. Times: two AVX-512 cores, jax 0.10.2, batch 128, this row against `definition`.
LOWERINGS = (
    # A 1x1 kernel is a matrix product over pixels; it pads and crops by itself.
    Lowering(
        "pointwise",
        kernels.is_pointwise,
        kernels.pointwise,
        kernels.pointwise_kernel_gradient,
    ),
    # Correctness: with negative padding XLA's CPU kernels read outside the image and give garbage
    # (openxla/xla issue 48713), so that a crop is a slice.
    Lowering("cropped", rewrites.has_crop, _cropped, _cropped_kernel_gradient),
    # Stride and dilation share a factor g: only every g-th pixel is read, so the others are
    # dropped first, and the kernel loses its holes.
    Lowering("decimated", rewrites.can_decimate, _decimated, _decimated_kernel_gradient),
    # The adjoint of that: only every g-th output is not zero.
    Lowering("interleaved", rewrites.can_interleave, _interleaved, _interleaved_kernel_gradient),
    # XLA contracts the groups of a depthwise convolution one by one; shifted multiply-adds are
    # plain loops over all channels.
    Lowering(
        "depthwise",
        kernels.is_depthwise,
        kernels.depthwise,
        kernels.depthwise_kernel_gradient,
    ),
    # Correctness: of two taps (or two outputs) on an image stretched by two without padding, XLA's
    # simplifier exchanges image and kernel wrongly, and aborts the process (jax 0.10 to 0.12).
    Lowering("lengthened", rewrites.trips_xla, _lengthened, _lengthened_kernel_gradient),
    # Little work: what the rows below arrange would cost more than it saves, most of all in a loop.
    Lowering("small", kernels.is_small_on_cpu, definition, kernels.definition_kernel_gradient),
    # XLA's kernel for 17 to 32 outputs of an odd number of channels, as of an RGB image, is 2 to 9
    # times slower than with one channel more. Not so in jax 0.12: drop this row when 0.11 goes.
    Lowering(
        "widened",
        kernels.is_odd_on_cpu,
        kernels.widened,
        kernels.canonical_kernel_gradient,
    ),
    # JAX's kernel gradients have other layouts than XLA's fast kernels take: 1 to 2 times slower,
    # 4 to 170 times with groups (one contraction each), and 10 to 110 times in any loop. This one
    # is canonical. Of one long contraction the data falls out of the cache; pieces stay in it.
    # A stretched image is mostly zeros: there the cotangent is read with a stride instead.
    Lowering("stretched", kernels.is_stretched_on_cpu, definition, _exchanged_kernel_gradient),
    Lowering("canonical", kernels.is_on_cpu, definition, kernels.canonical_kernel_gradient),
    Lowering("definition", lambda case: True, definition, kernels.definition_kernel_gradient),
)
