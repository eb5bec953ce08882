"""What a data set is here: uint8 images and int32 labels in two splits, and where they came from.

Any object of this shape can be trained on; `cifar10.py`, `shapes10.py` and `folder.py` make them.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jaxconv.errors import JaxconvError

if TYPE_CHECKING:
    from jaxconv.data.teacher import Teacher

_WORDS = ("reason", "origin")  # of a description; the rest are facts


class DataUnavailable(JaxconvError):
    """A source is not at hand; the message names the places tried and the remedy."""


class NotInGivenFolder(DataUnavailable):
    """The folder that the user named does not have the data. Other sources are not tried."""

    exit_code = 2


class DataCorrupt(JaxconvError, ValueError):
    """A file is there, but is not what it should be; the message names it and the remedy."""


def is_unreadable(error: Exception) -> bool:
    """Whether a file is not damaged, but cannot be read: not allowed, a failing disk."""
    known = error.errno if isinstance(error, OSError) else None
    return known not in (None, errno.ENOENT, errno.ENOTDIR)


def cannot_be_read(path: Path, error: Exception) -> str:
    """What to say of such a file."""
    return f"{path} cannot be read ({os.strerror(getattr(error, 'errno', None) or 0)})"


class Split(NamedTuple):
    """`images`: uint8 [n, h, w, c], possibly a read-only memory map; `labels`: int32 [n]."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """Two splits with their class names, and two lines that a run prints at its start.

    `origin` says where the images came from; `reason` why this data set was chosen
    (`first_available` writes it). `exact` is False where two machines may differ
    by a grey level here and there. `teacher` is what another network says of the training images.
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    origin: str
    reason: str = ""
    exact: bool = True
    teacher: Teacher | None = None


def limit(dataset: Dataset, train_limit: int | None, test_limit: int | None) -> Dataset:
    """The same data set with only the first `train_limit` and `test_limit` examples.

    None keeps a split whole. CIFAR-10, shapes10 and folders of images all come in mixed order, so
    that their first examples are a fair sample of all.

    Raises:
        ValueError: a limit is not between 1 and the size of its split.
    """

    def first(split: Split, count: int | None, name: str) -> Split:
        if count is None:
            return split
        total = len(split.labels)
        if isinstance(count, bool) or not 1 <= count <= total:
            raise ValueError(
                f"data.{name}_limit is {count!r}, but {dataset.name} has {total} {name} images: "
                f"expected 1 to {total}, or None for all"
            )
        return Split(split.images[:count], split.labels[:count])

    train = first(dataset.train, train_limit, "train")
    teacher = dataset.teacher and dataset.teacher.first(len(train.labels))
    return replace(
        dataset, train=train, test=first(dataset.test, test_limit, "test"), teacher=teacher
    )


def first_available(loaders: Mapping[str, Callable[[], Dataset]]) -> Dataset:
    """The data set of the first loader, in order, that does not raise `DataUnavailable`.

    A source that is there but corrupt, or is not where the user says, is an error, never a reason
    to train on something else.

    Raises:
        DataUnavailable: no source is at hand. With one source, its own error.
        NotInGivenFolder: of a loader.
        DataCorrupt: whatever a loader found.
        ValueError: there is no loader at all.
    """
    if not loaders:
        raise ValueError("data.sources is empty: expected at least one")
    missing: list[DataUnavailable] = []
    for name, load in loaders.items():
        try:
            dataset = load()
        except NotInGivenFolder:
            raise
        except DataUnavailable as error:
            missing.append(error)
            continue
        if missing:
            reason = f"{name} because {' and '.join(map(str, missing))}"
        elif len(loaders) == 1:
            reason = f"{name} is the only source asked for"
        else:
            reason = f"first of {', '.join(loaders)}"
        return replace(dataset, reason=reason)
    if len(missing) == 1:
        raise missing[0]
    raise DataUnavailable(f"no data source is at hand: {'; '.join(map(str, missing))}")


@dataclass(frozen=True)
class Statistics:
    """Of one split with values scaled to [0, 1]; the last five have one float for each channel."""

    count: int
    shape: tuple[int, int, int]  # c, h, w: the order in which the documented table prints it
    min: tuple[float, ...]
    max: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    var: tuple[float, ...]


def statistics(split: Split) -> Statistics:
    """Population statistics of each channel, exact up to float64 rounding.

    Computed from 256-bin histograms: integers, so neither the order of summation nor the size of
    the split matters, and no float copy of the images is made.
    """
    n, h, w, c = split.images.shape
    if n == 0:
        raise ValueError("the split has no images: expected at least 1")
    histogram = np.zeros((c, 256), np.int64)
    for start in range(0, n, 2048):
        block = np.asarray(split.images[start : start + 2048])
        for channel in range(c):
            histogram[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    level = np.arange(256) / 255
    weight = histogram / (n * h * w)
    mean = weight @ level
    var = (weight * (level - mean[:, None]) ** 2).sum(axis=1)
    present = histogram > 0
    lowest = present.argmax(axis=1) / 255
    highest = (255 - present[:, ::-1].argmax(axis=1)) / 255
    columns = (lowest, highest, mean, np.sqrt(var), var)
    return Statistics(n, (c, h, w), *(tuple(column.tolist()) for column in columns))


def format_statistics(dataset: Dataset) -> str:
    """The documented `[Train]` / `[Test]` block, numbers with eight significant digits."""

    def numbers(values: tuple[float, ...]) -> str:
        return f"({', '.join(repr(float(f'{value:.8g}')) for value in values)})"

    lines = []
    for title, split in (("Train", dataset.train), ("Test", dataset.test)):
        table = statistics(split)
        lines += [
            f"[{title}]",
            f" - Total {title} Images: {table.count}",
            f" - Tensor Shape: {table.shape}",
        ]
        for name in ("min", "max", "mean", "std", "var"):
            lines.append(f" - {name}: {numbers(getattr(table, name))}")
    return "\n".join(lines)


def describe(dataset: Dataset) -> dict[str, object]:
    """What a data set is and how many examples it has, for the record of a run."""
    labels = (split.labels for split in (dataset.train, dataset.test))
    return {
        "name": dataset.name,
        "reason": dataset.reason,
        "origin": dataset.origin,
        "train": len(dataset.train.labels),
        "test": len(dataset.test.labels),
        "class_names": list(dataset.class_names),
        "labels_crc32": [zlib.crc32(np.ascontiguousarray(array).data) for array in labels],
        "teacher": None if dataset.teacher is None else dataset.teacher.digest,
    }


def fingerprint(dataset: Dataset) -> dict[str, object]:
    """What is the same on two machines if they train on the same data; reads all of it once."""
    facts = {name: value for name, value in describe(dataset).items() if name not in _WORDS}
    if dataset.exact:
        facts["images_crc32"] = [_crc32(split.images) for split in (dataset.train, dataset.test)]
    return facts


def _crc32(images: np.ndarray) -> int:
    crc32 = 0
    for start in range(0, len(images), 1024):
        crc32 = zlib.crc32(np.ascontiguousarray(images[start : start + 1024]).data, crc32)
    return crc32
