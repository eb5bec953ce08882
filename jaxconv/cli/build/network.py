"""The network that a config names, and what goes into it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from jaxconv.cli.config.error import ConfigError
from jaxconv.models.s9 import S9Net
from jaxconv.text import one_line

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from jaxconv.augment.transform import Transform
    from jaxconv.data.dataset import Dataset
    from jaxconv.training.parallel import OneDevice
    from jaxconv.training.step import TrainState

IMAGE_SHAPE = (32, 32, 3)


class Network(NamedTuple):
    """A model and how its images are prepared; `build_network` makes it once for each command."""

    model: S9Net
    pipeline: tuple[Transform, ...]  # its augmentation
    engine: str  # which runs the pipeline: device or albumentations
    normalize: Callable[[jax.Array], jax.Array]  # of the images that it is tested on
    batch_size: int

    def evaluate(self, dataset: Dataset, layout: OneDevice | None = None) -> Callable:
        """`evaluate(state) -> {"test_loss", "test_accuracy"}` on the test split."""
        from jaxconv.training.loop import make_evaluate
        from jaxconv.training.step import make_eval_step

        step = make_eval_step(self.model, self.normalize)
        batch_size = min(len(dataset.test.labels), self.batch_size)
        return make_evaluate(step, *dataset.test, batch_size=batch_size, layout=layout)

    def predict_step(self) -> Callable:
        """`predict_step(state, images uint8) -> probabilities`."""
        from jaxconv.training.step import make_predict_step

        return make_predict_step(self.model, self.normalize)

    def predict(self, state: TrainState, images: np.ndarray) -> np.ndarray:
        """The probabilities float32 [n, classes] of images uint8 [n, h, w, c]."""
        from jaxconv.training.loop import predict

        batch_size = min(len(images), self.batch_size)
        return predict(self.predict_step(), state, images, batch_size=batch_size)


def build_pipeline(config: ConfigDict) -> tuple[Transform, ...]:
    """The config's augmentation, checked for its engine.

    Raises:
        ConfigError: it has a mistake.
    """
    from jaxconv.augment.pipeline import parse_pipeline

    with mistakes_of_augmentation():
        return parse_pipeline(config.augment.transforms, engine=config.augment.engine)


def build_network(
    config: ConfigDict, num_classes: int, pipeline: tuple[Transform, ...] | None = None
) -> Network:
    """The config's network for so many classes.

    Args:
        pipeline: what `build_pipeline` gave, where the caller has it already.

    Raises:
        ConfigError: the augmentation has a mistake, or its Normalize does not fit images.
    """
    from jaxconv.augment.device import make_device_normalize

    pipeline = build_pipeline(config) if pipeline is None else pipeline
    model = S9Net(num_classes, config.dropout_rate, jax.numpy.dtype(config.dtype))
    with mistakes_of_augmentation():
        normalize = make_device_normalize(pipeline)
        jax.eval_shape(normalize, jax.ShapeDtypeStruct((1, *IMAGE_SHAPE), np.uint8))
    return Network(model, pipeline, config.augment.engine, normalize, config.batch_size)


@contextlib.contextmanager
def mistakes_of_augmentation() -> Iterator[None]:
    """A context in which what an augmentation refuses is a mistake in the config."""
    try:
        yield
    except (TypeError, ValueError) as error:
        reason = one_line(error, longest=1000)
        raise ConfigError(f"config.augment.transforms: {reason}") from error


def state_like(network: Network) -> TrainState:
    """Shapes and dtypes of what training changes, without the arrays."""
    from jaxconv.training.optim import one_cycle_sgd
    from jaxconv.training.step import init_train_state

    tx = one_cycle_sgd(1, max_lr=1.0, weight_decay=0.0)
    return jax.eval_shape(
        lambda: init_train_state(network.model, tx, jax.random.key(0), IMAGE_SHAPE)
    )
