"""What the report shows of a trained network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax

from jaxconv.augment.gallery import named_augmentations
from jaxconv.report.results import Results
from jaxconv.training.epochs import steps_of

if TYPE_CHECKING:
    from jaxconv.cli.build.network import Network
    from jaxconv.data.dataset import Dataset
    from jaxconv.training.step import TrainState


def build_results(network: Network, dataset: Dataset, state: TrainState) -> Results:
    """What the report shows of a network trained to `state`."""
    image = dataset.train.images[0]
    return Results(
        dataset_name=dataset.name,
        dataset_reason=dataset.reason,
        class_names=dataset.class_names,
        train_images=dataset.train.images,
        train_labels=dataset.train.labels,
        test_images=dataset.test.images,
        test_labels=dataset.test.labels,
        probabilities=network.predict(state, dataset.test.images),
        augmentations=named_augmentations(network.pipeline, image, engine=network.engine),
        epoch=int(state.step) // steps_of(len(dataset.train.labels), network.batch_size),
        parameters=sum(array.size for array in jax.tree.leaves(state.params)),
    )
