"""The network that a config names, and what goes into it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from jaxconv.cli.build.data import with_any_statistics
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.types import Config
from jaxconv.errors import JaxconvError
from jaxconv.models.inference import Folded, fold, infer
from jaxconv.models.s9 import S9Net, s9_from_json
from jaxconv.text import one_line

if TYPE_CHECKING:
    from jaxconv.augment.transform import Transform
    from jaxconv.data.dataset import Dataset
    from jaxconv.training.parallel import OneDevice
    from jaxconv.training.step import TrainState


class NotFinite(JaxconvError):
    """What a network says of images is no number."""


class Network(NamedTuple):
    """A model and how its images are prepared; `build_network` makes it once for each command."""

    model: S9Net
    pipeline: tuple[Transform, ...]  # its augmentation
    engine: str  # which runs the pipeline: device or albumentations
    normalize: Callable[[jax.Array], jax.Array]  # of the images that it is tested on
    batch_size: int
    image_shape: tuple[int, int, int]  # h, w, c

    def evaluate(
        self, dataset: Dataset, layout: OneDevice | None = None, *, flips: bool = False
    ) -> Callable:
        """`evaluate(state) -> {"test_loss", "test_accuracy"}` on the test split.

        `flips` takes the mean of the logits of each image and its mirror image.
        """
        from jaxconv.training.evaluation import make_evaluate
        from jaxconv.training.step import make_eval_step, mirrored

        logits = mirrored(self.logits) if flips else self.logits
        step = make_eval_step(self.model, self.normalize, logits=logits)
        batch_size = min(len(dataset.test.labels), self.batch_size)
        return make_evaluate(step, *dataset.test, batch_size=batch_size, layout=layout)

    def predict(self, state: TrainState, images: np.ndarray, *, flips: bool = False) -> np.ndarray:
        """The probabilities float32 [n, classes] of images uint8 [n, h, w, c]; `flips` as above.

        Raises:
            NotFinite: they are no numbers.
        """
        from jaxconv.training.evaluation import predict
        from jaxconv.training.step import mirrored

        batch_size = min(max(len(images), 1), self.batch_size)
        logits = mirrored(infer) if flips else infer
        step = jax.jit(lambda folded, x: jax.nn.softmax(logits(folded, self.normalize(x))))
        probabilities = predict(step, self.folded(state), images, batch_size=batch_size)
        require_finite(probabilities)
        return probabilities

    def folded(self, state: TrainState) -> Folded:
        """What `probabilities` needs of a trained network."""
        images = jax.ShapeDtypeStruct((1, *self.image_shape), np.uint8)
        height, width = jax.eval_shape(self.normalize, images).shape[1:3]
        return fold(state.variables, self.model, image_size=(height, width))

    def probabilities(self, folded: Folded, images: jax.Array) -> jax.Array:
        """[b, classes] of images uint8 [b, h, w, c]; pure."""
        return jax.nn.softmax(infer(folded, self.normalize(images)))

    def logits(self, variables: Mapping[str, Any], images: jax.Array) -> jax.Array:
        """[b, classes] of images that are normalised, [b, h, w, c]; pure."""
        height, width = images.shape[1:3]
        return infer(fold(variables, self.model, image_size=(height, width)), images)


def build_pipeline(config: Config) -> tuple[Transform, ...]:
    """The config's augmentation, checked for its engine.

    Raises:
        ConfigError: it has a mistake.
    """
    from jaxconv.augment.pipeline import parse_pipeline

    with mistakes_of_augmentation():
        return parse_pipeline(config.augment.transforms, engine=config.augment.engine)


def check_pipeline(config: Config) -> None:
    """Refuses what `build_pipeline` would, before the data is there that "auto" is about.

    Raises:
        ConfigError: the augmentation has a mistake.
    """
    build_pipeline(with_any_statistics(config))


def check_network(config: Config) -> None:
    """Refuses what `build_network` would, before there is data and a run directory.

    Raises:
        ConfigError: the augmentation, the network or the size of its images has a mistake.
    """
    build_network(with_any_statistics(config), num_classes=2)


def build_network(config: Config, num_classes: int) -> Network:
    """The config's network for so many classes.

    Raises:
        ConfigError: the augmentation has a mistake, or its Normalize or the network does not fit
            images.
    """
    from jaxconv.augment.device import make_device_normalize

    pipeline = build_pipeline(config)
    size = config.data.image_size
    images = jax.ShapeDtypeStruct((1, size, size, 3), np.uint8)
    with mistakes_of_augmentation():
        normalize = make_device_normalize(pipeline)
        normalized = jax.eval_shape(normalize, images)
    model = build_model(config, num_classes)
    if model.rows != S9Net().rows or size < 32:  # that one takes all others
        _require_images(model, normalized, size)
    shape = images.shape[1:]
    return Network(model, pipeline, config.augment.engine, normalize, config.batch_size, shape)


def _require_images(model: S9Net, images: jax.ShapeDtypeStruct, size: int) -> None:
    """Raises ConfigError where the model does not take such images."""
    try:
        jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    except (TypeError, ValueError) as error:
        reason = one_line(error, longest=1000)
        raise ConfigError(
            f"config.data.image_size={size}: config.model.rows does not take images "
            f"{list(images.shape[1:])}: {reason}"
        ) from error


def build_model(config: Config, num_classes: int) -> S9Net:
    """The config's model.

    Raises:
        ConfigError: a row has a mistake.
    """
    options = {"dropout_rate": config.dropout_rate, "dtype": jax.numpy.dtype(config.dtype)}
    try:
        return s9_from_json(config.model, num_classes, **options)
    except ValueError as error:
        raise ConfigError(f"config.model: {error}") from error


def require_finite(outputs: np.ndarray | float) -> None:
    """Raises NotFinite where an output, or what was measured of it, is no number."""
    if not np.isfinite(outputs).all():
        raise NotFinite(
            "the network's outputs are not finite: training has diverged, or its weights are "
            "damaged; take another checkpoint or file"
        )


@contextlib.contextmanager
def mistakes_of_augmentation() -> Iterator[None]:
    """A context in which what an augmentation refuses is a mistake in the config."""
    try:
        yield
    except (TypeError, ValueError) as error:
        reason = one_line(error, longest=1000)
        raise ConfigError(f"config.augment.transforms: {reason}") from error


def state_like(network: Network, *, averaged: bool = False) -> TrainState:
    """Shapes and dtypes of what training changes, without the arrays.

    Args:
        averaged: whether it keeps an average of the weights.
    """
    from jaxconv.training.average import begin_average
    from jaxconv.training.optim import one_cycle_sgd
    from jaxconv.training.step import init_train_state

    tx = one_cycle_sgd(1, max_lr=1.0, weight_decay=0.0)  # all states of `sgd` have one structure

    def init() -> TrainState:
        state = init_train_state(network.model, tx, jax.random.key(0), network.image_shape)
        return begin_average(state) if averaged else state

    return jax.eval_shape(init)
