"""A convolution and the gradient of its kernel, as two bilinear operations that JAX knows.

`convolve` is linear in x and in the kernel, `kernel_gradient` in x and in the cotangent, and the
transpose of either is one of the two again. Every transformation follows from that: forward and
reverse mode in any order, linear transposition, and vmap. What is computed is chosen
when a program is lowered (`lowering.py`), for the devices that it is lowered for (`partition.py`).
"""

from functools import partial
from math import prod

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxconv.ops.window import Window, adjoint_kernel, adjoint_window, output_space
from jaxconv.ops.xla import lowering
from jaxconv.ops.xla.mapped_axes import join, part
from jaxconv.ops.xla.partition import marker, partitioned_convolve, partitioned_kernel_gradient
from jaxconv.ops.xla.types import by_batch, result_type, vary_alike, whole

convolve_p = Primitive("convolve")
kernel_gradient_p = Primitive("convolve_kernel_gradient")
_PRECISION = "jax_default_matmul_precision"  # a setting, which the type of jax.config does not list


def convolve(
    x: jax.Array, kernel: jax.Array, window: Window, dtype: jnp.dtype | None = None
) -> jax.Array:
    """`definition(x, kernel, window, dtype)`: x [b, *space, c], kernel [*taps, c/groups, o]."""
    x, kernel = vary_alike(by_batch(x), whole(kernel))
    dtype = jnp.dtype(x.dtype if dtype is None else dtype)
    return convolve_p.bind(x, kernel, window=window, dtype=dtype, **_context())


def kernel_gradient(
    x: jax.Array, cotangent: jax.Array, window: Window, taps: tuple[int, ...]
) -> jax.Array:
    """Gradient of `convolve` for its kernel, [*taps, c/groups, o], of the dtype of x.

    The cotangent may be of a wider dtype, and is rounded to that of x: one that comes from a sum
    that was rounded to it has no more digits.
    """
    x, cotangent = vary_alike(by_batch(x), by_batch(cotangent.astype(x.dtype), like=x))
    return kernel_gradient_p.bind(x, cotangent, window=window, taps=taps, **_context())


def input_gradient(
    cotangent: jax.Array, kernel: jax.Array, window: Window, space: tuple[int, ...]
) -> jax.Array:
    """Gradient of `convolve` for x of sizes `space`: a convolution by the adjoint window."""
    back = adjoint_window(window, space, kernel.shape[:-2])
    turned = adjoint_kernel(kernel, window.groups)
    return convolve(cotangent.astype(kernel.dtype), turned, back)


def _context():
    return {"precision": getattr(jax.config, _PRECISION), "marker": marker()}


@convolve_p.def_abstract_eval
def _convolve_type(x, kernel, *, window, dtype, **_):
    space = output_space(window, x.shape[1:-1], kernel.shape[:-2])
    return result_type(x, (x.shape[0], *space, kernel.shape[-1]), dtype, split=True)


