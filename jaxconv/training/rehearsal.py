"""A dry run: all that training does, once and on little, to see that it works and how fast."""

import collections
import time
from collections.abc import Callable, Sequence
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
    starts: Sequence[int] = (0,),
) -> None:
    """Trains two epochs of each phase, evaluates, saves in `directory` and restores; tells of each.

    Args:
        state: fresh; its arrays are donated.
        run_epoch: epochs of few steps; the first one of a phase compiles, the second one is timed.
        evaluate: over `test_count` images.
        starts: the first epoch of each phase.

    Raises:
        Diverged: the loss is not finite.
        CheckpointError: what is restored is not what was saved, or it can't be saved.
    """
    progress = Progress(state, empty_tally())
    for start in starts:
        phase = f" from epoch {start + 1} on" if start else ""
        seconds, steps, progress = _epoch(run_epoch, progress.state, start)
        say(f"compiled{phase}, and took {steps} steps: {seconds:.1f} s")
        seconds, steps, progress = _epoch(run_epoch, progress.state, start)
        rate = int(progress.tally.count) / seconds
        say(f"{steps} steps more: {seconds:.2f} s, {rate:.0f} images/s")
        if int(progress.tally.bad_step) >= 0:
            raise Diverged(
                "the loss is not finite after a few steps; lower --config.max_lr (of Muon: "
                "--config.optimizer.muon_lr)"
            )
    seconds, row = _timed(lambda: evaluate(progress.state))
    say(f"compiled, and evaluated {test_count} images: {seconds:.1f} s")
    seconds, size = _timed(lambda: _save_and_restore(progress, row["test_accuracy"], directory))
    say(f"saved a checkpoint of {size / 1e6:.1f} MB and restored it: {seconds:.1f} s")


def _epoch(run_epoch: RunEpoch, state: TrainState, epoch: int) -> tuple[float, int, Progress]:
    """Seconds, steps and the progress after the last call of an epoch."""
    before = int(state.step)
    calls = run_epoch(state, empty_tally(), epoch, 0)
    seconds, last = _timed(lambda: collections.deque(calls, maxlen=1).pop())
    progress = Progress(*last)
    return seconds, int(progress.state.step) - before, progress


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
