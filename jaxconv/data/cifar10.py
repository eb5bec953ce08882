"""CIFAR-10, from the nearest place that has it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from jaxconv.data.archive import CLASS_NAMES, find_archive, read_archive
from jaxconv.data.cache import default_cache_dir, load_cache, save_cache
from jaxconv.data.dataset import DataCorrupt, Dataset, DataUnavailable, Split
from jaxconv.data.tfds_directory import find_tfds_directory, read_tfds_directory

REMEDY = (
    "put cifar-10-binary.tar.gz into a folder and name the folder with data.dir, "
    "set TFDS_DATA_DIR, or allow data.download"
)

log = logging.getLogger(__name__)


def load_cifar10(
    *, data_dir: str | None, download: bool, cache_dir: str | Path | None = None
) -> Dataset:
    """CIFAR-10 from the first of: decoded cache, archive, tfds directory, download.

    Whatever the source, the order of the examples is that of the published archive, provided that
    the tfds directory was prepared from it.

    Args:
        data_dir: a folder with an archive (`cifar-10-binary.tar.gz`, `cifar-10-python.tar.gz`), an
            unpacked archive, or a tfds directory; a download goes there too. None for no such
            folder: then tfds directories are looked for in `$TFDS_DATA_DIR` and in tfds's default
            place, and a download goes to the first of them.
        download: whether a download may be tried when no place has the data.
        cache_dir: where the decoded arrays are kept; None for the user's cache folder.

    Returns:
        50,000 train and 10,000 test images, uint8 [n, 32, 32, 3]: read-only memory maps when they
        come from the cache.

    Raises:
        DataUnavailable: no place has it; the message names those tried and the remedy.
        DataCorrupt: the first place that has it is damaged; the message names the file.
    """
    if data_dir is not None and not Path(data_dir).expanduser().is_dir():
        raise DataUnavailable(
            f"cifar10 is not at hand: data.dir {data_dir!r} is not an existing folder: {REMEDY}"
        )
    given_dir = None if data_dir is None else Path(data_dir).expanduser().resolve()
    cache = Path(cache_dir or default_cache_dir("cifar10")).expanduser().resolve()
    damage = None
    try:
        if cached := load_cache(cache):
            train, test, origin = cached
            origin = f"decoded cache {cache}, made from {origin}"
            return Dataset("cifar10", train, test, CLASS_NAMES, origin)
    except DataCorrupt as error:
        damage = error
    try:
        train, test, origin = _read_source(given_dir, download=download)
    except DataUnavailable as error:
        if damage is None:
            raise
        raise DataCorrupt(f"{damage}, and it cannot be made anew: {error}") from error
    if damage is not None:
        log.warning("%s; made anew from %s", damage, origin)
    return _cached(cache, train, test, origin)


def _read_source(given_dir: Path | None, *, download: bool) -> tuple[Split, Split, str]:
    """(train, test, origin) from an archive, a tfds directory or a download, in this order."""
    tried = []
    if given_dir is None:
        tried.append("no archive, as data.dir is not given")
    elif archive := find_archive(given_dir):
        return *read_archive(archive), f"archive {archive}"
    else:
        tried.append(f"no archive in {given_dir}")
    tfds_dirs = _tfds_dirs(given_dir)
    for tfds_dir in tfds_dirs:
        directory = find_tfds_directory(tfds_dir)
        if directory is None:
            tried.append(f"no tfds directory {tfds_dir / 'cifar10'}")
            continue
        try:
            return *read_tfds_directory(directory), f"tfds directory {directory}"
        except DataUnavailable as error:
            tried.append(str(error))
    if not download:
        tried.append("data.download is false")
    elif find_tfds_directory(tfds_dirs[0]):
        tried.append(f"no download, as it would replace {tfds_dirs[0] / 'cifar10'}")
    else:
        try:
            return _download(tfds_dirs[0])
        except DataUnavailable as error:
            tried.append(f"no download, as {error}")
    raise DataUnavailable(f"cifar10 is not at hand ({'; '.join(tried)}): {REMEDY}")


def _download(tfds_dir: Path) -> tuple[Split, Split, str]:
    from jaxconv.data.tfds_builder import ARCHIVE, prepare_cifar10

    try:
        directory = prepare_cifar10(tfds_dir)
    except OSError as error:
        raise DataUnavailable(f"{tfds_dir} cannot be written ({error})") from error
    return *read_tfds_directory(directory), f"download from {ARCHIVE.url} into {directory}"


def _tfds_dirs(given_dir: Path | None) -> list[Path]:
    """Where tfds directories are looked for; a download goes to the first."""
    default = Path.home() / "tensorflow_datasets"
    from_env = os.environ.get("TFDS_DATA_DIR")
    places = [given_dir, Path(from_env).expanduser().resolve() if from_env else None, default]
    return list(dict.fromkeys(place for place in places if place is not None))


def _cached(cache: Path, train: Split, test: Split, origin: str) -> Dataset:
    """The data set, kept for the next run if that is possible."""
    try:
        save_cache(cache, train, test, origin=origin)
    except OSError as error:
        log.warning("the decoded cache %s cannot be written (%s); going on without", cache, error)
    return Dataset("cifar10", train, test, CLASS_NAMES, origin)
