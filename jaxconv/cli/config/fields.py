"""The fields of a config, and the rules that they keep."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.types import Config
from jaxconv.data.sources import SOURCES

GROUPS = ("augment", "checkpoint", "data", "distill", "mix", "model", "optimizer")
MOST = 2**31  # the device counts in 32 bits


class Rule(NamedTuple):
    """What a field must hold."""

    expected: str
    holds: Callable[[Any], bool]
    placeholder: type | None = None  # of a value, where the field may be None


def _whole(at_least: int, below: int = MOST) -> Rule:
    expected = f"a whole number of at least {at_least} and below {below}"
    return Rule(expected, lambda value: type(value) is int and at_least <= value < below)


def _number(expected: str, holds: Callable[[float], bool]) -> Rule:
    def is_one(value: Any) -> bool:
        if type(value) is int:
            return abs(value) < MOST and holds(value)
        return type(value) is float and math.isfinite(value) and holds(value)

    return Rule(f"a number {expected}", is_one)


def _or_none(rule: Rule, meaning: str, kind: type = int) -> Rule:
    expected = f"{rule.expected}, or None for {meaning}"
    return Rule(expected, lambda value: value is None or rule.holds(value), placeholder=kind)


def _choice(*names: str) -> Rule:
    return Rule("one of " + ", ".join(names), lambda value: value in names)


def _choices(*names: str) -> Rule:
    return Rule(
        "one or more of " + ", ".join(names),
        lambda value: type(value) is tuple and len(value) > 0 and all(v in names for v in value),
    )


def _is_text(value: Any) -> bool:
    return type(value) is str and "\0" not in value and value.isprintable() and value != ""


_FLAG = Rule("true or false", lambda value: type(value) is bool)
_SHARE = _number("of at least 0 and below 1", lambda share: 0 <= share < 1)
_RATE = _number("above 0 that float32 can hold", lambda rate: 0 < rate < 3.4e38)
_DECAY = _number("of at least 0 that float32 can hold", lambda decay: 0 <= decay < 3.4e38)
_ALPHA = _number("of at least 0.01 and at most 100, or 0", lambda a: a == 0 or 0.01 <= a <= 100)

RULES: Mapping[str, Rule] = {
    "seed": _whole(at_least=0, below=2**32),
    "epochs": _whole(at_least=1),
    "batch_size": _whole(at_least=1),
    "steps_per_call": _or_none(_whole(at_least=1), "a choice by the backend"),
    "max_lr": _RATE,
    "weight_decay": _DECAY,
    "optimizer.schedule": _choice("one_cycle", "cosine"),
    "optimizer.warmup_share": _or_none(_SHARE, "0.3 of one_cycle, 0.05 of cosine", float),
    "optimizer.momentum": _or_none(_SHARE, "what goes with the schedule", float),
    "optimizer.nesterov": _FLAG,
    "optimizer.decay_norm": _FLAG,
    "optimizer.muon_lr": _or_none(_RATE, "SGD", float),
    "optimizer.muon_decay": _DECAY,
    "dropout_rate": _SHARE,
    "dropout_epochs": _or_none(_whole(at_least=0), "all"),
    "label_smoothing": _SHARE,
    "ema_decay": _SHARE,
    "mix.mixup": _ALPHA,
    "mix.cutmix": _ALPHA,
    "mix.epochs": _or_none(_whole(at_least=0), "all"),
    "distill.teacher": _or_none(Rule("the path of a file", _is_text), "no teacher", str),
    "distill.weight": _number("of at least 0 and at most 1", lambda weight: 0 <= weight <= 1),
    "distill.temperature": _number("of at least 0.1 and at most 100", lambda t: 0.1 <= t <= 100),
    "dtype": _choice("float32", "bfloat16"),
    "model.name": _choice("s9"),
    "model.width": _number("above 0 and at most 64", lambda width: 0 < width <= 64),
    "model.rows": _or_none(
        Rule(
            "rows such as {'conv': 'Conv', 'features': 32}",
            lambda value: type(value) is tuple and len(value) > 0,
        ),
        "those of S9Net",
        tuple,
    ),
    "shard_state": _FLAG,
    "checkpoint.every_steps": _or_none(_whole(at_least=1), "never"),
    "checkpoint.every_minutes": _or_none(_number("above 0", lambda m: m > 0), "never", float),
    "data.sources": _choices(*SOURCES),
    "data.dir": _or_none(Rule("the path of a folder", _is_text), "the usual places", str),
    "data.download": _FLAG,
    "data.train_limit": _or_none(_whole(at_least=1), "all"),
    "data.test_limit": _or_none(_whole(at_least=1), "all"),
    "data.image_size": _whole(at_least=8, below=1025),
    "data.test_share": _number("above 0 and below 1", lambda share: 0 < share < 1),
    "augment.engine": _choice("device", "albumentations"),
}
"""What a field must hold, where its type does not say it. A config may lack any of them."""


def validate(config: Config) -> None:
    """Holds every field against its rule in `RULES`; raises `ConfigError` at the first breach.

    Whatever else a config file has must be what JSON can hold, as runs keep it.
    """
    for name in field_paths(config):
        value = get_field(config, name)
        if name in RULES and not RULES[name].holds(value):
            expected = f"expected {RULES[name].expected}"
            raise ConfigError(
                f"config.{name}={shown(value)}: {expected}; set --config.{name}=VALUE"
            )
        if name in GROUPS:
            raise ConfigError(f"config.{name}={shown(value)}: expected a group of fields")
        try:
            json.dumps(value, sort_keys=True, allow_nan=False)
        except (RecursionError, TypeError, ValueError) as error:
            raise ConfigError(
                f"config.{name}={shown(value)}: expected what JSON can hold ({error})"
            ) from error


def check_together(config: Config) -> None:
    """Refuses what no new run should have: fields without effect, test images of another scale.

    Raises:
        ConfigError: the fields do not go together; what may be set instead is named.
    """
    given, mix = config.optimizer, config.mix
    idle = [
        ("optimizer.muon_decay", 0, given.muon_lr is None, "optimizer.muon_lr"),
        ("dropout_epochs", None, not config.dropout_rate, "dropout_rate"),
        ("mix.epochs", None, not max(mix.mixup, mix.cutmix), "mix.mixup or mix.cutmix"),
    ]
    for name, neutral, without, other in idle:
        value = get_field(config, name)
        if value and without:
            raise ConfigError(
                f"config.{name}={shown(value)} has no effect without {other}: "
                f"set that, or --config.{name}={neutral}"
            )
    scales = [name for name, _ in config.augment.transforms if name in ("ToFloat", "FromFloat")]
    if scales[-1:] == ["ToFloat"]:
        raise ConfigError(
            "config.augment.transforms: ToFloat changes the scale of training images alone, since "
            "test images get Normalize only; Normalize with mean=0.0, std=1.0 gives numbers from "
            "0 to 1, and FromFloat after ToFloat restores the scale"
        )


def require_whole(config: Config, path: Path) -> None:
    """Refuses the config of the file at `path` by a `ConfigError` where it lacks fields."""
    lacking = sorted({*RULES, "augment.transforms"} - set(field_paths(config)))
    if lacking:
        raise ConfigError(
            f"--config {path}: it lacks config.{', config.'.join(lacking)}; begin with a config "
            "that has all, as in config = jaxconv.configs.s9.get_config()"
        )


def shown(value: Any) -> str:
    """`value` as Python writes it; of an int of thousands of digits it would refuse that."""
    try:
        return repr(value)
    except ValueError:
        return "(a number of thousands of digits)"


def field_paths(config: Config, prefix: str = "") -> Iterator[str]:
    """The dotted name of every field, in alphabetical order."""
    from ml_collections import ConfigDict

    for name in sorted(config.keys(), key=str):
        if not isinstance(name, str) or not name:
            raise ConfigError(f"config.{prefix}{name}: a field's name must be text, got {name!r}")
        if isinstance(config[name], ConfigDict):
            yield from field_paths(config[name], f"{prefix}{name}.")
        else:
            yield prefix + name


def get_field(config: Config, name: str) -> Any:
    """The value of the field with the dotted `name`."""
    return functools.reduce(lambda group, part: group[part], name.split("."), config)


def owner_of(config: Config, name: str) -> tuple[Config, str]:
    """The group that has the field with the dotted `name`, and the field's name in it."""
    group, _, leaf = name.rpartition(".")
    return (get_field(config, group) if group else config), leaf


def allows_none(config: Config, name: str) -> bool:
    """Whether the field may be None: it is, or its rule says so."""
    return get_field(config, name) is None or (name in RULES and RULES[name].holds(None))