@kernel_gradient_p.def_abstract_eval
def _kernel_gradient_type(x, cotangent, *, window, taps, **_):
    shape = (*taps, x.shape[-1] // window.groups, cotangent.shape[-1])
    return result_type(x, shape, split=False)


# Differentiation. A transpose is computed in the precision of what it is the transpose of.


def _in_its_precision(rule):
    def transpose(*operands, precision, marker, **parameters):
        with jax.default_matmul_precision(precision):
            return rule(*operands, **parameters)

    return transpose


def _convolve_for_x(cotangent, x, kernel, *, window, dtype):
    return input_gradient(cotangent, kernel, window, x.aval.shape[1:-1])


def _convolve_for_kernel(cotangent, x, kernel, *, window, dtype):
    return kernel_gradient(x, cotangent, window, kernel.aval.shape[:-2])


def _gradient_for_x(tangent, x, cotangent, *, window, taps):
    return input_gradient(cotangent, tangent, window, x.aval.shape[1:-1])


def _gradient_for_cotangent(tangent, x, cotangent, *, window, taps):
    return convolve(x, tangent, window)


ad.defbilinear(convolve_p, *map(_in_its_precision, (_convolve_for_x, _convolve_for_kernel)))
ad.defbilinear(
    kernel_gradient_p, *map(_in_its_precision, (_gradient_for_x, _gradient_for_cotangent))
)


# vmap. An axis of x alone joins the batch, one of a kernel (or a cotangent) alone the channels of
# each group, and one of both operands the groups.


def _or_none(rule):
    """The batching rule, and of an empty axis what it makes of one example of zeros, cut off."""

    def mapped(operands, axes, **parameters):
        pairs = list(zip(operands, axes, strict=True))
        if all(axis is None or array.shape[axis] != 0 for array, axis in pairs):
            return rule(operands, axes, **parameters)
        one = [
            array
            if axis is None
            else jnp.pad(array, [(0, int(place == axis)) for place in range(array.ndim)])
            for array, axis in pairs
        ]
        result, place = rule(one, axes, **parameters)
        return result[:0], place

    return mapped


@_or_none
def _map_convolve(operands, axes, *, window, dtype, precision, marker):
    (x, kernel), (x_axis, kernel_axis) = operands, axes
    groups, last = window.groups, window.axes + 1  # where channels are, and a kernel's features
    with jax.default_matmul_precision(precision):
        if kernel_axis is None:
            count = x.shape[x_axis]
            return part(convolve(join(x, x_axis, 0), kernel, window, dtype), 0, count), 0
        count = kernel.shape[kernel_axis]
        if x_axis is None:
            kernel = join(kernel, kernel_axis, last, groups)
            return part(convolve(x, kernel, window, dtype), last, count, groups), 0
        x, kernel = join(x, x_axis, last), join(kernel, kernel_axis, last)
        more = window._replace(groups=groups * count)
        return part(convolve(x, kernel, more, dtype), last, count), 0


@_or_none
def _map_kernel_gradient(operands, axes, *, window, taps, precision, marker):
    (x, cotangent), (x_axis, cotangent_axis) = operands, axes
    groups, last = window.groups, window.axes + 1
    with jax.default_matmul_precision(precision):
        if x_axis is None:
            count = cotangent.shape[cotangent_axis]
            cotangent = join(cotangent, cotangent_axis, last, groups)
            return part(kernel_gradient(x, cotangent, window, taps), last, count, groups), 0
        count = x.shape[x_axis]
        if cotangent_axis is None:
            x = join(x, x_axis, last, groups)
            return part(kernel_gradient(x, cotangent, window, taps), last - 1, count), 0
        x, cotangent = join(x, x_axis, last), join(cotangent, cotangent_axis, last)
        more = window._replace(groups=groups * count)
        return part(kernel_gradient(x, cotangent, more, taps), last, count), 0


batching.primitive_batchers[convolve_p] = _map_convolve
batching.primitive_batchers[kernel_gradient_p] = _map_kernel_gradient


# Lowering. Devices that share a program without shard_map divide the work as `partition.py` says.


def _devices(context):
    """How many devices the compiler may divide this program over."""
    axes = context.module_context.axis_context
    if isinstance(axes, mlir.SPMDAxisContext):
        return prod(n for name, n in axes.mesh.shape.items() if name not in axes.manual_axes)
    return getattr(axes, "num_devices", 1)


def _lower(run, divide, context, operands, window, precision):
    """Lowers `run(*operands, window)` with the given precision, divided where there are devices."""

    def precise(first, second, window):
        with jax.default_matmul_precision(precision):
            return run(first, second, window)

    divided = _devices(context) > 1
    if divided and context.module_context.lowering_parameters.for_export:
        raise ValueError(
            "a program whose convolutions are divided over several devices can't be exported, "
            "since Python divides them: export it for one, or convolve inside jax.shard_map"
        )
    function = divide(precise, window) if divided else partial(precise, window=window)
    # How the mesh divides the operands is no concern of the rows: without their types.
    plain = [result_type(aval, aval.shape, split=False) for aval in context.avals_in]
    context = context.replace(avals_in=plain)
    return mlir.lower_fun(function, multiple_results=False)(context, *operands)


def _lower_convolve(context, *operands, window, dtype, precision, marker):
    def run(x, kernel, window):
        return lowering.forward(x, kernel, window, dtype)

    return _lower(run, partitioned_convolve, context, operands, window, precision)


def _lower_kernel_gradient(context, *operands, window, taps, precision, marker):
    def run(x, cotangent, window):
        shape = (*taps, x.shape[-1] // window.groups, cotangent.shape[-1])
        return lowering.kernel_gradient(x, cotangent, window, shape)

    return _lower(run, partitioned_kernel_gradient, context, operands, window, precision)


mlir.register_lowering(convolve_p, _lower_convolve)
mlir.register_lowering(kernel_gradient_p, _lower_kernel_gradient)


# Outside of jit each is compiled by itself.


def _compiled(primitive, *parameters):
    names = (*parameters, "window", "precision", "marker")

    @partial(jax.jit, static_argnames=names)
    def compiled(*operands, **given):
        return primitive.bind(*operands, **given)

    def call(*operands, **given):
        with jax.disable_jit(False):  # else, where jit is disabled, it would call itself
            return compiled(*operands, **given)

    return call


convolve_p.def_impl(_compiled(convolve_p, "dtype"))
kernel_gradient_p.def_impl(_compiled(kernel_gradient_p, "taps"))
