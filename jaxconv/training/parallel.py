"""Where the arrays of a run lie: on one device, or split over all devices of all processes.

One mesh with one axis, "batch", spans every device. The examples of a batch are split over it and
the state is on each device whole, or split too. XLA adds the communication (jax.sharding), so that
the program means what it means on one device: BatchNorm's statistics are those of the whole batch,
the loss is its mean, dropout draws by an example's place in the whole, augmentation by example.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

AXIS = "batch"


class OneDevice:
    """The layout of a run on one device: everything as JAX does it by itself."""

    def padded(self, size: int) -> int:
        """The smallest batch of at least `size` examples that divides over the devices."""
        return size

    def part(self, rows: np.ndarray) -> np.ndarray:
        """Those of the places of a batch, `rows` [b], that this process prepares."""
        return rows

    def batch(self, part: Any) -> Any:
        """A batch on the devices, of which this process has prepared `part`, arrays [b, ...]."""
        return jax.device_put(part)

    def everywhere(self, tree: Any) -> Any:
        """The arrays of `tree` whole on each device of this process."""
        return jax.device_put(tree)

    def state(self, tree: Any) -> Any:
        """The arrays of `tree`, the same in all processes, as the steps keep them."""
        return tree

    def fetch(self, tree: Any) -> Any:
        """The arrays of `tree`, whole, as NumPy arrays in every process."""
        return jax.tree.map(np.asarray, tree)

    def spread(self, train_step: Callable) -> Callable:
        """A jitted `(state, batch, key) -> (state, sums)` made to run on all devices."""
        return train_step


class AllDevices(OneDevice):
    """The layout of a run over several devices, in one process or in many.

    Args:
        shard_state: whether each array of the state is split over the devices too, along its
            longest axis that divides by their number, instead of lying on each of them whole.
        devices: `jax.Device`s to use, all of them unless given.
    """

    def __init__(self, *, shard_state: bool = False, devices: Sequence[Any] | None = None):
        shape = (len(devices or jax.devices()),)
        # Explicit axes, the default, would put shardings into the types of all arrays.
        self.mesh = jax.make_mesh(shape, (AXIS,), axis_types=(AxisType.Auto,), devices=devices)
        self._split = NamedSharding(self.mesh, PartitionSpec(AXIS))
        self._whole = NamedSharding(self.mesh, PartitionSpec())
        self._shard_state = shard_state
        self._gather = jax.jit(lambda tree: tree, out_shardings=self._whole)

    def padded(self, size):
        count = self.mesh.size
        return -(-size // count) * count

    def part(self, rows):
        places = self._split.addressable_devices_indices_map(rows.shape).values()
        known = [place for place in places if place is not None]
        return np.concatenate([rows[place] for place in sorted(known, key=_start)])

    def batch(self, part):
        def put(array):
            return jax.make_array_from_process_local_data(self._split, np.asarray(array))

        return jax.tree.map(put, part)

    def everywhere(self, tree):
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    def state(self, tree):
        def put(array):
            sharding = self._state_sharding(array)
            here = getattr(array, "sharding", None)
            if here is not None and here.is_equivalent_to(sharding, array.ndim):
                return array
            host = np.asarray(array)
            return jax.make_array_from_callback(host.shape, sharding, lambda place: host[place])

        return jax.tree.map(put, tree)

    def fetch(self, tree):
        return jax.tree.map(np.asarray, self._gather(self.state(tree)))

    def spread(self, train_step):
        def step(state, batch, key):
            # BatchNorm's sums take a batch in pieces, but not where these would travel.
            with jax.sharding.use_abstract_mesh(self.mesh.abstract_mesh):
                batch = jax.lax.with_sharding_constraint(batch, self._split)
                state, sums = train_step(state, batch, key)
            shardings = jax.tree.map(self._state_sharding, state)
            return jax.lax.with_sharding_constraint(state, shardings), sums

        return jax.jit(step, donate_argnums=0)

    def _state_sharding(self, array: Any) -> NamedSharding:
        shape = np.shape(array)
        axes = [axis for axis, size in enumerate(shape) if size % self.mesh.size == 0 and size]
        if not self._shard_state or not axes:
            return self._whole
        longest = max(axes, key=lambda axis: shape[axis])
        return NamedSharding(self.mesh, PartitionSpec(*[None] * longest, AXIS))


def _start(place: tuple[slice, ...]) -> int:
    return place[0].start or 0


def make_layout(*, shard_state: bool = False) -> OneDevice:
    """The layout over all devices that JAX has, in this process and in those it has joined."""
    return OneDevice() if jax.device_count() == 1 else AllDevices(shard_state=shard_state)
