"""From a config to what it names: data set, model, optimizer, augmentation, epochs.

The other half of the door: `config.py` reads and checks a config, this file unpacks it into named
arguments. Choices are made here by plain `if`s, so that nothing behind the door has a mode.
"""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxconv.augment.device import make_device_augment, make_device_normalize
from jaxconv.augment.gallery import named_augmentations
from jaxconv.augment.pipeline import Transform, parse_pipeline
from jaxconv.config import ConfigError
from jaxconv.data import archive, shapes10
from jaxconv.data.cifar10 import load_cifar10
from jaxconv.data.dataset import Dataset, first_available, limit
from jaxconv.data.shapes10 import load_shapes10
from jaxconv.models.s9 import S9Net
from jaxconv.report.results import Results
from jaxconv.runs.job import Agreement, in_job
from jaxconv.training.epochs import (
    RunEpoch,
    make_device_epoch,
    make_host_epoch,
    make_streamed_epoch,
    steps_of,
)
from jaxconv.training.keys import run_keys
from jaxconv.training.loop import Course, SaveEvery, fit, make_evaluate, predict
from jaxconv.training.optim import one_cycle_sgd
from jaxconv.training.parallel import OneDevice, make_layout
from jaxconv.training.step import (
    TrainState,
    identity_augment,
    init_train_state,
    make_eval_step,
    make_predict_step,
    make_train_step,
)

CLASS_NAMES = {"cifar10": archive.CLASS_NAMES, "shapes10": shapes10.CLASS_NAMES}
"""What the outputs of a network mean, by the data set that it was trained on."""


class Training(NamedTuple):
    """All that `fit` needs besides a place to save to."""

    layout: OneDevice
    state: TrainState
    course: Course


def build_dataset(config: ConfigDict) -> Dataset:
    """The first source at hand, cut to the config's limits."""
    data = config.data
    loaders = {
        "cifar10": lambda: load_cifar10(data_dir=data.dir, download=data.download),
        "shapes10": lambda: load_shapes10(
            train_count=data.train_limit or 50_000, test_count=data.test_limit or 10_000
        ),
    }
    dataset = first_available({name: loaders[name] for name in data.sources})
    try:
        return limit(dataset, data.train_limit, data.test_limit)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def first_batches(dataset: Dataset, *, train: int, test: int, batch_size: int) -> Dataset:
    """The same data set with so many batches of each split, or all where it has fewer."""
    counts = (len(dataset.train.labels), len(dataset.test.labels))
    limits = (min(n * batch_size, all) for n, all in zip((train, test), counts, strict=True))
    return limit(dataset, *limits)


def build_pipeline(config: ConfigDict) -> tuple[Transform, ...]:
    """The config's augmentation, checked for its engine."""
    try:
        return parse_pipeline(config.augment.transforms, engine=config.augment.engine)
    except ValueError as error:
        raise ConfigError(f"config.augment.transforms: {error}") from error


def build_model(config: ConfigDict, num_classes: int) -> S9Net:
    return S9Net(num_classes, config.dropout_rate, jnp.dtype(config.dtype))


def build_training(config: ConfigDict, dataset: Dataset) -> Training:
    """A fresh run of the config on `dataset`."""
    model = build_model(config, len(dataset.class_names))
    pipeline = build_pipeline(config)
    steps_per_epoch = steps_of(len(dataset.train.labels), config.batch_size)
    tx = one_cycle_sgd(
        config.epochs * steps_per_epoch, max_lr=config.max_lr, weight_decay=config.weight_decay
    )
    layout = make_layout(shard_state=config.get("shard_state", False))
    run_epoch, steps_per_call = _build_epochs(config, dataset, pipeline, model, tx, layout)
    evaluate = build_evaluate(config, dataset, layout)
    key = run_keys(config.seed).weights
    state = init_train_state(model, tx, key, dataset.train.images.shape[1:])
    train_count = len(dataset.train.labels)
    course = Course(run_epoch, evaluate, steps_per_epoch, steps_per_call, train_count)
    return Training(layout, state, course)


