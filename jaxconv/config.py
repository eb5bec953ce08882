"""A config: the file it comes from, the rules its fields keep, and its form as JSON.

A config file is Python with ``get_config() -> ml_collections.ConfigDict``. The command line that
names it, and overrides its fields, is read by `command_line`.

Config objects stop at the door: only this file, ``command_line``, ``build.py``, ``train.py``
and ``cli`` know that they exist.
"""

import functools
import importlib.util
import json
import math
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict, config_dict

from jaxconv.augment.pipeline import as_tuples
from jaxconv.text import nearest, one_line, printable


class ConfigError(Exception):
    """A mistake on the command line or in a config.

    The message is one line of bearable length, whatever it quotes: line ends, and what else a
    terminal would obey, are shown as escapes.
    """

    def __init__(self, message: object):
        super().__init__(printable(message))


class Rule(NamedTuple):
    expected: str
    holds: Callable[[Any], bool]
    placeholder: type | None = None  # of a value, where the field may be None


def _whole(at_least: int, below: float = math.inf) -> Rule:
    expected = f"a whole number of at least {at_least}"
    expected += f" and below {below}" if below < math.inf else ""
    return Rule(expected, lambda value: type(value) is int and at_least <= value < below)


def _number(expected: str, holds: Callable[[float], bool]) -> Rule:
    return Rule(
        f"a number {expected}",
        lambda value: type(value) in (int, float) and math.isfinite(value) and holds(value),
    )


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


RULES: Mapping[str, Rule] = {
    "seed": _whole(at_least=0, below=2**32),
    "epochs": _whole(at_least=1),
    "batch_size": _whole(at_least=1),
    "steps_per_call": _or_none(_whole(at_least=1), "a choice by the backend"),
    "max_lr": _number("above 0 that float32 can hold", lambda rate: 0 < rate < 3.4e38),
    "weight_decay": _number(
        "of at least 0 that float32 can hold", lambda decay: 0 <= decay < 3.4e38
    ),
    "dropout_rate": _number("of at least 0 and below 1", lambda rate: 0 <= rate < 1),
    "label_smoothing": _number("of at least 0 and below 1", lambda rate: 0 <= rate < 1),
    "dtype": _choice("float32", "bfloat16"),
    "checkpoint.every_steps": _or_none(_whole(at_least=1), "never"),
    "checkpoint.every_minutes": _or_none(_number("above 0", lambda m: m > 0), "never", float),
    "data.sources": _choices("cifar10", "shapes10"),
    "data.dir": _or_none(Rule("text", lambda value: type(value) is str), "the usual places", str),
    "data.train_limit": _or_none(_whole(at_least=1), "all"),
    "data.test_limit": _or_none(_whole(at_least=1), "all"),
    "augment.engine": _choice("device", "albumentations"),
}
"""What a field must hold, where its type does not say it. A config may lack any of them."""


def load_config(path: Path) -> ConfigDict:
    """Runs the config file at ``path`` and returns what its `get_config` returns.

    Raises:
        ConfigError: no such file, or it fails, or it has no `get_config` that returns a ConfigDict.
    """
    if not os.path.isfile(path):  # these two are False, too, of what can't be a path
        beside = path.parent.glob("[!_]*.py") if os.path.isdir(path.parent) else ()
        known = sorted(file.name for file in beside)
        near = nearest(path.name, known)
        hint = f"did you mean {path.with_name(near)}?" if near else "name a Python file"
        raise ConfigError(f"--config {path}: no such file; {hint}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"--config {path}: not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not callable(getattr(module, "get_config", None)):
            raise ConfigError(f"--config {path}: it has no function get_config(); define one")
        config = module.get_config()
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"--config {path}: {_failure(error, spec.origin)}; correct it") from error
    if not isinstance(config, ConfigDict):
        given = type(config).__name__
        raise ConfigError(f"--config {path}: get_config() returned {given}; return a ConfigDict")
    return config


def _failure(error: Exception, file: str | None) -> str:
    """Which line of ``file`` raised ``error``, and what it said, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    lines += [error.lineno] if isinstance(error, SyntaxError) else []
    place = f"line {lines[-1]}" if lines else "it"
    return f"{place} fails with {type(error).__name__}: {one_line(error, longest=1000)}"


def validate(config: ConfigDict) -> None:
    """Holds every field against its rule in `RULES`; raises `ConfigError` at the first breach."""
    for name in field_paths(config):
        value = get_field(config, name)
        if name in RULES and not RULES[name].holds(value):
            expected = f"expected {RULES[name].expected}"
            raise ConfigError(f"config.{name}={value!r}: {expected}; set --config.{name}=VALUE")


def field_paths(config: ConfigDict, prefix: str = "") -> Iterator[str]:
    """The dotted name of every field, in alphabetical order."""
    for name in sorted(config.keys()):
        if isinstance(config[name], ConfigDict):
            yield from field_paths(config[name], f"{prefix}{name}.")
        else:
            yield prefix + name


def get_field(config: ConfigDict, name: str) -> Any:
    """The value of the field with the dotted ``name``."""
    return functools.reduce(lambda group, part: group[part], name.split("."), config)


def allows_none(config: ConfigDict, name: str) -> bool:
    """Whether the field may be None: it is, or its rule says so."""
    return get_field(config, name) is None or (name in RULES and RULES[name].holds(None))


def to_json_dict(config: ConfigDict) -> dict[str, Any]:
    """The config as JSON holds it: tuples as lists, keys sorted at every level."""
    return json.loads(json.dumps(config.to_dict(), sort_keys=True, allow_nan=False))


def from_json_dict(fields: Mapping[str, Any]) -> ConfigDict:
    """The config that `to_json_dict` was given, up to list or tuple: checked and locked.

    Raises:
        ConfigError: a field breaks its rule, or these are no fields at all.
    """
    try:
        config = ConfigDict(as_tuples(fields))
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"not the fields of a config: {error}") from error
    for name in field_paths(config):
        if get_field(config, name) is None and name in RULES and RULES[name].placeholder:
            group, _, leaf = name.rpartition(".")
            owner = get_field(config, group) if group else config
            owner[leaf] = config_dict.placeholder(RULES[name].placeholder)
    validate(config)
    return config.lock()
