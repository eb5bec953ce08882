"""Your own images: one folder for each class, in `train/` and `test/`, or split here."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxconv.data.cache import default_cache_dir, keep_cache, load_cache
from jaxconv.data.dataset import (
    DataCorrupt,
    Dataset,
    DataUnavailable,
    NotInGivenFolder,
    Split,
    cannot_be_read,
)
from jaxconv.data.image_files import ImageError, load_image
from jaxconv.files import require_inside
from jaxconv.text import printable

LEAST_SIDE = 8  # pixels; of less, resizing makes up the rest
NO_IMAGES = {"thumbs.db", "desktop.ini"}  # what file managers leave, beside hidden files
LAYOUT = "expected DIR/train/CLASS/*.png and DIR/test/CLASS/*.png, or DIR/CLASS/*.png"


class Files(NamedTuple):
    """The image files of one split, each with the number of its class."""

    paths: tuple[Path, ...]
    labels: tuple[int, ...]


def load_folder(
    *,
    data_dir: str | None,
    image_size: int = 32,
    test_share: float = 0.2,
    cache_dir: str | Path | None = None,
) -> Dataset:
    """A data set of image files; a class is a folder, and its name the folder's.

    Each image is cut to its largest centred square and resized (`image_files`). Both splits come in
    a mixed order that only the names of the files decide.

    Args:
        data_dir: holds `train/CLASS/*` and `test/CLASS/*`; or `CLASS/*`, and then a share of each
            class is kept for testing.
        image_size: height and width of the images, in pixels.
        test_share: above 0 and below 1, where the folder is not split: the chance of each image to
            be a test image, by a hash of its name, so that images that are added move no others. Of
            each class at least one is, and never all.
        cache_dir: where the decoded arrays are kept; None for the user's cache folder.

    Returns:
        uint8 images [n, image_size, image_size, 3], classes in alphabetical order.

    Raises:
        NotInGivenFolder: there is no such folder, or it has no classes.
        DataCorrupt: a class is empty or stands in one split only, there are fewer than two, or a
            file is no image, is too small, or is a link that leads out of the folder.
    """
    root = _given(data_dir)
    class_names, splits = _splits(root, test_share)
    parent = Path(cache_dir).expanduser().resolve() if cache_dir else default_cache_dir("folder")
    cache = parent and parent / _digest(root, splits, image_size)
    if cache and (cached := _load(cache)):
        train, test, _ = cached
    else:
        train, test = (_read(split, image_size) for split in splits)
        if cache:
            keep_cache(cache, train, test, origin=str(root))
    return Dataset("folder", train, test, class_names, f"image files in {root}")


def _given(data_dir: str | None) -> Path:
    if not data_dir:
        raise NotInGivenFolder(f"folder needs data.dir, the folder of your images: {LAYOUT}")
    root = Path(os.path.realpath(os.path.expanduser(data_dir))) if "\0" not in data_dir else None
    if root is None or not root.is_dir():
        raise NotInGivenFolder(f"data.dir {data_dir!r} is not an existing folder: {LAYOUT}")
    return root


def _splits(root: Path, test_share: float) -> tuple[tuple[str, ...], tuple[Files, Files]]:
    """The names of the classes, and the files of both splits."""
    parts = [folder.name for folder in _folders(root)]
    if "train" in parts or "test" in parts:
        if not {"train", "test"} <= set(parts):
            raise DataCorrupt(f"{root} has one of train and test only: {LAYOUT}")
        train, test = (_classes(root / name, root) for name in ("train", "test"))
        if train.keys() != test.keys():
            alone = sorted(train.keys() ^ test.keys())
            raise DataCorrupt(
                f"{root}: train and test have different classes: only one has {', '.join(alone)}; "
                "give both the same folders"
            )
        return tuple(train), (_mixed(train), _mixed(test))
    if not 0 < test_share < 1:
        raise DataCorrupt(f"data.test_share is {test_share}: expected above 0 and below 1")
    whole = _classes(root, root)
    train, test = {}, {}
    for name, paths in whole.items():
        if len(paths) < 2:
            raise DataCorrupt(f"{root / name} has one image: expected two, to train and to test")
        order = _in_mixed_order(paths)
        count = sum(_place(path) < test_share for path in order)
        count = min(max(count, 1), len(paths) - 1)
        test[name], train[name] = order[:count], order[count:]
    return tuple(whole), (_mixed(train), _mixed(test))


def _folders(parent: Path) -> list[Path]:
    return sorted(entry for entry in _entries(parent) if entry.is_dir())


def _entries(parent: Path) -> Iterable[Path]:
    """What lies in a folder, without what is hidden or a file manager's own."""
    try:
        entries = list(parent.iterdir())
    except OSError as error:
        raise NotInGivenFolder(cannot_be_read(parent, error)) from error
    names = ((entry, entry.name.lower()) for entry in entries)
    return [entry for entry, name in names if not name.startswith(".") and name not in NO_IMAGES]