def _build_epochs(
    config: ConfigDict,
    dataset: Dataset,
    pipeline: tuple[Transform, ...],
    model: S9Net,
    tx: optax.GradientTransformation,
    layout: OneDevice,
) -> tuple[RunEpoch, int]:
    """The epochs of the config's engine, and how many steps they run in a call."""
    shared: dict[str, Any] = {"batch_size": config.batch_size, "seed": config.seed}
    shared["layout"] = layout
    on_device = config.augment.engine == "device"
    step_augment = make_device_augment(pipeline) if on_device else identity_augment
    step = make_train_step(model, tx, step_augment, label_smoothing=config.label_smoothing)
    if not on_device:
        from jaxconv.augment.host import make_host_augment

        augment = make_host_augment(pipeline, seed=config.seed)
        return make_host_epoch(step, *dataset.train, augment, **shared), 1
    if jax.process_count() > 1:
        return make_streamed_epoch(step, *dataset.train, **shared), 1
    steps_per_epoch = steps_of(len(dataset.train.labels), config.batch_size)
    per_call = config.steps_per_call or (1 if on_cpu() else steps_per_epoch)
    return make_device_epoch(step, *dataset.train, steps_per_call=per_call, **shared), per_call


def build_evaluate(
    config: ConfigDict, dataset: Dataset, layout: OneDevice | None = None
) -> Callable[[TrainState], dict[str, float]]:
    """`evaluate(state) -> {"test_loss", "test_accuracy"}` of the config's model."""
    model = build_model(config, len(dataset.class_names))
    eval_step = make_eval_step(model, make_device_normalize(build_pipeline(config)))
    return make_evaluate(eval_step, *dataset.test, batch_size=config.batch_size, layout=layout)


def build_state_like(config: ConfigDict, num_classes: int) -> TrainState:
    """Shapes and dtypes of what training of the config changes, without the arrays."""
    model, tx = build_model(config, num_classes), one_cycle_sgd(1, max_lr=1.0, weight_decay=0.0)
    make = partial(init_train_state, model, tx, image_shape=(32, 32, 3))
    return jax.eval_shape(lambda: make(jax.random.key(0)))


def build_fit(config: ConfigDict, training: Training) -> Callable[..., TrainState]:
    """`fit` for the config; it is left to give `progress, checkpoints, on_row, should_stop`."""
    together = {"agree": Agreement(training.layout)} if in_job() else {}
    return functools.partial(
        fit,
        course=training.course,
        epochs=config.epochs,
        save_every=SaveEvery(config.checkpoint.every_steps, config.checkpoint.every_minutes),
        **together,
    )


def build_predict_step(config: ConfigDict, num_classes: int) -> Callable:
    """`predict_step(state, images uint8) -> probabilities` of the config's model."""
    model = build_model(config, num_classes)
    return make_predict_step(model, make_device_normalize(build_pipeline(config)))


def build_results(config: ConfigDict, dataset: Dataset, state: TrainState) -> Results:
    """What the report shows of a network trained to `state`."""
    classes = dataset.class_names
    step = build_predict_step(config, len(classes))
    batch_size = config.batch_size
    image = dataset.train.images[0]
    engine = config.augment.engine
    return Results(
        dataset_name=dataset.name,
        dataset_reason=dataset.reason,
        class_names=classes,
        train_images=dataset.train.images,
        train_labels=dataset.train.labels,
        test_images=dataset.test.images,
        test_labels=dataset.test.labels,
        probabilities=predict(step, state, dataset.test.images, batch_size=batch_size),
        augmentations=named_augmentations(build_pipeline(config), image, engine=engine),
        epoch=int(state.step) // steps_of(len(dataset.train.labels), batch_size),
        parameters=sum(array.size for array in jax.tree.leaves(state.params)),
    )


def on_cpu() -> bool:
    return jax.default_backend() == "cpu"
