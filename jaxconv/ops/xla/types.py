"""Types of arrays under a mesh: how Explicit axes divide them, and what varies inside shard_map.

With Explicit axes the batch of a convolution stays divided and everything else is gathered, the
kernel too: its type says so, whatever the axes are called. Inside `jax.shard_map` two operands of
one operation must vary over the same axes.
"""

import jax
from jax.sharding import PartitionSpec

Spec = tuple  # a mesh axis, several, or None for each axis of an array


def spec_of(x: jax.Array) -> Spec | None:
    """How Explicit axes divide x; None without a mesh."""
    sharding = jax.typeof(x).sharding
    return None if sharding.mesh.empty else (*sharding.spec, *[None] * x.ndim)[: x.ndim]


def _divided_as(x: jax.Array, spec: Spec) -> jax.Array:
    return x if spec_of(x) in (None, spec) else jax.sharding.reshard(x, PartitionSpec(*spec))


def whole(x: jax.Array) -> jax.Array:
    """x, gathered where Explicit axes divide it."""
    return _divided_as(x, (None,) * x.ndim)


def by_batch(x: jax.Array, like: jax.Array | None = None) -> jax.Array:
    """x, divided by its batch alone, as it is or as `like` is."""
    spec = spec_of(x if like is None else like)
    return x if spec is None else _divided_as(x, (spec[0],) + (None,) * (x.ndim - 1))


def vary_alike(*arrays: jax.Array) -> list[jax.Array]:
    """The arrays, each made to vary over all the axes of shard_map that any of them varies over."""
    varying = [jax.typeof(array).manual_axis_type.varying for array in arrays]
    axes = frozenset().union(*varying)
    return [
        jax.lax.pcast(array, tuple(axes - own), to="varying") if axes - own else array
        for array, own in zip(arrays, varying, strict=True)
    ]


def result_type(x, shape: tuple[int, ...], dtype=None, *, split: bool):
    """The type, from that of x, of a result of `shape`: divided by its batch as x is, or whole."""
    spec = (x.sharding.spec[0] if split else None,) + (None,) * (len(shape) - 1)
    sharding = x.sharding.update(spec=PartitionSpec(*spec))
    return x.update(shape=shape, dtype=dtype, weak_type=False, sharding=sharding)
