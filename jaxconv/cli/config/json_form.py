"""A config as JSON holds it, in the `config.json` of a run and in the card of weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jaxconv.augment.transform import as_tuples
from jaxconv.cli.config.added import complete
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.fields import RULES, field_paths, owner_of, validate
from jaxconv.cli.config.types import Config


def to_json_dict(config: Config) -> dict[str, Any]:
    """The config as JSON holds it: tuples as lists, keys sorted at every level."""
    return json.loads(json.dumps(config.to_dict(), sort_keys=True, allow_nan=False))


def from_json_dict(fields: Mapping[str, Any]) -> Config:
    """The config that `to_json_dict` was given, up to list or tuple: completed, checked and locked.

    Raises:
        ConfigError: a field breaks its rule, or these are no fields at all.
    """
    from ml_collections import ConfigDict, config_dict

    try:
        config = ConfigDict(as_tuples(fields))
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise ConfigError(f"not the fields of a config: {error}") from error
    for name in field_paths(config):
        group, leaf = owner_of(config, name)
        if group[leaf] is None and name in RULES and RULES[name].placeholder:
            group[leaf] = config_dict.placeholder(RULES[name].placeholder)
    validate(complete(config))
    return config.lock()
