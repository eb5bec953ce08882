"""The data sets that a run can be trained on: to add one, write its file and a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from jaxconv.data import archive, shapes10
from jaxconv.data.cifar10 import load_cifar10
from jaxconv.data.dataset import Dataset
from jaxconv.data.folder import load_folder
from jaxconv.data.shapes10 import load_shapes10


class Wishes(NamedTuple):
    """What a run says of its data; a source takes what concerns it."""

    dir: str | None  # a folder that somebody named
    download: bool  # whether it may be fetched
    train_limit: int | None  # examples to use; None is all
    test_limit: int | None
    image_size: int  # height and width in pixels
    test_share: float  # of each class, where the data set is not split


class Source(NamedTuple):
    """A data set by name."""

    load: Callable[[Wishes], Dataset]
    class_names: tuple[str, ...] | None  # what the outputs mean; None: the data itself says so


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
    "folder": Source(
        lambda wishes: load_folder(
            data_dir=wishes.dir, image_size=wishes.image_size, test_share=wishes.test_share
        ),
        None,
    ),
}
