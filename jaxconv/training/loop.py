"""Running many steps: `fit`, which also times each epoch."""

import math
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from tqdm import tqdm

from jaxconv.errors import JaxconvError
from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.epochs import RunEpoch, Tally, empty_tally
from jaxconv.training.optim import current_rates
from jaxconv.training.step import TrainState
from jaxconv.training.wish import Wish

Row = dict[str, float]


class SaveEvery(NamedTuple):
    """When to save within an epoch: after the first call that ends this much later than the last
    checkpoint. None is never. With `steps_per_call` of a whole epoch nothing falls within one."""

    steps: int | None = None
    minutes: float | None = None


ONLY_AFTER_EPOCHS = SaveEvery()


class Interrupted(Exception):
    """Training was asked to stop; everything is saved."""


class Diverged(JaxconvError):
    """A loss was not finite; the message names the step, the rate and the last good checkpoint."""


class Progress(NamedTuple):
    """How far training is. A checkpoint of it is enough to resume exactly."""

    state: TrainState
    tally: Tally  # over the steps of the epoch under way


def go_on(state: TrainState, checkpoints: Checkpoints) -> Progress:
    """Where to resume: the progress in the latest checkpoint, or `state`, fresh, without one."""
    fresh = Progress(state, empty_tally())
    saved = checkpoints.restore_latest(fresh)
    return fresh if saved is None else jax.device_put(saved)


class _Saver:
    """Saves, and knows whether a checkpoint is due within an epoch: so long after the last one."""

    def __init__(self, checkpoints: Checkpoints, every: SaveEvery, step: int):
        self.checkpoints = checkpoints
        self._steps = every.steps or math.inf
        self._seconds = 60 * (every.minutes or math.inf)
        self._restart(step)

    def save(self, step: int, progress: Progress, *, test_accuracy: float | None = None) -> None:
        self.checkpoints.save(step, progress, test_accuracy=test_accuracy)
        self._restart(step)

    def steps_over(self, step: int) -> bool:
        return step - self._last_step >= self._steps

    def wish(self) -> Wish:
        over = time.monotonic() - self._last_time >= self._seconds
        return Wish.SAVE if over else Wish.NOTHING

    def _restart(self, step: int) -> None:
        self._last_step, self._last_time = step, time.monotonic()


class Course(NamedTuple):
    """What the epochs of a run are made of."""

    run_epoch: RunEpoch
    evaluate: Callable[[TrainState], Row]
    steps_per_epoch: int
    steps_per_call: int
    train_count: int  # examples of an epoch


