"""How a convolution is divided among devices: never by XLA's partitioner, which gets some wrong.

XLA divides convolutions with groups (`feature_group_count`, `batch_group_count`) wrongly where
channels or the batch of such a convolution are split, and others where a stretched image is: with
another result, with NaN, or by ending the process (jax 0.10 to 0.12). So the compiler is told how:

- The batch stays split, each device convolving its own examples; the gradient of a kernel is the
  sum over the devices.
- With one group, features of a kernel stay split, and channels of x for the kernel's gradient.
- With more, whole groups stay split. An axis that vmap added to both operands is of this kind.
- All other axes are gathered.

Mesh axes are read from the arrays; no name is agreed upon.
"""

from collections.abc import Callable
from functools import cache
from itertools import permutations
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.custom_partitioning import custom_partitioning
from jax.extend.core import ClosedJaxpr
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxconv.ops.window import Window
from jaxconv.ops.xla.sums import wide


def partitioned_convolve(
    run: Callable[[jax.Array, jax.Array, Window], jax.Array], window: Window
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """`run(x, kernel, window)` on each device's part of x and kernel."""

    def partition(mesh, arguments, result):
        mesh = _mesh(mesh, arguments)
        batch = _axes(mesh, arguments[0], 0)
        if window.groups == 1:
            channels, features = (), _axes(mesh, arguments[1], -1, apart_from=batch)
        else:
            channels = features = _group_axes(mesh, arguments[0], window, apart_from=batch)
        parts = window._replace(groups=window.groups // _count(mesh, channels))
        rank = len(result.shape)
        return (
            mesh,
            lambda x, kernel: run(x, kernel, parts),
            _sharding(mesh, rank, {0: batch, -1: features}),
            (
                _sharding(mesh, rank, {0: batch, -1: channels}),
                _sharding(mesh, rank, {-1: features}),
            ),
        )

    space = _letters(window.axes)
    features = "o" if window.groups == 1 else "c"
    rule = f"b {space('x')} c, {space('k')} i {features} -> b {space('y')} {features}"
    return _partitioned(lambda x, kernel: run(x, kernel, window), partition, rule)


def partitioned_kernel_gradient(
    run: Callable[[jax.Array, jax.Array, Window], jax.Array], window: Window
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The sum over the devices of `run(x, cotangent, window)` on each one's part of both."""

    def partition(mesh, arguments, result):
        mesh = _mesh(mesh, arguments)
        x, cotangent = arguments
        batch = _axes(mesh, x, 0) or _axes(mesh, cotangent, 0)
        if window.groups == 1:
            channels = read = _axes(mesh, x, -1, apart_from=batch)
            features = _axes(mesh, cotangent, -1, apart_from=(*batch, *channels))
            parts = window
        else:
            channels = features = _group_axes(mesh, x, window, apart_from=batch)
            read = ()
            parts = window._replace(groups=window.groups // _count(mesh, channels))

        def summed(x, cotangent):
            own = run(x, cotangent, parts)
            if not batch:
                return own
            return lax.psum(own.astype(wide(own.dtype)), batch).astype(own.dtype)

        rank = len(result.shape)
        return (
            mesh,
            summed,
            _sharding(mesh, rank, {-2: read, -1: features}),
            (
                _sharding(mesh, rank, {0: batch, -1: channels}),
                _sharding(mesh, rank, {0: batch, -1: features}),
            ),
        )

    space = _letters(window.axes)
    if window.groups == 1:
        rule = f"b {space('x')} c, b {space('y')} o -> {space('k')} c o"
    else:
        rule = f"b {space('x')} c, b {space('y')} c -> {space('k')} i c"
    return _partitioned(lambda x, cotangent: run(x, cotangent, window), partition, rule)


UNKNOWN = ("devices",)  # the axis of a mesh of which the program told the devices alone


@cache
def marker() -> ClosedJaxpr:
    """A parameter for operations that are lowered to what is defined here.

    JAX tells the lowering of a program its devices only where it finds a `custom_partitioning` in
    it, the parameters of its operations included.
    """
    nothing = custom_partitioning(lambda x: x)
    nothing.def_partition(partition=None, sharding_rule="i -> i")
    return jax.make_jaxpr(nothing)(jax.ShapeDtypeStruct((1,), jnp.float32))


def _partitioned(whole, partition, rule):
    def partition_for_each(*given):
        mesh, run, result, arguments = partition(*given)

        def alone(*parts):  # without the mesh of the caller, whose axes would be those of the parts
            with jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), ())):
                return run(*parts)

        return mesh, alone, result, arguments

    function = custom_partitioning(whole)
    function.def_partition(
        partition=partition_for_each,
        infer_sharding_from_operands=lambda *given: partition(*given)[2],
        decode_shardings=False,  # JAX's own decoding fails where half of a mesh axis divides
        sharding_rule=rule,
    )
    return function


def _letters(rank):
    return lambda letter: " ".join(f"{letter}{axis}" for axis in range(rank))


def _mesh(mesh, arguments):
    """The mesh of the program, or one of its devices where it is not known, as in a shard_map over
    some of the axes: there everything is gathered.

    Its axes get names of our own, since XLA ends the process at some that Python allows.
    """
    if not mesh.empty:
        return Mesh(mesh.devices, tuple(f"axis{number}" for number in range(mesh.devices.ndim)))
    known = next(array.sharding for array in arguments if array.sharding is not None)
    devices = sorted(known.device_set, key=lambda device: device.id)
    return Mesh(np.array(devices), UNKNOWN)


def _count(mesh, axes):
    return prod(mesh.shape[name] for name in axes)


def _axes(mesh, array, axis, *, apart_from=()):
    """The names of the mesh axes, but for some, that divide an axis of `array` evenly, in order.

    Found by trying them: which device holds what is all that there is to be known of a sharding.
    """
    known = array.sharding is not None  # the older partitioner asks before it has decided
    if mesh.axis_names == UNKNOWN or not known or array.sharding.is_fully_replicated:
        return ()
    free = [name for name in mesh.axis_names if mesh.shape[name] > 1 and name not in apart_from]
    held = _held(array.sharding, array.shape, axis)
    for count in range(1, len(free) + 1):
        for names in permutations(free, count):
            if array.shape[axis] % _count(mesh, names) == 0:
                sharding = _sharding(mesh, len(array.shape), {axis: names})
                if _held(sharding, array.shape, axis) == held:
                    return names
    return ()


def _held(sharding, shape, axis):
    """Which part of an axis each device holds; None where they cannot be told apart."""
    try:
        places = sharding.devices_indices_map(tuple(shape))
    except ValueError:  # parts of unequal sizes
        return None
    return {device: place[axis].indices(shape[axis]) for device, place in places.items()}


def _group_axes(mesh, x, window, *, apart_from):
    names = _axes(mesh, x, -1, apart_from=apart_from)
    return names if window.groups % _count(mesh, names) == 0 else ()


def _sharding(mesh, rank, axes):
    spec = [None] * rank
    for axis, names in axes.items():
        spec[axis] = names or None
    return NamedSharding(mesh, PartitionSpec(*spec))
