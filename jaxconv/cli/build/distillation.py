"""A teacher's logits, made of trained networks for the views of a student's config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxconv.cli.build.engine import build_engine
from jaxconv.cli.build.network import Network
from jaxconv.cli.build.teacher import view_facts
from jaxconv.cli.config.types import Config
from jaxconv.data.dataset import Dataset
from jaxconv.data.teacher import Teacher
from jaxconv.training.parallel import OneDevice


def make_teacher(
    config: Config,
    dataset: Dataset,
    student: Network,
    teachers: Sequence[tuple[Network, Any]],
    *,
    views: int,
) -> Teacher:
    """The mean of the logits of networks, for so many views of each training image.

    Args:
        config: the student's, with its data, its augmentation and its seed.
        student: the config's network.
        teachers: networks with their trained states; they normalise images as the student does.

    Raises:
        ValueError: the logits are not finite, or too large for float16.
    """
    engine = build_engine(config, dataset, student, OneDevice())
    states = jax.device_put([state.variables for _, state in teachers])

    @jax.jit
    def mean_logits(states, images):
        found = [
            network.logits(state, images)
            for (network, _), state in zip(teachers, states, strict=True)
        ]
        return sum(found[1:], found[0]) / len(found)

    count, size = len(dataset.train.labels), min(len(dataset.train.labels), config.batch_size)
    logits = np.empty((views, count, len(dataset.class_names)), np.float16)
    for view in tqdm(range(views), desc="views", leave=False, disable=None):
        for start in range(0, count, size):
            picked = np.arange(start, start + size) % count  # the last ones filled up by the first
            found = np.asarray(mean_logits(states, engine.view(view, picked)))
            with np.errstate(over="ignore"):  # told by Teacher
                logits[view, start : start + size] = found[: count - start]
    return Teacher(logits, config.seed, view_facts(config, dataset))
