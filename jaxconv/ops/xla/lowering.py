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
from jax.errors import InconclusiveDimensionOperation

from jaxconv.ops.window import (
    Window,
    adjoint_kernel,
    adjoint_window,
    definition,
    output_space,
)
from jaxconv.ops.xla import dense, depthwise, pointwise, rewrites
from jaxconv.ops.xla.kernel_gradients import (
    LEAST_RUN,
    canonical_kernel_gradient,
    definition_kernel_gradient,
    tap_by_tap_kernel_gradient,
)
from jaxconv.ops.xla.rewrites import Case
from jaxconv.ops.xla.stored import stored

Shape = tuple[int, ...]


class Lowering(NamedTuple):
    """A way to compute the convolutions for which `applies` holds."""

    name: str
    applies: Callable[[Case], bool]
    # of x, kernel, window and the dtype of the result
    forward: Callable[[jax.Array, jax.Array, Window, jnp.dtype], jax.Array]
    # of x, cotangent, window and the shape of the kernel
    kernel_gradient: Callable[[jax.Array, jax.Array, Window, Shape], jax.Array]


def forward(x: jax.Array, kernel: jax.Array, window: Window, dtype: jnp.dtype) -> jax.Array:
    """`definition(x, kernel, window, dtype)`, by the first row of `LOWERINGS` that applies."""
    result = choose(x.shape, kernel.shape, window).forward(x, kernel, window, dtype)
    if x.dtype != jnp.bfloat16:
        return result
    # XLA of jax 0.12 would fuse several convolutions of bfloat16 into one call of its library for a
    # CPU, which gave NaN.
    return stored(result)


def kernel_gradient(
    x: jax.Array, cotangent: jax.Array, window: Window, kernel_shape: Shape
) -> jax.Array:
    """Gradient of `definition` for its kernel, [*taps, c/groups, o]."""
    row = choose(x.shape, kernel_shape, window)
    return row.kernel_gradient(x, cotangent, window, kernel_shape)


def choose(x_shape: Shape, kernel_shape: Shape, window: Window) -> Lowering:
    """The row of `LOWERINGS` for these shapes, on the default backend."""
    case = Case(x_shape, kernel_shape, window, jax.default_backend())
    return next(row for row in LOWERINGS if _surely_applies(row, case))


def _surely_applies(row: Lowering, case: Case) -> bool:
    """Whether `row` applies whatever a symbolic size stands for."""
    try:
        return row.applies(case)
    except InconclusiveDimensionOperation:
        return False


def _has_symbols(case):
    return not all(isinstance(size, int) for size in case.space)


def _unpadded(x, kernel, window, dtype):
    padded, plain = rewrites.unpad(x, window)
    return definition(padded, kernel, plain, dtype)


def _unpadded_kernel_gradient(x, cotangent, window, kernel_shape):
    padded, plain = rewrites.unpad(x, window)
    return tap_by_tap_kernel_gradient(padded, cotangent, plain, kernel_shape)


def _line(x, kernel, window, dtype):
    x_wide, kernel_wide, wide = x[:, None], kernel[None], rewrites.widen(window)
    # XLA has kernels of its own for one axis, which no row for an image improves on.
    if choose(x_wide.shape, kernel_wide.shape, wide).forward in (definition, dense.overhanging):
        return definition(x, kernel, window, dtype)
    return forward(x_wide, kernel_wide, wide, dtype)[:, 0]


def _line_kernel_gradient(x, cotangent, window, kernel_shape):
    wide, shape = rewrites.widen(window), (1, *kernel_shape)
    return kernel_gradient(x[:, None], cotangent[:, None], wide, shape)[0]


def _cropped(x, kernel, window, dtype):
    rest, smaller = rewrites.crop(x, window)
    if 0 in rest.shape[1:-1]:  # the kernel reads padding only
        space = output_space(window, x.shape[1:-1], kernel.shape[:-2])
        return jnp.zeros((x.shape[0], *space, kernel.shape[-1]), dtype)
    return forward(rest, kernel, smaller, dtype)


def _cropped_kernel_gradient(x, cotangent, window, kernel_shape):
    rest, smaller = rewrites.crop(x, window)
    if 0 in rest.shape[1:-1]:
        return jnp.zeros(kernel_shape, x.dtype)
    return kernel_gradient(rest, cotangent, smaller, kernel_shape)


def _lengthened(x, kernel, window, dtype):
    longer, _, sizes = rewrites.lengthen(x, window, kernel.shape)
    return forward(x, kernel, longer, dtype)[(slice(None), *map(slice, sizes))]


def _lengthened_kernel_gradient(x, cotangent, window, kernel_shape):
    longer, more, _ = rewrites.lengthen(x, window, kernel_shape)
    config = [(0, 0, 0), *((0, pixel, 0) for pixel in more), (0, 0, 0)]
    cotangent = lax.pad(cotangent, jnp.zeros((), cotangent.dtype), config)
    return kernel_gradient(x, cotangent, longer, kernel_shape)


