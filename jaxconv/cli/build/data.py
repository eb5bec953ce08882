"""The data set that a config names."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from jaxconv.cli.config.error import ConfigError
from jaxconv.data.dataset import Dataset, first_available, limit
from jaxconv.data.sources import SOURCES, Wishes

if TYPE_CHECKING:
    from ml_collections import ConfigDict


def build_dataset(config: ConfigDict) -> Dataset:
    """The first source at hand, cut to the config's limits."""
    data = config.data
    wishes = Wishes(data.dir, data.download, data.train_limit, data.test_limit)
    dataset = first_available({name: partial(SOURCES[name].load, wishes) for name in data.sources})
    try:
        return limit(dataset, data.train_limit, data.test_limit)
    except ValueError as error:
        raise ConfigError(error) from error


def first_batches(dataset: Dataset, *, train: int, test: int, batch_size: int) -> Dataset:
    """The same data set with so many batches of each split, or all where it has fewer."""
    counts = (len(dataset.train.labels), len(dataset.test.labels))
    limits = (min(n * batch_size, all) for n, all in zip((train, test), counts, strict=True))
    return limit(dataset, *limits)
