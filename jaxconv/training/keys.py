"""Every random key of a run, derived from its seed by name: no two are the same."""

import zlib
from typing import NamedTuple

import jax
from jax.typing import ArrayLike


class Keys(NamedTuple):
    """The keys of a run, each for one purpose; typed, []."""

    weights: jax.Array  # initial parameters
    steps: jax.Array  # folded with a step: dropout
    augmentation: jax.Array  # folded with an epoch, then with an example


def run_keys(seed: int) -> Keys:
    """The keys of the run with this seed.

    Each is folded with the checksum of its name: `jax.random.split` counts from 0, so that a key
    folded with 1 would be the second half of a split one.
    """
    root = jax.random.key(seed)
    return Keys(*(jax.random.fold_in(root, zlib.crc32(name.encode())) for name in Keys._fields))


def example_key(key: jax.Array, epoch: ArrayLike, example: ArrayLike) -> jax.Array:
    """The key of an example in an epoch, both numbers, from that of the run's augmentation."""
    return jax.random.fold_in(jax.random.fold_in(key, epoch), example)