def _decimated(x, kernel, window, dtype):
    picked, smaller = rewrites.decimate(x, window, kernel.shape)
    return forward(picked, kernel, smaller, dtype)


def _decimated_kernel_gradient(x, cotangent, window, kernel_shape):
    picked, smaller = rewrites.decimate(x, window, kernel_shape)
    return kernel_gradient(picked, cotangent, smaller, kernel_shape)


def _interleaved(x, kernel, window, dtype):
    plan = rewrites.plan_interleaving(window, x.shape, kernel.shape)
    return plan.spread(forward(x, kernel, plan.window, dtype))


def _interleaved_kernel_gradient(x, cotangent, window, kernel_shape):
    plan = rewrites.plan_interleaving(window, x.shape, kernel_shape)
    return kernel_gradient(x, plan.pick(cotangent), plan.window, kernel_shape)


def _exchanged_kernel_gradient(x, cotangent, window, kernel_shape):
    """That of the adjoint, which reads the cotangent with a stride and gives x, turned back."""
    *taps, per_group, features = kernel_shape
    groups = window.groups
    back = adjoint_window(window, x.shape[1:-1], tuple(taps))
    turned = (*taps, features // groups, per_group * groups)
    return adjoint_kernel(kernel_gradient(cotangent, x, back, turned), groups)


def _ragged_kernel_gradient(x, cotangent, window, kernel_shape):
    """With x and the cotangent exchanged, the channels take the place of the features."""
    if kernel_shape[-2] % 32 == 0 and set(window.stride) == {1}:
        return _exchanged_kernel_gradient(x, cotangent, window, kernel_shape)
    return canonical_kernel_gradient(x, cotangent, window, kernel_shape, least_run=LEAST_RUN)


# First match wins. Times: two AVX-512 cores, jax 0.10.2, batch 128, this row against `definition`.
LOWERINGS = (
    # Correctness: nothing below may be decided of sizes that are symbols (`jax.export`), and XLA's
    # CPU kernels are wrong with negative padding, which these may turn out to be.
    Lowering("symbolic", _has_symbols, _unpadded, _unpadded_kernel_gradient),
    # One axis of space is two, so that each row below serves it: XLA does the same.
    Lowering("line", rewrites.is_line, _line, _line_kernel_gradient),
    # A 1x1 kernel is a matrix product over pixels; it pads and crops by itself.
    Lowering(
        "pointwise",
        pointwise.is_pointwise,
        pointwise.pointwise,
        pointwise.pointwise_kernel_gradient,
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
        depthwise.is_depthwise,
        depthwise.depthwise,
        depthwise.depthwise_kernel_gradient,
    ),
    # Correctness: of two taps (or two outputs) on an image stretched by two without padding, XLA's
    # simplifier exchanges image and kernel wrongly, and aborts the process (jax 0.10 to 0.12).
    Lowering("lengthened", rewrites.trips_xla, _lengthened, _lengthened_kernel_gradient),
    # Little work: what the rows below arrange would cost more than it saves, most of all in a loop.
    Lowering("small", dense.is_small_on_cpu, definition, definition_kernel_gradient),
    # A volume stretched by zeros, as in the input gradient of a stride: XLA multiplies zeros, too.
    # 3x3x3 on 4x8x8x8x32, stretched by 2: 100 ms, and 1.8 so.
    Lowering(
        "scattered volume",
        dense.is_stretched_volume_on_cpu,
        dense.scattered,
        _exchanged_kernel_gradient,
    ),
    # The kernel gradient as a product for each tap: 2 to 7 times as fast as JAX's.
    Lowering("volume", dense.is_volume_on_cpu, definition, _unpadded_kernel_gradient),
    # XLA's kernel for 17 to 32 outputs of an odd number of channels, as of an RGB image, is 2 to 9
    # times slower than with one channel more. Not so in jax 0.12: drop this row when 0.11 goes.
    Lowering(
        "widened",
        dense.is_odd_on_cpu,
        dense.widened,
        canonical_kernel_gradient,
    ),
    # JAX's kernel gradients have other layouts than XLA's fast kernels take: 1 to 3 times slower,
    # 4 to 170 times with groups (one contraction each), and 10 to 110 times in any loop. This one
    # is canonical. Of one long contraction the data falls out of the cache; pieces stay in it.
    # A stretched image is mostly zeros: there the cotangent is read with a stride instead.
    Lowering("stretched", dense.is_stretched_on_cpu, definition, _exchanged_kernel_gradient),
    # YNNPACK is slow at some numbers of features, such as 40. Eigen is not, which XLA uses where
    # the output is larger than the input: so one more row or column is computed, and cut off. 3x3
    # on 128x16x16x40: 5.0 ms, and 3.4 so (jax 0.12). The gradient of the kernel contracts longer
    # runs, which YNNPACK is not slow at. To be measured again with each new jax.
    Lowering("ragged", dense.is_slow_on_cpu, dense.overhanging, _ragged_kernel_gradient),
    Lowering("canonical", dense.is_on_cpu, definition, canonical_kernel_gradient),
    Lowering("definition", lambda case: True, definition, definition_kernel_gradient),
)
