"""Reading CIFAR-10 from a prepared tfds directory (array_record) without TensorFlow.

tfds itself never sees the directory: it would import whatever module `features.json` names. Of its
descriptions only the lengths of the shards are read, of an example the three fields of CIFAR-10.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from jaxconv.data.dataset import (
    DataCorrupt,
    DataUnavailable,
    Split,
    cannot_be_read,
    is_unreadable,
)

FILE_NAMES = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"  # tfds's default
MOST_EXAMPLES = 1_000_000  # of a split; CIFAR-10 has 50,000
MOST_SHARDS = 10_000
MOST_BYTES = 64 << 20  # of a description
SIDE = 32


class _Shard(NamedTuple):
    path: Path
    length: int  # examples


def find_tfds_directory(data_dir: Path) -> Path | None:
    """`<data_dir>/cifar10/<version>` with the newest version that tfds finished, or None."""
    found = (data_dir / "cifar10").glob("*/dataset_info.json")
    # tfds prepares in a folder "incomplete.<random>_<version>"
    versions = {v: path.parent for path in found if (v := _version(path.parent.name))}
    return versions[max(versions)] if versions else None


def read_tfds_directory(directory: Path) -> tuple[Split, Split]:
    """Both splits, in the order of the original archive.

    tfds shuffles when it prepares, but numbers the examples ("train_00042") as the archive has
    them; sorting by that number makes every source give the same arrays.

    Raises:
        DataUnavailable: the files are not array_record, or that package is not installed.
        DataCorrupt: a file is missing, truncated or altered; the message names it.
    """
    info_path = directory / "dataset_info.json"
    try:
        if not info_path.is_file() or info_path.stat().st_size > MOST_BYTES:
            raise ValueError("it is no plain file, or too large")  # a pipe would be waited for
        info = json.loads(info_path.read_bytes())
        file_format = info.get("fileFormat", "tfrecord")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise _corrupt(info_path, error) from error
    if file_format != "array_record":
        raise DataUnavailable(
            f"{directory} holds {file_format} files, which only TensorFlow reads "
            "(prepare it with file_format='array_record')"
        )
    try:
        import array_record.python.array_record_module  # noqa: F401
        import tensorflow_datasets.proto  # noqa: F401
    except ImportError as error:
        raise DataUnavailable(f"{directory} needs {error.name}, which is not installed") from error
    try:
        parts = [list(_shards(directory, info, split)) for split in ("train", "test")]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise _corrupt(info_path, error) from error
    train, test = map(_read_split, parts)
    return train, test


def _shards(directory: Path, info: Mapping, split: str) -> Iterator[_Shard]:
    """The files of a split. Nothing in `info` but these numbers says where they are."""
    (entry,) = [entry for entry in info["splits"] if entry["name"] == split]
    if entry.get("filepathTemplate", FILE_NAMES) != FILE_NAMES:
        raise ValueError(f"its files are not named {FILE_NAMES}")
    lengths = [int(length) for length in entry["shardLengths"]]
    if min(lengths, default=0) < 0 or not 0 < sum(lengths) <= MOST_EXAMPLES:
        raise ValueError(f"{split} has shards of {str(lengths)[:40]} examples")
    if len(lengths) > MOST_SHARDS:
        raise ValueError(f"{split} has {len(lengths)} shards")
    for number, length in enumerate(lengths):
        name = f"cifar10-{split}.array_record-{number:05d}-of-{len(lengths):05d}"
        yield _Shard(directory / name, length)


def _read_split(shards: list[_Shard]) -> Split:
    """One split, shard after shard: threads were slower, most of the work holds Python's lock."""
    parts = [_read_shard(*shard) for shard in shards]
    ids, images, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(ids, kind="stable")
    return Split(images[order], labels[order])


def _read_shard(path: Path, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from array_record.python.array_record_module import ArrayRecordReader

    try:
        if not path.is_file():  # the reader would wait for a pipe
            raise ValueError("no such file")
        path.open("rb").close()  # the reader does not tell why it can't
        reader = ArrayRecordReader(str(path))
        if reader.num_records() != length:
            raise ValueError(f"{reader.num_records()} records, expected {length}")
        ids, images, labels = zip(*map(_read_example, reader.read_all()), strict=True)
    except Exception as error:  # readers and decoders raise whatever their C++ half says
        raise _corrupt(path, error) from error
    return np.array(ids, np.bytes_), np.stack(images), np.array(labels, np.int32)


def _read_example(record: bytes) -> tuple[bytes, np.ndarray, int]:
    """(id, image, label) of a tf.train.Example."""
    from tensorflow_datasets.proto import tf_example_pb2

    messages = cast(Any, tf_example_pb2)  # made when it is imported: no type tells what is in it
    fields = messages.Example.FromString(record).features.feature
    (name,) = fields["id"].bytes_list.value
    (png,) = fields["image"].bytes_list.value
    (label,) = fields["label"].int64_list.value
    if not 0 <= label <= 9:
        raise ValueError(f"{name.decode()} has the label {label}, expected 0 to 9")
    return name, _read_png(png), label


def _read_png(png: bytes) -> np.ndarray:
    """uint8 [32, 32, 3]; of PNG alone, whose size is known before anything is decoded."""
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        if image.size != (SIDE, SIDE) or image.mode != "RGB":
            raise ValueError(f"an image of {image.size} pixels, {image.mode}, expected 32 x 32 RGB")
        return np.asarray(image)


def _version(name: str) -> tuple[int, ...] | None:
    parts = name.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else None


def _corrupt(path: Path, error: Exception) -> DataCorrupt | DataUnavailable:
    if is_unreadable(error):
        return DataUnavailable(cannot_be_read(path, error))
    detail = " ".join(str(error).split())
    return DataCorrupt(
        f"{path} is truncated or corrupt ({detail}): copy the directory again, "
        "or delete it to use another source"
    )
