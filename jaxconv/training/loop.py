"""Running many steps: `fit` and `evaluate`. The only file with a clock."""

import math
import sys
import time
from collections.abc import Callable

import jax
import numpy as np
from tqdm import tqdm

from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.epochs import RunEpoch, Tally, empty_tally
from jaxconv.training.optim import current_rates
from jaxconv.training.step import TrainState

Row = dict[str, float]


class Interrupted(Exception):
    """Training was asked to stop; everything is saved."""


class Diverged(Exception):
    """A loss was not finite; the message names the step, the rate and the last good checkpoint."""


def make_evaluate(
    eval_step: Callable, images: np.ndarray, labels: np.ndarray, *, batch_size: int
) -> Callable[[TrainState], Row]:
    """Returns `evaluate(state) -> {"test_loss", "test_accuracy"}` over exactly all n images.

    `test_loss` is the mean cross-entropy in nats, `test_accuracy` in percent. The last batch is
    filled up with images that the mask leaves out, so that one compilation serves all.
    """
    starts = range(0, len(labels), batch_size)
    places = [np.arange(start, start + batch_size) for start in starts]
    batches = [
        jax.device_put(
            {
                "image": images[place % len(labels)],
                "label": labels[place % len(labels)],
                "mask": place < len(labels),
            }
        )
        for place in places
    ]

    def evaluate(state):
        sums = jax.device_get([eval_step(state, batch) for batch in batches])
        count = sum(int(part["count"]) for part in sums)
        loss = math.fsum(float(part["loss_sum"]) for part in sums)
        correct = sum(int(part["correct"]) for part in sums)
        return {"test_loss": loss / count, "test_accuracy": 100 * correct / count}

    return evaluate


def predict(
    predict_step: Callable, state: TrainState, images: np.ndarray, *, batch_size: int
) -> np.ndarray:
    """Probabilities [n, k], float32, of images [n, h, w, c]; one compilation."""
    parts = []
    for start in range(0, len(images), batch_size):
        place = np.arange(start, start + batch_size) % len(images)
        parts.append(np.asarray(predict_step(state, images[place])))
    return np.concatenate(parts)[: len(images)]


def fit(
    state: TrainState,
    *,
    epochs: int,
    steps_per_epoch: int,
    train_count: int,
    run_epoch: RunEpoch,
    evaluate: Callable[[TrainState], Row],
    checkpoints: Checkpoints,
    on_row: Callable[[Row], None],
    should_stop: Callable[[], bool],
) -> TrainState:
    """Trains until `epochs` are done, from the latest checkpoint if there is one.

    Args:
        state: fresh; replaced by the latest checkpoint's, in which training goes on exactly.
        train_count: examples of an epoch, for the progress bar.
        on_row: gets the metrics of each epoch, before its checkpoint is written.
        should_stop: asked after every call; True saves and raises `Interrupted`.

    Raises:
        Interrupted: stopped on request, saved.
        Diverged: the loss became NaN or infinite; nothing was saved since.
    """
    tally = empty_tally()
    if checkpoints.latest_step is not None:
        like = {"state": state, "tally": tally}
        restored = checkpoints.restore(checkpoints.latest_step, like)
        state, tally = restored["state"], restored["tally"]
    first, done = divmod(int(state.step), steps_per_epoch)
    for epoch in range(first, epochs):
        started = time.perf_counter()
        counted = int(tally.count)
        with _bar(epoch, epochs, counted, train_count) as bar:
            shown = tally
            for state, tally in run_epoch(state, tally, epoch, done):
                _show(bar, shown)  # one call behind: the device does not wait
                shown = tally
                if should_stop():
                    _check_finite(tally, state, checkpoints)
                    checkpoints.save(int(state.step), {"state": state, "tally": tally})
                    raise Interrupted
            _show(bar, tally)
        _check_finite(tally, state, checkpoints)
        seconds = time.perf_counter() - started
        row = {
            "epoch": epoch + 1,
            "step": int(state.step),
            **current_rates(state.opt_state),
            "train_loss": float(tally.loss_sum) / int(tally.count),
            "train_accuracy": 100 * int(tally.correct) / int(tally.count),
            **evaluate(state),
            "seconds": round(seconds, 3),
            "images_per_second": round((int(tally.count) - counted) / seconds, 1),
        }
        on_row(row)
        tally, done = empty_tally(), 0
        tree = {"state": state, "tally": tally}
        checkpoints.save(row["step"], tree, test_accuracy=row["test_accuracy"])
        if should_stop() and epoch + 1 < epochs:
            raise Interrupted
    return state


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


def _check_finite(tally: Tally, state: TrainState, checkpoints: Checkpoints) -> None:
    if int(tally.bad_step) < 0:
        return
    latest = checkpoints.latest_step
    kept = "no checkpoint yet" if latest is None else f"the checkpoint of step {latest} is good"
    rate = current_rates(state.opt_state)["lr"]
    raise Diverged(
        f"the loss of step {int(tally.bad_step)} was not finite, at a learning rate of "
        f"about {rate:.2g}; {kept}; lower --config.max_lr"
    )
