"""The decoded cache: four .npy files that open as memory maps, and a json that vouches for them.

Decoding 60,000 PNGs takes seconds, opening this takes a fraction of one. Every file is written
under a temporary name and renamed, the json last, so that a killed run leaves a whole cache or
none; the checksums tell what happened to the files since.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from pathlib import Path

import numpy as np

from jaxconv.data.dataset import DataCorrupt, DataUnavailable, Split, cannot_be_read, is_unreadable
from jaxconv.files import replacing, write_whole
from jaxconv.text import one_line

FORMAT = 1
MANIFEST = "manifest.json"
FILES = ("train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy")

log = logging.getLogger(__name__)


def home_dir() -> Path | None:
    """The user's home; None for a user without one, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def default_cache_dir(name: str) -> Path | None:
    """`$XDG_CACHE_HOME/jaxconv/<name>`, else `~/.cache/jaxconv/<name>`; None without a home."""
    if root := os.environ.get("XDG_CACHE_HOME"):
        return Path(os.path.realpath(root)) / "jaxconv" / name
    home = home_dir()
    return home and home.resolve() / ".cache" / "jaxconv" / name


def save_cache(directory: Path, train: Split, test: Split, *, origin: str) -> None:
    """Writes both splits, and the one line that says where they came from, into `directory`.

    Raises:
        OSError: the directory cannot be made or written (read-only, full).
    """
    files = {}
    for file_name, array in zip(FILES, (*train, *test), strict=True):
        with replacing(directory / file_name) as file:
            np.save(file, array, allow_pickle=False)
        size, crc32 = _size_and_crc32(directory / file_name)
        files[file_name] = {"bytes": size, "crc32": crc32}
    manifest = {"format": FORMAT, "origin": origin, "files": files}
    write_whole(directory / MANIFEST, json.dumps(manifest, indent=2))


def keep_cache(directory: Path, train: Split, test: Split, *, origin: str) -> None:
    """`save_cache` where that is possible; else a warning, as the next start decodes again."""
    try:
        save_cache(directory, train, test, origin=origin)
    except OSError as error:
        log.warning(
            "the decoded cache %s cannot be written (%s); going on without", directory, error
        )


def load_cache(directory: Path) -> tuple[Split, Split, str] | None:
    """(train, test, origin) from a cache, or None where there is none.

    The images are read-only memory maps. Costs one pass over the files for their checksums.

    Raises:
        DataCorrupt: a file is missing, truncated or altered; the message names it.
        DataUnavailable: a file is there but cannot be read.
    """
    path = directory / MANIFEST
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ValueError("it is no plain file")
        manifest = json.loads(path.read_bytes())
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}, expected {FORMAT}")
        origin = str(manifest["origin"])
        arrays = []
        for file_name in FILES:
            path = directory / file_name
            expected = manifest["files"][file_name]
            arrays.append(_open_verified(path, expected["bytes"], expected["crc32"]))
        train, test = (_split(*pair) for pair in (arrays[:2], arrays[2:]))
    except Exception as error:  # json and np.load let through what their parsers raise
        if path.name == MANIFEST and isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return None
        if is_unreadable(error):
            raise DataUnavailable(f"the decoded cache {cannot_be_read(path, error)}") from error
        raise DataCorrupt(f"the decoded cache is damaged: {path}: {_in_words(error)}") from error
    return train, test, origin


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"images are {images.dtype} {images.shape}, expected uint8 [n, h, w, c]")
    if labels.dtype != np.int32 or labels.shape != images.shape[:1]:
        raise ValueError(f"labels are {labels.dtype} {labels.shape} of {len(images)} images")
    return Split(images, np.array(labels))


def _open_verified(path: Path, expected_bytes: int, expected_crc32: int) -> np.ndarray:
    size = path.stat().st_size
    if size != expected_bytes:
        raise ValueError(f"{size} bytes, expected {expected_bytes}")
    if _size_and_crc32(path)[1] != expected_crc32:
        raise ValueError("its content does not match its checksum")
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _size_and_crc32(path: Path) -> tuple[int, int]:
    """Reads in blocks: pages of a memory map cost more to visit once than a copy does."""
    size, crc32 = 0, 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            size, crc32 = size + len(block), zlib.crc32(block, crc32)
    return size, crc32


def _in_words(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    if isinstance(error, KeyError):
        return f"no entry {error}"
    return one_line(error)
