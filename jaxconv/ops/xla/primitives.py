"""A convolution and the gradient of its kernel, as two bilinear operations that JAX knows.

`convolve` is linear in x and in the kernel, `kernel_gradient` in x and in the cotangent, and the
transpose of either is one of the two again. Every transformation follows from that: forward and
reverse mode in any order, linear transposition, and vmap, which joins the mapped axis to the batch
or to the groups. What is computed is chosen when a program is lowered (`lowering.py`), for the
platform and the devices that it is lowered for.
"""

from functools import partial
from math import prod

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec

from jaxconv.ops.window import Window, adjoint_kernel, adjoint_window, output_hw
from jaxconv.ops.xla import lowering
from jaxconv.ops.xla.partition import marker, partitioned_convolve, partitioned_kernel_gradient

convolve_p = Primitive("convolve")
kernel_gradient_p = Primitive("convolve_kernel_gradient")


def convolve(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """`definition(x, kernel, window)`: x [b, h, w, c], kernel [kh, kw, c/groups, o]."""
    x, kernel = _with_equal_types(_split_by_batch(x), _whole(kernel))
    return convolve_p.bind(x, kernel, window=window, **_context())


def kernel_gradient(
    x: jax.Array, cotangent: jax.Array, window: Window, kernel_hw: tuple[int, ...]
) -> jax.Array:
    """Gradient of `convolve` for its kernel, [kh, kw, c/groups, o]."""
    x = _split_by_batch(x)
    x, cotangent = _with_equal_types(x, _split_by_batch(cotangent, like=x))
    return kernel_gradient_p.bind(x, cotangent, window=window, kernel_hw=kernel_hw, **_context())


def input_gradient(cotangent, kernel, window, input_hw):
    """Gradient of `convolve` for x: a convolution again, by the adjoint window."""
    back = adjoint_window(window, input_hw, kernel.shape[:2])
    return convolve(cotangent, adjoint_kernel(kernel, window.groups), back)


def _context():
    return {"precision": jax.config.jax_default_matmul_precision, "marker": marker()}


# Types: under an Explicit mesh the batch stays split and all else is gathered, as the trainers of
# convolutions lay their arrays out; inside shard_map both operands vary over the same axes.


def _spec(x):
    sharding = jax.typeof(x).sharding
    return None if sharding.mesh.empty else (*sharding.spec, *[None] * x.ndim)[: x.ndim]


def _resharded(x, spec):
    return x if _spec(x) in (None, tuple(spec)) else jax.sharding.reshard(x, PartitionSpec(*spec))


def _whole(x):
    return _resharded(x, [None] * x.ndim)


def _split_by_batch(x, like=None):
    spec = _spec(x if like is None else like)
    return x if spec is None else _resharded(x, [spec[0], *[None] * (x.ndim - 1)])


def _with_equal_types(*arrays):
    axes = frozenset().union(*(jax.typeof(array).manual_axis_type.varying for array in arrays))
    missing = (axes - jax.typeof(array).manual_axis_type.varying for array in arrays)
    return [
        jax.lax.pcast(array, tuple(names), to="varying") if names else array
        for array, names in zip(arrays, missing, strict=True)
    ]


def _typed(x, shape, *, split):
    """The type of an array of `shape`, split by its batch as x is or whole, of x's dtype."""
    spec = [x.sharding.spec[0] if split else None, *[None] * (len(shape) - 1)]
    return x.update(
        shape=shape, weak_type=False, sharding=x.sharding.update(spec=PartitionSpec(*spec))
    )


@convolve_p.def_abstract_eval
def _convolve_type(x, kernel, *, window, precision, marker):
    space = output_hw(window, x.shape[1:-1], kernel.shape[:-2])
    return _typed(x, (x.shape[0], *space, kernel.shape[-1]), split=True)


@kernel_gradient_p.def_abstract_eval
def _kernel_gradient_type(x, cotangent, *, window, kernel_hw, precision, marker):
    shape = (*kernel_hw, x.shape[-1] // window.groups, cotangent.shape[-1])
    return _typed(x, shape, split=False)


# Differentiation.


def _convolve_transpose_x(cotangent, x, kernel, *, window, precision, marker):
    with jax.default_matmul_precision(precision):
        return input_gradient(cotangent, kernel, window, x.aval.shape[1:-1])


def _convolve_transpose_kernel(cotangent, x, kernel, *, window, precision, marker):
    with jax.default_matmul_precision(precision):
        return kernel_gradient(x, cotangent, window, kernel.aval.shape[:-2])


def _gradient_transpose_x(tangent, x, cotangent, *, window, kernel_hw, precision, marker):
    with jax.default_matmul_precision(precision):
        return input_gradient(cotangent, tangent, window, x.aval.shape[1:-1])


def _gradient_transpose_cotangent(tangent, x, cotangent, *, window, kernel_hw, precision, marker):
    with jax.default_matmul_precision(precision):
        return convolve(x, tangent, window)


ad.defbilinear(convolve_p, _convolve_transpose_x, _convolve_transpose_kernel)
ad.defbilinear(kernel_gradient_p, _gradient_transpose_x, _gradient_transpose_cotangent)


# vmap. An axis that both operands have joins the groups, outside of those there are; one of x (or
# of a kernel or cotangent) alone joins the batch or the channels.


def _merge(array, axis, place, inner=1):
    """`array` without `axis`, which now counts outside of the axis at `place` of the result.

    With `inner` > 1 that axis stands for [inner, rest], and the new one counts between the two.
    """
    array = jnp.moveaxis(array, axis, place)
    count, size = array.shape[place : place + 2]
    if inner > 1:
        split = (*array.shape[:place], count, inner, size // inner, *array.shape[place + 2 :])
        array = jnp.swapaxes(array.reshape(split), place, place + 1)
    return array.reshape(
        *array.shape[:place], count * size, *array.shape[place + 2 + (inner > 1) :]
    )


def _unmerge(array, place, count, inner=1):
    """The inverse of `_merge`, the axis first."""
    size = array.shape[place] // count
    if inner > 1:
        split = (*array.shape[:place], inner, count, size // inner, *array.shape[place + 1 :])
        array = jnp.swapaxes(array.reshape(split), place, place + 1)
    array = array.reshape(
        *array.shape[:place], count, size, *array.shape[place + 1 + 2 * (inner > 1) :]
    )
    return jnp.moveaxis(array, place, 0)


def _convolve_batch(operands, axes, *, window, precision, marker):
    (x, kernel), (x_axis, kernel_axis) = operands, axes
    count = x.shape[x_axis] if x_axis is not None else kernel.shape[kernel_axis]
    with jax.default_matmul_precision(precision):
        if kernel_axis is None:
            y = convolve(_merge(x, x_axis, 0), kernel, window)
            return _unmerge(y, 0, count), 0
        groups, features = window.groups, kernel.ndim - 2
        if x_axis is None:
            y = convolve(x, _merge(kernel, kernel_axis, features, inner=groups), window)
            return _unmerge(y, y.ndim - 1, count, inner=groups), 0
        y = convolve(
            _merge(x, x_axis, x.ndim - 2),
            _merge(kernel, kernel_axis, features),
            window._replace(groups=groups * count),
        )
        return _unmerge(y, y.ndim - 1, count), 0


def _kernel_gradient_batch(operands, axes, *, window, kernel_hw, precision, marker):
    (x, cotangent), (x_axis, cotangent_axis) = operands, axes
    groups, rank = window.groups, len(kernel_hw)
    with jax.default_matmul_precision(precision):
        if x_axis is None:
            count = cotangent.shape[cotangent_axis]
            cotangent = _merge(cotangent, cotangent_axis, rank + 1, inner=groups)
            gradient = kernel_gradient(x, cotangent, window, kernel_hw)
            return _unmerge(gradient, rank + 1, count, inner=groups), 0
        count = x.shape[x_axis]
        if cotangent_axis is None:
            x = _merge(x, x_axis, rank + 1, inner=groups)
            gradient = kernel_gradient(x, cotangent, window, kernel_hw)
            return _unmerge(gradient, rank, count), 0
        gradient = kernel_gradient(
            _merge(x, x_axis, rank + 1),
            _merge(cotangent, cotangent_axis, rank + 1),
            window._replace(groups=groups * count),
            kernel_hw,
        )
        return _unmerge(gradient, rank + 1, count), 0


batching.primitive_batchers[convolve_p] = _convolve_batch
batching.primitive_batchers[kernel_gradient_p] = _kernel_gradient_batch


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
    function = divide(precise, window) if divided else partial(precise, window=window)
    return mlir.lower_fun(function, multiple_results=False)(context, *operands)


def _lower_convolve(context, *operands, window, precision, marker):
    run = lowering.forward
    return _lower(run, partitioned_convolve, context, operands, window, precision)


def _lower_kernel_gradient(context, *operands, window, kernel_hw, precision, marker):
    def run(x, cotangent, window):
        shape = (*kernel_hw, x.shape[-1] // window.groups, cotangent.shape[-1])
        return lowering.kernel_gradient(x, cotangent, window, shape)

    return _lower(run, partitioned_kernel_gradient, context, operands, window, precision)


mlir.register_lowering(convolve_p, _lower_convolve)
mlir.register_lowering(kernel_gradient_p, _lower_kernel_gradient)


# Outside of jit each is compiled by itself.


def _compiled(primitive, *parameters):
    names = (*parameters, "window", "precision", "marker")
    return jax.jit(
        lambda *operands, **given: primitive.bind(*operands, **given), static_argnames=names
    )


convolve_p.def_impl(_compiled(convolve_p))
kernel_gradient_p.def_impl(_compiled(kernel_gradient_p, "kernel_hw"))
