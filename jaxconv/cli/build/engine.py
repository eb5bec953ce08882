"""How the training images are augmented, and how they get to the steps: the engine of a config."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from jaxconv.augment.device import alternates, make_device_augment, visit
from jaxconv.cli.build.network import Network, mistakes_of_augmentation
from jaxconv.cli.config.types import Config
from jaxconv.training.epochs import (
    KeyOf,
    RunEpoch,
    make_device_epoch,
    make_host_epoch,
    make_streamed_epoch,
    steps_of,
)
from jaxconv.training.keys import example_key, run_keys
from jaxconv.training.parallel import OneDevice
from jaxconv.training.step import identity_augment

if TYPE_CHECKING:
    from jaxconv.data.dataset import Dataset
    from jaxconv.data.teacher import Teacher


class Engine(NamedTuple):
    """How the examples of an epoch are augmented, and how they get to the steps."""

    augment: Callable  # within the step
    make_epoch: Callable[[Callable], RunEpoch]  # of a step
    steps_per_call: int
    view: Callable[[int, np.ndarray], Any]  # (epoch, examples [b]) -> the images that a step sees


def build_engine(config: Config, dataset: Dataset, network: Network, layout: OneDevice) -> Engine:
    """The config's engine on the training images.

    Raises:
        ConfigError: what the augmentation makes of the images is not what the network takes.
    """
    images, labels = dataset.train
    given: dict[str, Any] = {"batch_size": config.batch_size, "seed": config.seed, "layout": layout}
    given["teacher"] = dataset.teacher and dataset.teacher.logits
    if network.engine == "albumentations":
        prepare = _host_augment(network, images[:1], config.seed, dataset.teacher)
        run = partial(make_host_epoch, images=images, labels=labels, augment=prepare, **given)
        return Engine(
            identity_augment, run, 1, lambda epoch, picked: prepare(images[picked], epoch, picked)
        )
    augment = _device_augment(network, images[:1])
    key_of = _key_of(network, dataset.teacher)
    view = _device_view(augment, key_of, images, config.seed)
    given["key_of"] = key_of
    if jax.process_count() > 1:
        run = partial(make_streamed_epoch, images=images, labels=labels, **given)
        return Engine(augment, run, 1, view)
    whole = steps_of(len(labels), config.batch_size)
    per_call = min(config.steps_per_call or (1 if on_cpu() else whole), whole)
    given |= {"steps_per_call": per_call}
    # Once, for all phases of a run.
    images, labels, given["teacher"] = layout.everywhere((images, labels, given["teacher"]))
    run = partial(make_device_epoch, images=images, labels=labels, **given)
    return Engine(augment, run, per_call, view)


def _key_of(network: Network, teacher: Teacher | None) -> KeyOf:
    """What augmentation follows from: with a teacher, from its seed and the number of a view."""
    key_of = visit if alternates(network.pipeline) else example_key
    if teacher is None:
        return key_of
    key, views = run_keys(teacher.seed).augmentation, len(teacher.logits)

    def key_of_view(_: Any, epoch: Any, example: Any) -> Any:
        return key_of(key, epoch % views, example)

    return key_of_view


def _device_view(augment: Callable, key_of: KeyOf, images: np.ndarray, seed: int) -> Callable:
    key = run_keys(seed).augmentation

    @jax.jit
    def augmented(images, epoch, examples):
        return augment(jax.vmap(key_of, (None, None, 0))(key, epoch, examples), images)

    return lambda epoch, picked: augmented(images[picked], epoch, picked)


def _device_augment(network: Network, images: np.ndarray) -> Callable:
    with mistakes_of_augmentation():
        augment = make_device_augment(network.pipeline)
        visits = jax.vmap(visit, (None, None, 0))(jax.random.key(0), 0, np.arange(1))
        _require_fit(network, jax.eval_shape(augment, visits, images), images)
    return augment


def _host_augment(
    network: Network, images: np.ndarray, seed: int, teacher: Teacher | None
) -> Callable:
    from jaxconv.augment.host import make_host_augment

    with mistakes_of_augmentation():
        augment = make_host_augment(network.pipeline, seed=teacher.seed if teacher else seed)
        made = augment(images, 0, [0])
        _require_fit(network, made, images)
    if teacher is None:
        return augment
    views = len(teacher.logits)
    return lambda images, epoch, examples: augment(images, epoch % views, examples)


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


def on_cpu() -> bool:
    """Whether the steps run one by one, as there is no call to a device to be saved."""
    return jax.default_backend() == "cpu"
