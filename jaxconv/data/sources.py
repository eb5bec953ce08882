"""The data sets that a run can be trained on: to add one, write its file and a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from jaxconv.data import archive, shapes10
from jaxconv.data.cifar10 import load_cifar10
from jaxconv.data.dataset import Dataset
from jaxconv.data.shapes10 import load_shapes10


class Wishes(NamedTuple):
    """What a run says of its data; a source takes what concerns it."""

    dir: str | None  # a folder that somebody named
    download: bool  # whether it may be fetched
    train_limit: int | None  # examples to use; None is all
    test_limit: int | None


class Source(NamedTuple):
    """A data set by name."""

    load: Callable[[Wishes], Dataset]
    class_names: tuple[str, ...]  # what the outputs of a network trained on it mean


SOURCES: Mapping[str, Source] = {
    "cifar10": Source(
        lambda wishes: load_cifar10(data_dir=wishes.dir, download=wishes.download),
        archive.CLASS_NAMES,
    ),
    "shapes10": Source(
        lambda wishes: load_shapes10(
            train_count=wishes.train_limit or 50_000, test_count=wishes.test_limit or 10_000
        ),
        shapes10.CLASS_NAMES,
    ),
}
