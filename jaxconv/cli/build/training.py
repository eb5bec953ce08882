"""A training that a config names: its first state, its epochs, its evaluation, and `fit`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import optax

from jaxconv.cli.build.network import Network, mistakes_of_augmentation
from jaxconv.cli.config.types import Config
from jaxconv.runs.job import Agreement, in_job
from jaxconv.training.epochs import (
    RunEpoch,
    make_device_epoch,
    make_host_epoch,
    make_streamed_epoch,
    steps_of,
)
from jaxconv.training.keys import run_keys
from jaxconv.training.loop import Course, SaveEvery, fit
from jaxconv.training.optim import one_cycle, sgd, warmup_cosine
from jaxconv.training.parallel import OneDevice, make_layout
from jaxconv.training.step import (
    TrainState,
    identity_augment,
    init_train_state,
    make_train_step,
)

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
    run_epoch, steps_per_call = _build_epochs(config, dataset, network, tx, layout)
    evaluate = network.evaluate(dataset, layout)
    course = Course(run_epoch, evaluate, steps_per_epoch, steps_per_call, train_count)
    return Training(layout, state, course)


def build_optimizer(config: Config, total_steps: int) -> optax.GradientTransformationExtraArgs:
    """The config's optimizer for a run of so many steps."""
    given = config.optimizer
    make_rates = {"one_cycle": one_cycle, "cosine": warmup_cosine}[given.schedule]
    options = {"warmup": given.warmup_share, "momentum": given.momentum}
    told = {name: value for name, value in options.items() if value is not None}
    rates = make_rates(total_steps, max_lr=config.max_lr, **told)
    decay = {"weight_decay": config.weight_decay, "decay_norm": given.decay_norm}
    return sgd(rates, nesterov=given.nesterov, **decay)


def _build_epochs(
    config: Config,
    dataset: Dataset,
    network: Network,
    tx: optax.GradientTransformation,
    layout: OneDevice,
) -> tuple[RunEpoch, int]:
    """The epochs of the config's engine, and how many steps they run in a call."""
    shared: dict[str, Any] = {"batch_size": config.batch_size, "seed": config.seed}
    shared["layout"] = layout
    if network.engine == "albumentations":
        augment = _host_augment(network, dataset.train.images[:1], config.seed)
        step = make_train_step(
            network.model, tx, identity_augment, label_smoothing=config.label_smoothing
        )
        return make_host_epoch(step, *dataset.train, augment, **shared), 1
    augment = _device_augment(network, dataset.train.images[:1])
    step = make_train_step(network.model, tx, augment, label_smoothing=config.label_smoothing)
    if jax.process_count() > 1:
        return make_streamed_epoch(step, *dataset.train, **shared), 1
    steps_per_epoch = steps_of(len(dataset.train.labels), config.batch_size)
    per_call = config.steps_per_call or (1 if on_cpu() else steps_per_epoch)
    return make_device_epoch(step, *dataset.train, steps_per_call=per_call, **shared), per_call


def _device_augment(network: Network, images: np.ndarray) -> Callable:
    from jaxconv.augment.device import make_device_augment

    with mistakes_of_augmentation():
        augment = make_device_augment(network.pipeline)
        _require_fit(network, jax.eval_shape(augment, jax.random.key(0), images), images)
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
