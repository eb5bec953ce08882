"""A dry run: all that training does, once and on little, to see that it works and how fast.

Beside `loop.py` the only file with a clock.
"""

import collections
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np

from jaxconv.training.checkpoint import CheckpointError, Checkpoints
from jaxconv.training.epochs import RunEpoch, empty_tally
from jaxconv.training.loop import Diverged, Progress, go_on
from jaxconv.training.step import TrainState

T = TypeVar("T")


def rehearse(
    state: TrainState,
    *,
    run_epoch: RunEpoch,
    evaluate: Callable[[TrainState], dict[str, float]],
    test_count: int,
    directory: Path,
    say: Callable[[str], None],
) -> None:
    """Trains two epochs, evaluates, saves in `directory` and restores; says a line of each.

    Args:
        state: fresh; its arrays are donated.
        run_epoch: epochs of few steps; the first one compiles, the second one is timed.
        evaluate: over `test_count` images.

    Raises:
        Diverged: the loss is not finite.
        CheckpointError: what is restored is not what was saved, or it can't be saved.
    """
    seconds, progress = _timed(lambda: _epoch(run_epoch, Progress(state, empty_tally()), 0))
    say(f"compiled, and took {int(progress.state.step)} steps: {seconds:.1f} s")
    before = int(progress.state.step)
    fresh = Progress(progress.state, empty_tally())
    seconds, progress = _timed(lambda: _epoch(run_epoch, fresh, 1))
    steps, count = int(progress.state.step) - before, int(progress.tally.count)
    say(f"{steps} steps more: {seconds:.2f} s, {count / seconds:.0f} images/s")
    if int(progress.tally.bad_step) >= 0:
        raise Diverged("the loss is not finite after a few steps; lower --config.max_lr")
    seconds, row = _timed(lambda: evaluate(progress.state))
    say(f"compiled, and evaluated {test_count} images: {seconds:.1f} s")
    seconds, size = _timed(lambda: _save_and_restore(progress, row["test_accuracy"], directory))
    say(f"saved a checkpoint of {size / 1e6:.1f} MB and restored it: {seconds:.1f} s")


def _epoch(run_epoch: RunEpoch, progress: Progress, epoch: int) -> Progress:
    """The progress after the last call of an epoch."""
    calls = run_epoch(*progress, epoch, 0)
    return Progress(*collections.deque(calls, maxlen=1).pop())


def _save_and_restore(progress: Progress, test_accuracy: float, directory: Path) -> int:
    """The size of the checkpoint in bytes."""
    saved = jax.device_get(progress)
    checkpoints = Checkpoints(directory)
    checkpoints.save(int(saved.state.step), saved, test_accuracy=test_accuracy)
    checkpoints.close()
    checkpoints = Checkpoints(directory, read_only=True)
    try:
        restored = jax.device_get(go_on(progress.state, checkpoints))
    finally:
        checkpoints.close()
    pairs = zip(jax.tree.leaves(saved), jax.tree.leaves(restored), strict=True)
    if not all(np.array_equal(*pair) for pair in pairs):
        raise CheckpointError(f"what was restored from {directory} is not what was saved there")
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def _timed(function: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = jax.block_until_ready(function())
    return time.perf_counter() - started, result
