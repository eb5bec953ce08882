"""CIFAR-10, from the nearest place that has it."""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec
from pathlib import Path

from jaxconv.data.archive import CLASS_NAMES, find_archive, read_archive
from jaxconv.data.cache import default_cache_dir, home_dir, keep_cache, load_cache
from jaxconv.data.dataset import (
    DataCorrupt,
    Dataset,
    DataUnavailable,
    NotInGivenFolder,
    Split,
)
from jaxconv.data.tfds_directory import find_tfds_directory, read_tfds_directory

REMEDY = (
    "put cifar-10-binary.tar.gz into a folder and name the folder with data.dir, "
    "set TFDS_DATA_DIR, or allow data.download"
)

log = logging.getLogger(__name__)


def load_cifar10(
    *, data_dir: str | None, download: bool, cache_dir: str | Path | None = None
) -> Dataset:
    """CIFAR-10 from an archive, a tfds directory or a download; decoded once, then from the cache.

    Where there is a cache the images are read from it. A `data_dir` must hold the data even then,
    or a mistyped one would pass unnoticed: one that does not is downloaded to, or is an error.

    Whatever the source, the order of the examples is that of the published archive, provided that
    the tfds directory was prepared from it.

    Args:
        data_dir: a folder with an archive (`cifar-10-binary.tar.gz`, `cifar-10-python.tar.gz`), an
            unpacked archive, or a tfds directory; a download goes there too, and no other folder
            is searched. None searches tfds directories, in
            `$TFDS_DATA_DIR` and in tfds's default place; a download goes to the first of them.
        download: whether a download may be tried when no place has the data.
        cache_dir: where the decoded arrays are kept; None for the user's cache folder.

    Returns:
        50,000 train and 10,000 test images, uint8 [n, 32, 32, 3]: read-only memory maps when they
        come from the cache.

    Raises:
        DataUnavailable: no place has it; the message names those tried and the remedy. Where
            `data_dir` was given, `NotInGivenFolder`.
        DataCorrupt: the first place that has it is damaged; the message names the file.
    """
    given_dir = None if data_dir is None else _given(data_dir)
    cache = Path(cache_dir).expanduser().resolve() if cache_dir else default_cache_dir("cifar10")
    holds = given_dir is None or bool(find_archive(given_dir) or _find(given_dir, []))
    trouble = None
    try:
        if cache and (holds or not download) and (cached := load_cache(cache)):
            train, test, origin = cached
            if not holds:
                raise NotInGivenFolder(
                    f"no cifar10 in data.dir {given_dir}; leave it out to take the decoded cache "
                    f"{cache}, or {REMEDY}"
                )
            origin = f"decoded cache {cache}, made from {origin}"
            return Dataset("cifar10", train, test, CLASS_NAMES, origin)
    except NotInGivenFolder:
        raise
    except (DataCorrupt, DataUnavailable) as error:
        trouble = error
    try:
        train, test, origin = _read_source(given_dir, download=download)
    except DataUnavailable as error:
        if trouble is None:
            raise
        kind = DataCorrupt if isinstance(trouble, DataCorrupt) else type(error)
        raise kind(f"{trouble}, and it cannot be made anew: {error}") from error
    if trouble is not None:
        log.warning("%s; made anew from %s", trouble, origin)
    if cache:
        keep_cache(cache, train, test, origin=origin)
    return Dataset("cifar10", train, test, CLASS_NAMES, origin)


def _given(data_dir: str) -> Path:
    """The folder that `data.dir` names."""
    folder = os.path.realpath(os.path.expanduser(data_dir)) if "\0" not in data_dir else ""
    wrong = "is not an existing folder"
    if os.path.isdir(folder):
        try:
            os.listdir(folder)
            os.stat(os.path.join(folder, "."))
            return Path(folder)
        except OSError as error:
            wrong = f"cannot be read ({error.strerror})"
    raise NotInGivenFolder(f"cifar10 is not at hand: data.dir {data_dir!r} {wrong}: {REMEDY}")


def _read_source(given_dir: Path | None, *, download: bool) -> tuple[Split, Split, str]:
    """(train, test, origin) from an archive, a tfds directory or a download, in this order."""
    tried = []
    if given_dir is None:
        tried.append("no archive, as data.dir is not given")
    elif archive := find_archive(given_dir):
        try:
            return *read_archive(archive), f"archive {archive}"
        except DataUnavailable as error:
            tried.append(str(error))
    else:
        tried.append(f"no archive in {given_dir}")
    tfds_dirs = _usual_tfds_dirs() if given_dir is None else [given_dir]
    prepared = {tfds_dir: _find(tfds_dir, tried) for tfds_dir in tfds_dirs}
    for directory in filter(None, prepared.values()):
        try:
            return *read_tfds_directory(directory), f"tfds directory {directory}"
        except DataUnavailable as error:
            tried.append(str(error))
    if not download:
        tried.append("data.download is false")
    elif not tfds_dirs:
        tried.append("no download, as there is no home for it")
    elif prepared[tfds_dirs[0]]:
        tried.append(f"no download, as it would replace {tfds_dirs[0] / 'cifar10'}")
    else:
        try:
            return _download(tfds_dirs[0])
        except DataUnavailable as error:
            tried.append(f"no download, as {error}")
    kind = DataUnavailable if given_dir is None else NotInGivenFolder
    raise kind(f"cifar10 is not at hand ({'; '.join(tried)}): {REMEDY}")


def _find(tfds_dir: Path, tried: list[str]) -> Path | None:
    """As `find_tfds_directory`; notes a place in vain in `tried`."""
    try:
        directory = find_tfds_directory(tfds_dir)
    except OSError as error:  # not ours to read
        tried.append(f"no tfds directory {tfds_dir / 'cifar10'} ({error.strerror})")
        return None
    if directory is None:
        tried.append(f"no tfds directory {tfds_dir / 'cifar10'}")
    return directory


def _download(tfds_dir: Path) -> tuple[Split, Split, str]:
    from jaxconv.data.tfds_builder import ARCHIVE, fetch_archive, prepare_cifar10

    try:
        if find_spec("array_record") is None:  # which writes a tfds directory, on Linux alone
            archive = fetch_archive(tfds_dir)
            return *read_archive(archive), f"download from {ARCHIVE.url}, which is now {archive}"
        directory = prepare_cifar10(tfds_dir)
    except OSError as error:
        raise DataUnavailable(f"{tfds_dir} cannot be written ({error})") from error
    return *read_tfds_directory(directory), f"download from {ARCHIVE.url} into {directory}"


def _usual_tfds_dirs() -> list[Path]:
    """Where tfds directories are where no folder is given; a download goes to the first."""
    from_env, home = os.environ.get("TFDS_DATA_DIR"), home_dir()
    places = [Path(os.path.realpath(os.path.expanduser(from_env)))] if from_env else []
    return list(dict.fromkeys([*places, *([home / "tensorflow_datasets"] if home else [])]))
