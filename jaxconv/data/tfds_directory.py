"""Reading CIFAR-10 from a prepared tfds directory (array_record) without TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from jaxconv.data.dataset import DataCorrupt, DataUnavailable, Split


def find_tfds_directory(data_dir: Path) -> Path | None:
    """`<data_dir>/cifar10/<version>` with the newest version that tfds finished, or None."""
    found = (data_dir / "cifar10").glob("*/dataset_info.json")
    versions = {_version(path.parent.name): path.parent for path in found}
    versions.pop(None, None)  # tfds prepares in a folder "incomplete.<random>_<version>"
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
        file_format = json.loads(info_path.read_bytes()).get("fileFormat", "tfrecord")
    except (OSError, ValueError, AttributeError) as error:
        raise _corrupt(info_path, error) from error
    if file_format != "array_record":
        raise DataUnavailable(
            f"{directory} holds {file_format} files, which only TensorFlow reads "
            "(prepare it with file_format='array_record')"
        )
    try:
        import array_record.python.array_record_module  # noqa: F401
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataUnavailable(f"{directory} needs {error.name}, which is not installed") from error
    try:
        builder = tfds.builder_from_directory(directory)
        splits = [builder.info.splits[name] for name in ("train", "test")]
        parts = [[*zip(split.filepaths, split.shard_lengths, strict=True)] for split in splits]
    except Exception as error:  # tfds lets through what its parsers raise
        raise _corrupt(info_path, error) from error
    train, test = (_read_split(builder.info.features, shards) for shards in parts)
    return train, test


def _read_split(features, shards) -> Split:
    """One split, shard after shard: threads were slower, most of the work holds Python's lock."""
    parts = [_read_shard(features, Path(path), length) for path, length in shards]
    ids, images, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(ids, kind="stable")
    return Split(images[order], labels[order])


def _read_shard(features, path: Path, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from array_record.python.array_record_module import ArrayRecordReader

    try:
        records = ArrayRecordReader(str(path)).read_all()
        if len(records) != length:
            raise ValueError(f"{len(records)} records, expected {length}")
        examples = [features.deserialize_example_np(record) for record in records]
        return (
            np.array([example["id"] for example in examples], dtype=np.bytes_),
            np.stack([example["image"] for example in examples]),
            np.array([example["label"] for example in examples], dtype=np.int32),
        )
    except Exception as error:  # readers and decoders raise whatever their C++ half says
        raise _corrupt(path, error) from error


def _version(name: str) -> tuple[int, ...] | None:
    parts = name.split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else None


def _corrupt(path: Path, error: Exception) -> DataCorrupt:
    detail = " ".join(str(error).split())
    return DataCorrupt(
        f"{path} is truncated or corrupt ({detail}): copy the directory again, "
        "or delete it to use another source"
    )