def _classes(parent: Path, root: Path) -> dict[str, list[Path]]:
    """The image files of each class, by name."""
    classes = {}
    for folder in _folders(parent):
        paths = sorted(_entries(folder))
        for path in (folder, *paths):
            try:
                require_inside(path, root)
            except OSError as error:
                raise DataCorrupt(f"{path}: {error.strerror}; copy what it leads to") from error
        if not paths:
            raise DataCorrupt(f"class {folder.name!r} is empty: put images into {folder}")
        if printable(folder.name) != folder.name:
            raise DataCorrupt(
                f"class {printable(folder)}: this name is not UTF-8, or has control characters; "
                "rename the folder"
            )
        if inner := next((path for path in paths if path.is_dir()), None):
            raise DataCorrupt(f"{inner} is a folder inside a class: {LAYOUT}")
        classes[folder.name] = paths
    if not classes:
        raise NotInGivenFolder(f"{parent} has no folders of images: {LAYOUT}")
    if len(classes) == 1:
        raise DataCorrupt(f"{parent} has one class, {next(iter(classes))!r}: expected two or more")
    return classes


def _mixed(classes: dict[str, list[Path]]) -> Files:
    """The files of all classes in one mixed order."""
    label = {path: number for number, paths in enumerate(classes.values()) for path in paths}
    order = _in_mixed_order(label)
    return Files(tuple(order), tuple(label[path] for path in order))


def _in_mixed_order(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=_place)


def _place(path: Path) -> float:
    """Within [0, 1), by a hash of class and name: the same on every machine, in any folder."""
    name = os.fsencode(f"{path.parent.name}/{path.name}")
    return int.from_bytes(hashlib.sha256(name).digest()[:6]) / 2**48


def _digest(root: Path, splits: tuple[Files, Files], image_size: int) -> str:
    """Names what was decoded: another file, another date or size of one, is another cache."""
    facts: list[object] = [str(root), image_size]
    for split in splits:
        for path, label in zip(*split, strict=True):
            stat = path.stat()
            facts.append([os.fsencode(path).hex(), label, stat.st_size, stat.st_mtime_ns])
    return hashlib.sha256(json.dumps(facts).encode(errors="surrogateescape")).hexdigest()[:24]


def _read(split: Files, image_size: int) -> Split:
    read = partial(load_image, size=image_size, least_side=LEAST_SIDE)
    try:
        with ThreadPoolExecutor() as pool:
            images = np.stack(list(pool.map(read, split.paths)))
    except ImageError as error:
        raise DataCorrupt(f"{error}; take it out of the class") from error
    return Split(images, np.array(split.labels, np.int32))


def _load(cache: Path):
    """What is kept, if it is whole; what is damaged is decoded again and replaced."""
    try:
        return load_cache(cache)
    except (DataCorrupt, DataUnavailable):
        return None