def fit(
    progress: Progress,
    course: Course,
    *,
    epochs: int,
    checkpoints: Checkpoints,
    on_row: Callable[[Row], None],
    on_saved: Callable[[Row], None] = lambda row: None,
    should_stop: Callable[[], bool],
    save_every: SaveEvery = ONLY_AFTER_EPOCHS,
    agree: Callable[[Wish], Wish] = lambda wish: wish,
) -> TrainState:
    """Trains on from `progress` until `epochs` are done; saves after each, or more often.

    Args:
        progress: from `go_on`; its arrays are donated.
        on_row: gets the metrics of each epoch, to be kept before its checkpoint is written.
        on_saved: gets them after that, to show them: if it fails, no epoch is lost.
        should_stop: asked after every call of the epoch; True saves and raises `Interrupted`.
        agree: turns this process's `Wish` into the one that all processes act on, the highest.

    Raises:
        Interrupted: stopped on request, saved.
        Diverged: the loss became NaN or infinite; nothing was saved since.
        CheckpointError: a checkpoint can't be written; known within a call of the next epoch.
    """
    saver = _Saver(checkpoints, save_every, int(progress.state.step))
    for epoch in range(int(progress.state.step) // course.steps_per_epoch, epochs):
        started, counted = time.perf_counter(), int(progress.tally.count)
        progress = _train_epoch(progress, course, epoch, epochs, saver, should_stop, agree)
        row = _row(progress, course.evaluate, epoch, counted, started)
        if not math.isfinite(row["test_loss"]):
            raise _diverged(f"the test loss after step {row['step']}", progress.state, checkpoints)
        on_row(row)
        progress = Progress(progress.state, empty_tally())
        saver.save(int(row["step"]), progress, test_accuracy=row["test_accuracy"])
        on_saved(row)
        stop = agree(Wish.STOP if should_stop() else Wish.NOTHING) == Wish.STOP
        if stop and epoch + 1 < epochs:
            raise Interrupted
    return progress.state


def _train_epoch(
    progress: Progress,
    course: Course,
    epoch: int,
    epochs: int,
    saver: "_Saver",
    should_stop: Callable[[], bool],
    agree: Callable[[Wish], Wish],
) -> Progress:
    """The progress at the end of an epoch, checked; saves and stops within it where asked to."""
    step = int(progress.state.step)
    done, end = step % course.steps_per_epoch, (epoch + 1) * course.steps_per_epoch
    with _bar(epoch, epochs, int(progress.tally.count), course.train_count) as bar:
        for now in course.run_epoch(*progress, epoch, done):
            saver.checkpoints.wait()  # for the last one; the device works meanwhile
            tally = progress.tally  # one call behind: the device does not wait
            _show(bar, tally)
            progress = Progress(*now)
            _check_loss(tally, progress.state, saver.checkpoints)
            step = min(step + course.steps_per_call, end)
            wish = agree(Wish.STOP if should_stop() else saver.wish())
            # At the end of an epoch its evaluation belongs to it: save and stop after that.
            if step < end and (wish != Wish.NOTHING or saver.steps_over(step)):
                _check(progress, saver.checkpoints)
                saver.save(step, progress)
                if wish == Wish.STOP:
                    raise Interrupted
    _check(progress, saver.checkpoints)
    return progress


def _row(
    progress: Progress,
    evaluate: Callable[[TrainState], Row],
    epoch: int,
    counted: int,
    started: float,
) -> Row:
    """The metrics of an epoch, of whose examples `counted` were seen before `started`."""
    state, tally = progress
    seconds = time.perf_counter() - started
    return {
        "epoch": epoch + 1,
        "step": int(state.step),
        **current_rates(state.opt_state),
        "train_loss": float(tally.loss_sum) / int(tally.count),
        "train_accuracy": 100 * int(tally.correct) / int(tally.count),
        **evaluate(state),
        "seconds": round(seconds, 3),
        "images_per_second": round((int(tally.count) - counted) / seconds, 1),
    }


def _bar(epoch: int, epochs: int, done: int, total: int) -> tqdm:
    """A progress bar where there is a terminal, silence elsewhere."""
    return tqdm(
        total=total,
        initial=done,
        desc=f"epoch {epoch + 1}/{epochs}",
        unit=" images",
        leave=False,
        disable=not sys.stderr.isatty(),
    )


def _show(bar: tqdm, tally: Tally) -> None:
    if not bar.disable:
        count = int(tally.count)
        bar.set_postfix_str(f"accuracy {100 * int(tally.correct) / max(count, 1):.1f} %", False)
        bar.update(count - bar.n)


def _check(progress: Progress, checkpoints: Checkpoints) -> None:
    """Raises `Diverged` rather than let a NaN into a checkpoint."""
    state, tally = progress
    _check_loss(tally, state, checkpoints)
    if not _all_finite((state.params, state.batch_stats)):
        raise _diverged(f"a parameter after step {int(state.step)}", state, checkpoints)


@jax.jit  # no process needs to hold all of what is looked at
def _all_finite(tree: Any) -> jax.Array:
    return jnp.stack([jnp.isfinite(array).all() for array in jax.tree.leaves(tree)]).all()


def _check_loss(tally: Tally, state: TrainState, checkpoints: Checkpoints) -> None:
    if int(tally.bad_step) >= 0:
        raise _diverged(f"the loss of step {int(tally.bad_step)}", state, checkpoints)


def _diverged(what: str, state: TrainState, checkpoints: Checkpoints) -> Diverged:
    latest = checkpoints.latest_step
    kept = "there is no checkpoint yet" if latest is None else f"checkpoint {latest} is good"
    lr = current_rates(state.opt_state).get("lr")
    rate = "" if lr is None else f", at a learning rate of about {lr:.2g}"
    return Diverged(
        f"{what} is not finite{rate}; {kept}; lower --config.max_lr (of Muon: "
        "--config.optimizer.muon_lr), in a new --workdir"
    )
