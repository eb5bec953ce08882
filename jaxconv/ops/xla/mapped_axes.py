"""An axis that vmap added, joined to an axis of a convolution's array and parted again."""

from math import prod

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from jaxconv.ops.xla.types import spec_of


def join(array: jax.Array, axis: int, place: int, groups: int = 1) -> jax.Array:
    """`array` without `axis`, which counts within each of `groups` of the axis then at `place`."""
    array = jnp.moveaxis(array, axis, place)
    if groups == 1:
        return _merge(array, place, 2)
    size = array.shape[place + 1]
    array = _split(array, place + 1, (groups, size // groups))  # [count, groups, rest]
    return _merge(jnp.swapaxes(array, place, place + 1), place, 3)


def part(array: jax.Array, place: int, count: int, groups: int = 1) -> jax.Array:
    """The inverse of `join`, with the axis first."""
    size = array.shape[place] // count
    if groups == 1:
        return jnp.moveaxis(_split(array, place, (count, size)), place, 0)
    array = _split(array, place, (groups, count, size // groups))
    return _merge(jnp.moveaxis(array, place + 1, 0), place + 1, 2)


def _merge(x: jax.Array, place: int, count: int) -> jax.Array:
    """x with `count` axes, from `place` on, made one; divided if one of them is."""
    shape = (*x.shape[:place], prod(x.shape[place : place + count]), *x.shape[place + count :])
    spec = spec_of(x)
    if spec is None or spec == (None,) * x.ndim:
        return x.reshape(shape)
    names = next((names for names in spec[place : place + count] if names is not None), None)
    spec = PartitionSpec(*spec[:place], names, *spec[place + count :])
    return jax.lax.reshape(x, shape, out_sharding=spec)


def _split(x: jax.Array, place: int, sizes: tuple[int, ...]) -> jax.Array:
    """x with the axis at `place` made several of `sizes`; the first of them that can is divided."""
    shape = (*x.shape[:place], *sizes, *x.shape[place + 1 :])
    spec = spec_of(x)
    if spec is None or spec == (None,) * x.ndim:
        return x.reshape(shape)
    inner = [None] * len(sizes)
    if spec[place] is not None:
        mesh = jax.typeof(x).sharding.mesh
        names = spec[place] if isinstance(spec[place], tuple) else (spec[place],)
        devices = prod(mesh.shape[name] for name in names)
        fitting = [i for i, size in enumerate(sizes) if size % devices == 0]
        if fitting:
            inner[fitting[0]] = spec[place]
    spec = PartitionSpec(*spec[:place], *inner, *spec[place + 1 :])
    return jax.lax.reshape(x, shape, out_sharding=spec)
