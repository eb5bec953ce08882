"""Workers that augment with albumentations on the host: alone, and feeding the training step."""

import time
from collections.abc import Callable

import jax
import numpy as np

from benchmarks import problem
from benchmarks.jax_s9 import describe, make_model, make_runner, make_tx
from benchmarks.worker import Job
from configs import s9
from jaxconv.augment.host import make_host_augment
from jaxconv.augment.pipeline import parse_pipeline
from jaxconv.training.epochs import make_host_epoch
from jaxconv.training.step import TrainState, identity_augment, make_train_step

EPOCH_BATCHES = 64
PREFETCH = 4  # batches prepared ahead


def make_augment() -> Callable:
    """The documented pipeline, by albumentations."""
    transforms = s9.get_config().augment.transforms
    return make_host_augment(parse_pipeline(transforms, engine="albumentations"), seed=0)


def augment(*, threads: int, batch_size: int) -> Job:
    """The documented pipeline: a call is a batch."""
    run_pipeline = make_augment()
    images, _ = problem.draw_pixels(batch_size)
    indices = np.arange(batch_size)

    def run(calls):
        return float(sum(run_pipeline(images, n, indices)[0, 0, 0, 0] for n in range(calls)))

    return Job(run, list, "cpu")


class Idle:
    """A train step that waits for each step's end, and counts the time until the next begins.

    The first steps after a rest are not counted: their batches were prepared while it rested.
    """

    def __init__(self, train_step: Callable) -> None:
        self.train_step = train_step
        self.idle = self.total = 0.0
        self.rest()

    def __call__(self, state: TrainState, batch: dict, key: jax.Array) -> tuple[TrainState, dict]:
        started = time.perf_counter()
        results = jax.block_until_ready(self.train_step(state, batch, key))
        ended = time.perf_counter()
        if self.steps > PREFETCH:
            self.idle += started - self.ended
            self.total += ended - self.ended
        self.steps, self.ended = self.steps + 1, ended
        return results

    def rest(self) -> None:
        self.steps, self.ended = 0, 0.0

    @property
    def share(self) -> float:
        return self.idle / max(self.total, 1e-9)


def train(*, threads: int, batch_size: int) -> Job:
    """Training on batches that a thread augments ahead: a call is a step.

    The check is the idle share of all runs so far.
    """
    model, tx = make_model("jaxconv", problem.DROPOUT_RATE), make_tx()
    step = Idle(make_train_step(model, tx, identity_augment))
    images, labels = problem.draw_pixels(EPOCH_BATCHES * batch_size)
    options = {"batch_size": batch_size, "seed": 0, "prefetch": PREFETCH}
    train_on = make_runner(make_host_epoch(step, images, labels, make_augment(), **options), tx)

    def run(calls):
        step.rest()
        return float(train_on(calls)[1].loss_sum)

    return Job(run, lambda: [step.share], describe())
