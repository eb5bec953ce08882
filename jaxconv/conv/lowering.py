"""How XLA is asked to compute a convolution: exact rewrites, chosen in one table.

`window.definition` is what a convolution means; every row of `LOWERINGS` is a faster way to the
same numbers, for the cases it names. The gradient for the input is a convolution again (by the
adjoint window), so that it goes through the same table; a row has its own rule for the gradient of
the kernel. Differentiating twice works; forward mode is refused by JAX (custom_vjp).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax

from jaxconv.conv import rewrites
from jaxconv.conv.rewrites import Case
from jaxconv.conv.window import Window, adjoint_kernel, adjoint_window, definition


class Lowering(NamedTuple):
    """A way to compute the convolutions for which `applies` holds."""

    name: str
    applies: Callable[[Case], bool]
    forward: Callable[[jax.Array, jax.Array, Window], jax.Array]
    kernel_gradient: Callable[[jax.Array, jax.Array, Window, tuple[int, ...]], jax.Array]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """`definition(x, kernel, window)`, by the first row of `LOWERINGS` that applies."""
    return choose(x.shape, kernel.shape, window).forward(x, kernel, window)


def kernel_gradient(
    x: jax.Array, cotangent: jax.Array, window: Window, kernel_shape: tuple[int, ...]
) -> jax.Array:
    """Gradient of `convolve` for its kernel, [kh, kw, c/groups, o]."""
    row = choose(x.shape, kernel_shape, window)
    return row.kernel_gradient(x, cotangent, window, kernel_shape)


def choose(x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], window: Window) -> Lowering:
    """The row of `LOWERINGS` for these shapes, on the default backend."""
    case = Case(x_shape, kernel_shape, window, jax.default_backend())
    return next(row for row in LOWERINGS if row.applies(case))


def _forward(x, kernel, window):
    return convolve(x, kernel, window), (x, kernel)


def _backward(window, residuals, cotangent):
    x, kernel = residuals
    back = adjoint_window(window, x.shape[1:3], kernel.shape[:2])
    return (
        convolve(cotangent, adjoint_kernel(kernel, window.groups), back),
        kernel_gradient(x, cotangent, window, kernel.shape),
    )


convolve.defvjp(_forward, _backward)


def _decimated(x, kernel, window):
    picked, smaller = rewrites.decimate(x, window, kernel.shape)
    return convolve(picked, kernel, smaller)


def _decimated_kernel_gradient(x, cotangent, window, kernel_shape):
    picked, smaller = rewrites.decimate(x, window, kernel_shape)
    return kernel_gradient(picked, cotangent, smaller, kernel_shape)


def _interleaved(x, kernel, window):
    plan = rewrites.plan_interleaving(window, x.shape, kernel.shape)
    return plan.spread(convolve(x, kernel, plan.window))


def _interleaved_kernel_gradient(x, cotangent, window, kernel_shape):
    plan = rewrites.plan_interleaving(window, x.shape, kernel_shape)
    return kernel_gradient(x, plan.pick(cotangent), plan.window, kernel_shape)


# First match wins. Times: two AVX-512 cores, jax 0.10.2, batch 128, this row against `definition`.
LOWERINGS = (
    # Stride and dilation share a factor g: only every g-th pixel is read, so the others are
    # dropped first, and the kernel loses its holes.
    Lowering("decimated", rewrites.can_decimate, _decimated, _decimated_kernel_gradient),
    # The adjoint of that: only every g-th output is not zero.
    Lowering("interleaved", rewrites.can_interleave, _interleaved, _interleaved_kernel_gradient),
    # A 1x1 kernel is a matrix product over pixels.
    Lowering(
        "pointwise",
        rewrites.is_pointwise,
        rewrites.pointwise,
        rewrites.pointwise_kernel_gradient,
    ),
    # XLA contracts the groups of a depthwise convolution one by one; shifted multiply-adds are
    # plain loops over all channels.
    Lowering(
        "depthwise",
        rewrites.is_depthwise,
        rewrites.depthwise,
        rewrites.depthwise_kernel_gradient,
    ),
    # XLA's kernel gradient contracts batch and space in one piece, which falls out of the cache;
    # a sum over pieces stays in it, and the pieces run in parallel.
    Lowering("dense", rewrites.is_dense_on_cpu, definition, rewrites.dense_kernel_gradient),
    Lowering("definition", lambda case: True, definition, rewrites.definition_kernel_gradient),
)
