"""A run whose epochs are not all alike: what is done differently is compiled for itself."""

import functools
from collections.abc import Callable, Hashable
from typing import TypeVar

from jaxconv.training.epochs import RunEpoch

Phase = TypeVar("Phase", bound=Hashable)


def in_phases(
    phase_of: Callable[[int], Phase], make_epoch: Callable[[Phase], RunEpoch]
) -> RunEpoch:
    """Epochs of which each runs as its phase does; a phase is made when its first epoch begins.

    Args:
        phase_of: the phase of an epoch, counted from 0.
        make_epoch: the epochs of a phase, called once for each.
    """
    epoch_of = functools.cache(make_epoch)

    def run_epoch(state, tally, epoch, done):
        return epoch_of(phase_of(epoch))(state, tally, epoch, done)

    return run_epoch
