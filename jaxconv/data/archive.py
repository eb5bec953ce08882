"""Reading the CIFAR-10 archives, binary and Python, packed or unpacked, and trusting none of them.

Nothing is ever extracted: members are read by name into memory, so no path inside an archive can
lead anywhere, and no more is read than CIFAR-10 can hold. The Python archive is made of pickles;
`python_batch.py` reads those.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast

import numpy as np

from jaxconv.data.dataset import (
    DataCorrupt,
    DataUnavailable,
    Split,
    cannot_be_read,
    is_unreadable,
)
from jaxconv.data.python_batch import parse_python_batch

CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
IMAGES_PER_BATCH = 10_000
LARGEST_MEMBER_BYTES = 64 << 20  # twice the largest honest one
LARGEST_ARCHIVE_BYTES = 256 << 20  # unpacked; the honest ones have 184 million
MOST_MEMBERS = 64
# tarfile goes as deep as headers of long names follow each other.
_DAMAGE = (OSError, EOFError, ValueError, RecursionError, tarfile.TarError, zlib.error)


class Layout(NamedTuple):
    """One of the two forms in which CIFAR-10 is published, as its home page lists them."""

    archive: str
    folder: str
    files: tuple[str, ...]  # five train batches, then the test batch
    bytes: int
    digest: str  # "algorithm:hexdigest" of the official archive
    parse: Callable[[bytes], tuple[np.ndarray, np.ndarray]]


def find_archive(data_dir: Path) -> Path | None:
    """The first of the four forms that is in `data_dir`: an archive or its unpacked folder.

    `data_dir` may be the unpacked folder itself, too.
    """
    for layout in LAYOUTS:
        if data_dir.name == layout.folder:
            return data_dir
        for name in (layout.archive, layout.folder):
            if (data_dir / name).exists():
                return data_dir / name
    return None


def read_archive(path: Path) -> tuple[Split, Split]:
    """(train, test) from an archive or an unpacked folder that `find_archive` knows.

    Raises:
        DataCorrupt: the archive is truncated or altered, lacks a batch, or has members that no
            honest archive has (links, absolute paths, `..`, absurd sizes); the message names it.
        DataUnavailable: it is there but cannot be read.
    """
    layout = next(layout for layout in LAYOUTS if path.name in (layout.archive, layout.folder))
    try:
        if path.is_dir():
            members = {name: _read_file(path / name) for name in layout.files}
        else:
            if not path.is_file():  # a pipe would be waited for
                raise ValueError("it is no plain file")
            _check_digest(path, layout)
            members = _read_members(path, layout)
        batches = [_checked(name, *layout.parse(members[name])) for name in layout.files]
    except FileNotFoundError as error:
        raise _corrupt(path, f"{Path(error.filename).name} is missing") from error
    except _DAMAGE as error:
        if is_unreadable(error):
            raise DataUnavailable(cannot_be_read(path, error)) from error
        raise _corrupt(path, str(error)) from error
    images, labels = zip(*batches, strict=True)
    train = Split(np.concatenate(images[:-1]), np.concatenate(labels[:-1]))
    return train, Split(images[-1], labels[-1])


def parse_binary_batch(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [n, 3072] and labels int32 [n] of rows of one label byte and 3,072 pixels."""
    row = 1 + 3 * 32 * 32
    if len(content) % row:
        raise ValueError(f"{len(content)} bytes, expected rows of {row}")
    rows = np.frombuffer(content, np.uint8).reshape(-1, row)
    return rows[:, 1:], rows[:, 0].astype(np.int32)


def _channels_last(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _checked(name: str, pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if pixels.shape[0] != IMAGES_PER_BATCH or labels.shape != (IMAGES_PER_BATCH,):
        raise ValueError(
            f"{name} has {pixels.shape[0]} images and {labels.size} labels, "
            f"expected {IMAGES_PER_BATCH} of each"
        )
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(f"{name} has a label outside 0 to 9")
    return _channels_last(pixels), labels


def _read_file(path: Path) -> bytes:
    size = path.stat().st_size
    if size > LARGEST_MEMBER_BYTES or not path.is_file():
        raise ValueError(f"{path.name} is no plain file, or larger than CIFAR-10 can be")
    return path.read_bytes()


class _Bounded:
    """A stream that may be asked for `limit` bytes in all: a small file may unpack to a huge one.

    tarfile reads some headers whole before it shows their member, and to skip a member it reads on
    behind the end for as long as the header says.
    """

    def __init__(self, stream: gzip.GzipFile, limit: int):
        self._stream, self._left = stream, limit

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise ValueError("it is larger inside than CIFAR-10 can be")
        return self._stream.read(size)


def _read_members(path: Path, layout: Layout) -> dict[str, bytes]:
    wanted = {f"{layout.folder}/{name}": name for name in layout.files}
    members = {}
    # tarfile's own "r|gz" never looks at the checksum of the gzip stream; gzip does, at its end.
    with gzip.open(path) as unpacked:
        stream = _Bounded(unpacked, LARGEST_ARCHIVE_BYTES)
        # In this mode tarfile only reads, though its types ask for a whole file.
        with tarfile.open(fileobj=cast(Any, stream), mode="r|") as tar:
            for count, member in enumerate(tar):
                _check_member(member, count)
                file = tar.extractfile(member)  # None for a folder
                if file and (name := wanted.get(member.name)):
                    members[name] = file.read()
        while stream.read(1 << 20):
            pass
    if missing := [name for name in layout.files if name not in members]:
        raise ValueError(f"it has no {', '.join(missing)}")
    return members


def _check_member(member: tarfile.TarInfo, count: int) -> None:
    """An archive with one member that could do harm is not the one we know: refuse all of it."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"it has a member that points outside: {member.name!r}")
    if member.issparse() or not (member.isfile() or member.isdir()):
        raise ValueError(f"it has a member that is no plain file: {member.name!r}")
    if member.size > LARGEST_MEMBER_BYTES or count >= MOST_MEMBERS:
        raise ValueError(f"it is larger inside than CIFAR-10 can be, at {member.name!r}")


def _check_digest(path: Path, layout: Layout) -> None:
    """A file of exactly the official size must be the official file; others are judged inside."""
    if path.stat().st_size != layout.bytes:
        return
    algorithm, expected = layout.digest.split(":")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, algorithm).hexdigest()
    if digest != expected:
        raise ValueError(f"{algorithm} {digest}, expected {expected}")


def _corrupt(path: Path, detail: str) -> DataCorrupt:
    detail = " ".join(detail.split())
    return DataCorrupt(
        f"{path} is truncated or corrupt ({detail}): get it again, "
        "or remove it to use another source"
    )


LAYOUTS = (
    Layout(
        archive="cifar-10-binary.tar.gz",
        folder="cifar-10-batches-bin",
        files=(*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"),
        bytes=170_052_171,
        digest="sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        parse=parse_binary_batch,
    ),
    Layout(
        archive="cifar-10-python.tar.gz",
        folder="cifar-10-batches-py",
        files=(*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"),
        bytes=170_498_071,
        digest="md5:c58f30108f718f92721af3b95e74349a",
        parse=parse_python_batch,
    ),
)
