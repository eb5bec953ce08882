"""A training that a config names: its first state, its epochs, its evaluation, and `fit`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from jaxconv.augment.device import alternates, make_device_augment, visit
from jaxconv.cli.build.network import Network, mistakes_of_augmentation
from jaxconv.cli.build.step import Phase, build_optimizer, build_step, phase_of
from jaxconv.cli.config.types import Config
from jaxconv.runs.job import Agreement, in_job
from jaxconv.training.average import begin_average
from jaxconv.training.epochs import (
    RunEpoch,
    make_device_epoch,
    make_host_epoch,
    make_streamed_epoch,
    steps_of,
)
from jaxconv.training.keys import example_key, run_keys
from jaxconv.training.loop import Course, SaveEvery, fit
from jaxconv.training.parallel import OneDevice, make_layout
from jaxconv.training.phases import in_phases
from jaxconv.training.step import TrainState, identity_augment, init_train_state

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
    engine = _build_engine(config, dataset, network, layout)

    def epoch_of(phase: Phase) -> RunEpoch:
        return engine.make_epoch(build_step(config, network.model, tx, engine.augment, phase))

    run_epoch = in_phases(functools.partial(phase_of, config), epoch_of)
    evaluate = network.evaluate(dataset, layout)
    course = Course(run_epoch, evaluate, steps_per_epoch, engine.steps_per_call, train_count)
    return Training(layout, state, course)


class Engine(NamedTuple):
    """How the examples of an epoch are augmented, and how they get to the steps."""

    augment: Callable  # within the step
    make_epoch: Callable[[Callable], RunEpoch]  # of a step
    steps_per_call: int


def _build_engine(config: Config, dataset: Dataset, network: Network, layout: OneDevice) -> Engine:
    """The config's engine on the training images."""
    shared: dict[str, Any] = {"batch_size": config.batch_size, "seed": config.seed}
    shared["layout"] = layout
    images, labels = dataset.train
    if network.engine == "albumentations":
        prepare = _host_augment(network, images[:1], config.seed)
        return Engine(
            identity_augment,
            lambda step: make_host_epoch(step, images, labels, prepare, **shared),
            1,
        )
    augment = _device_augment(network, images[:1])
    shared["key_of"] = visit if alternates(network.pipeline) else example_key
    if jax.process_count() > 1:
        return Engine(augment, lambda step: make_streamed_epoch(step, images, labels, **shared), 1)
    per_call = config.steps_per_call
    per_call = per_call or (1 if on_cpu() else steps_of(len(labels), config.batch_size))
    data = layout.everywhere((images, labels))  # once, for all phases
    return Engine(
        augment,
        lambda step: make_device_epoch(step, *data, steps_per_call=per_call, **shared),
        per_call,
    )


def _device_augment(network: Network, images: np.ndarray) -> Callable:
    with mistakes_of_augmentation():
        augment = make_device_augment(network.pipeline)
        visits = jax.vmap(visit, (None, None, 0))(jax.random.key(0), 0, np.arange(1))
        _require_fit(network, jax.eval_shape(augment, visits, images), images)
    return augment


def _host_augment(network: Network, images: np.ndarray, seed: int) -> Callable:
    from jaxconv.augment.host import make_host_augment

    with mistakes_of_augmentation():
        augment = make_host_augment(network.pipeline, seed=seed)
        made = augment(images, 0, [0])
        _require_fit(network, made, images)
    return augment


def _require_fit(network: Network, made: Any, images: np.ndarray) -> None:
    """Whether the network takes what became of `images`: looked at only where it is another size.

    Raises:
        ValueError: it does not.
    """
    if made.shape == images.shape:
        return
    key = jax.random.key(0)
    try:
        jax.eval_shape(lambda x: network.model.init(key, x, train=False), made)
        if made.shape[3] != images.shape[3]:
            raise ValueError("other channels than those of the images that it is tested on")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"images {list(images.shape[1:])} become {list(made.shape[1:])}, "
            f"which the network does not take ({error})"
        ) from error


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


def on_cpu() -> bool:
    """Whether the steps run one by one, as there is no call to a device to be saved."""
    return jax.default_backend() == "cpu"
