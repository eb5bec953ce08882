"""The teacher that a config names: a file of logits, and whether they fit the config's views."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxconv.cli.build.network import build_pipeline
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.types import Config
from jaxconv.data.dataset import Dataset, fingerprint
from jaxconv.data.teacher import Teacher, TeacherError, load_teacher
from jaxconv.runs.facts import settings
from jaxconv.text import printable

# Settings of JAX that decide what is drawn.
DRAWS = ("jax_default_prng_impl", "jax_threefry_partitionable", "jax_random_seed_offset")


def teacher_file(config: Config) -> Teacher | None:
    """The teacher that the config names, or None; of any data so far.

    Raises:
        ConfigError: there is no such file.
        TeacherError: it is damaged, or another kind of file.
    """
    path = config.distill.teacher
    if path is None:
        return None
    try:
        return load_teacher(Path(os.path.expanduser(path)))
    except FileNotFoundError as error:
        raise ConfigError(
            f"config.distill.teacher={path}: no such file; make it by jaxconv distill"
        ) from error


def with_teacher(config: Config, dataset: Dataset) -> Dataset:
    """The data set with what the config's teacher says of its training images, if it names one.

    Raises:
        ConfigError: the file is about other images, or other views of them.
        ConfigError, TeacherError: as `teacher_file`.
    """
    teacher = teacher_file(config)
    if teacher is None:
        return dataset
    now = view_facts(config, dataset)
    for name, value in now.items():
        before = teacher.facts.get(name)
        if before != value:
            raise ConfigError(
                f"config.distill.teacher={config.distill.teacher}: made for other views, as {name} "
                f"was {_shown(before)} and is {_shown(value)} now; make it again by jaxconv distill"
            )
    expected = (len(dataset.train.labels), len(dataset.class_names))
    if teacher.logits.shape[1:] != expected:
        raise TeacherError(
            f"{config.distill.teacher} has logits {list(teacher.logits.shape)}, expected "
            f"[views, {', '.join(map(str, expected))}]; make it again by jaxconv distill"
        )
    return replace(dataset, teacher=teacher)


def _shown(value: Any) -> str:
    return printable(json.dumps(value), longest=200)


def view_facts(config: Config, dataset: Dataset) -> dict[str, Any]:
    """What the views of the training images follow from, but for the seed; flat, for JSON."""
    told: dict[str, Any] = fingerprint(dataset)
    data = {f"data.{name}": told[name] for name in ("name", "class_names", "train")}
    data |= {
        f"data.{name}": told[name][0] for name in ("labels_crc32", "images_crc32") if name in told
    }
    views = {
        "data.image_size": config.data.image_size,
        "augment.engine": config.augment.engine,
        "augment.transforms": build_pipeline(config),
    }
    of_jax = {name: value for name, value in settings().items() if name in DRAWS}
    return json.loads(json.dumps(data | views | of_jax))
