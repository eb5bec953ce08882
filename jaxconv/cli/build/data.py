"""The data set that a config names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.types import Config
from jaxconv.data.dataset import Dataset, first_available, limit, statistics
from jaxconv.data.sources import SOURCES, Wishes


def build_dataset(config: Config) -> Dataset:
    """The first source at hand, cut to the config's limits."""
    data = config.data
    size = data.image_size
    wishes = Wishes(
        data.dir,
        data.download,
        data.train_limit,
        data.test_limit,
        image_size=size,
        test_share=data.test_share,
    )
    dataset = first_available({name: partial(SOURCES[name].load, wishes) for name in data.sources})
    if dataset.train.images.shape[1:3] != (size, size):
        height, width = dataset.train.images.shape[1:3]
        raise ConfigError(
            f"config.data.image_size={size}: images of {dataset.name} are {height}x{width}; "
            f"set --config.data.image_size={height}"
        )
    try:
        return limit(dataset, data.train_limit, data.test_limit)
    except ValueError as error:
        raise ConfigError(error) from error


def with_statistics(config: Config, dataset: Dataset) -> Config:
    """The config with numbers where its Normalize says "auto": those of the training images.

    What a run keeps has the numbers, so that its network can be used without the data.
    """
    if not any(_is_auto(transform) for transform in config.augment.transforms):
        return config
    measured = statistics(dataset.train)
    filled = {
        name: tuple(float(f"{max(number, least):.8g}") for number in getattr(measured, name))
        for name, least in (("mean", 0), ("std", 1 / 255))  # a channel may be the same everywhere
    }
    return _filled(config, filled)


def with_any_statistics(config: Config) -> Config:
    """The config with some numbers for "auto": to look at the rest of it before data is there."""
    return _filled(config, {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)})


def _is_auto(transform: object) -> bool:
    match transform:
        case ("Normalize", Mapping() as arguments):
            return "auto" in (arguments.get("mean"), arguments.get("std"))
    return False


def _filled(config: Config, numbers: Mapping[str, tuple[float, ...]]) -> Config:
    transforms = []
    for transform in config.augment.transforms:
        if _is_auto(transform):
            name, arguments = transform
            given = {key: value for key, value in arguments.items() if value != "auto"}
            transform = (name, {**numbers, **given})
        transforms.append(transform)
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.augment.transforms = tuple(transforms)
    return config.lock()


def first_batches(dataset: Dataset, *, train: int, test: int, batch_size: int) -> Dataset:
    """The same data set with so many batches of each split, or all where it has fewer."""
    counts = (len(dataset.train.labels), len(dataset.test.labels))
    limits = (min(n * batch_size, all) for n, all in zip((train, test), counts, strict=True))
    return limit(dataset, *limits)
