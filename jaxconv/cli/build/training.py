"""A training that a config names: its first state, its epochs, its evaluation, and `fit`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from jaxconv.cli.build.engine import build_engine
from jaxconv.cli.build.network import Network
from jaxconv.cli.build.step import Phase, build_optimizer, build_step, phase_of
from jaxconv.cli.config.types import Config
from jaxconv.runs.job import Agreement, in_job
from jaxconv.training.average import begin_average
from jaxconv.training.epochs import RunEpoch, steps_of
from jaxconv.training.keys import run_keys
from jaxconv.training.loop import Course, SaveEvery, fit
from jaxconv.training.parallel import OneDevice, make_layout
from jaxconv.training.phases import in_phases
from jaxconv.training.step import TrainState, init_train_state

if TYPE_CHECKING:
    from jaxconv.data.dataset import Dataset


class Training(NamedTuple):
    """All that `fit` needs besides a place to save to."""

    layout: OneDevice
    state: TrainState
    course: Course


def build_training(config: Config, dataset: Dataset, network: Network) -> Training:
    """A fresh run of the config on `dataset`.

    Raises:
        ConfigError: what the augmentation makes of the images is not what the network takes.
    """
    train_count = len(dataset.train.labels)
    steps_per_epoch = steps_of(train_count, config.batch_size)
    tx = build_optimizer(config, config.epochs * steps_per_epoch)
    layout = make_layout(shard_state=config.shard_state)
    key = run_keys(config.seed).weights
    state = init_train_state(network.model, tx, key, dataset.train.images.shape[1:])
    state = begin_average(state) if config.ema_decay else state
    engine = build_engine(config, dataset, network, layout)

    def epoch_of(phase: Phase) -> RunEpoch:
        return engine.make_epoch(build_step(config, network.model, tx, engine.augment, phase))

    run_epoch = in_phases(functools.partial(phase_of, config), epoch_of)
    evaluate = network.evaluate(dataset, layout)
    course = Course(run_epoch, evaluate, steps_per_epoch, engine.steps_per_call, train_count)
    return Training(layout, state, course)


def build_fit(config: Config, training: Training) -> Callable[..., TrainState]:
    """`fit` for the config; it is left to give `progress, checkpoints, on_row, should_stop`."""
    together = {"agree": Agreement(training.layout)} if in_job() else {}
    return functools.partial(
        fit,
        course=training.course,
        epochs=config.epochs,
        save_every=SaveEvery(config.checkpoint.every_steps, config.checkpoint.every_minutes),
        **together,
    )
