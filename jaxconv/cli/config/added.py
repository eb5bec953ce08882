"""Fields that came with a later version: what a config means that lacks one of them.

Such are the configs of older runs and cards, and config files that were written before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.fields import RULES, shown
from jaxconv.cli.config.types import Config

ADDED: Mapping[str, Any] = {
    "shard_state": False,
    "model.name": "s9",
    "model.width": 1.0,
    "model.rows": None,
    "dropout_epochs": None,
    "ema_decay": 0.0,
    "mix.mixup": 0.0,
    "mix.cutmix": 0.0,
    "mix.epochs": None,
    "distill.teacher": None,
    "distill.weight": 0.7,
    "distill.temperature": 5.0,
    "data.image_size": 32,
    "data.test_share": 0.2,
    "optimizer.schedule": "one_cycle",
    "optimizer.warmup_share": None,
    "optimizer.momentum": None,
    "optimizer.nesterov": False,
    "optimizer.decay_norm": True,
    "optimizer.muon_lr": None,
    "optimizer.muon_decay": 0.0,
}


def complete(config: Config) -> Config:
    """Gives `config` the fields of `ADDED` that it lacks, and returns it.

    Raises:
        ConfigError: what should be a group of fields is a field.
    """
    from ml_collections import ConfigDict, config_dict

    with config.unlocked():
        for name, value in ADDED.items():
            *groups, leaf = name.split(".")
            owner = config
            for group in groups:
                if group not in owner:
                    owner[group] = ConfigDict()
                owner = owner[group]
                if not isinstance(owner, ConfigDict):
                    raise ConfigError(f"config.{group}={shown(owner)}: expected a group of fields")
            if leaf not in owner:
                kind = RULES[name].placeholder
                owner[leaf] = config_dict.placeholder(kind) if value is None and kind else value
    return config
