"""`--config.FIELD=VALUE`: the text of a command line as values of a config.

The default decides how VALUE is read: a tuple or list of numbers keeps its length, one of names may
have any, one of anything else is a Python literal. A field may be None where the file declares it
as `config_dict.placeholder(int)` or where its rule in `fields.RULES` allows None.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.fields import allows_none, field_paths, owner_of, validate
from jaxconv.cli.config.types import Config
from jaxconv.text import nearest


def override(config: Config, arguments: Sequence[str], flags: Sequence[str]) -> Config:
    """Sets the fields that `arguments` name, each read as its type; checks and locks `config`.

    Args:
        arguments: `--config.FIELD=VALUE`, or the two apart.
        flags: what else the command line takes, for a hint at what was meant.

    Raises:
        ConfigError: an argument is none of that, or a value is not what its field takes.
    """
    for name, text in _overrides(arguments, flags, list(field_paths(config))):
        _override(config, name, text)
    validate(config)
    return config.lock()


def _overrides(
    rest: Sequence[str], flags: Sequence[str], fields: list[str]
) -> Iterator[tuple[str, str]]:
    """The pairs (field, text) in `rest`, given as `--config.a=1` or `--config.a 1`."""
    arguments = iter(rest)
    for argument in arguments:
        flag, equals, text = argument.partition("=")
        name = flag.removeprefix("--config.")
        if name == flag or name not in fields:
            raise ConfigError(unknown(argument, flags, fields))
        text = text if equals else next(arguments, "")
        if not equals and (not text or text.startswith("--")):
            raise ConfigError(f"{flag}: it has no value; write {flag}=VALUE")
        yield name, text


def unknown(argument: str, flags: Sequence[str], fields: Sequence[str]) -> str:
    """What to say to an argument that is neither one of the `flags` nor an override."""
    flag, _, _ = argument.partition("=")
    name = flag.lstrip("-")
    field = name.removeprefix("config.")
    meant = {known: f"--config.{known}" for known in fields}
    group = [text for known, text in meant.items() if known.startswith(f"{field}.")]
    if group:
        return f"{flag}: a group of fields; name one of {', '.join(group)}"
    if field == name:
        meant |= {known.lstrip("-"): known for known in flags}
    near = nearest(field, meant)
    if near:
        return f"{argument}: unknown; did you mean {meant[near]}?"
    return f"{argument}: unknown; expected one of {', '.join(meant.values())}"


def _override(config: Config, name: str, text: str) -> None:
    """Sets the field `name` to what `text` says, read as the type that the field has."""
    group, leaf = owner_of(config, name)
    kind, default = group.get_type(leaf), group[leaf]
    if kind is type(None):
        raise ConfigError(
            f"config.{name}: its default None does not say its type; "
            "write config_dict.placeholder(str), or of another type, in the config file"
        )
    if text == "None" and allows_none(config, name):
        group[leaf] = None
        return
    try:
        items = kind in (tuple, list)
        group[leaf] = kind(_read_items(text, default or ())) if items else _read(text, kind)
    except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError) as error:
        expected = _describe_kind(kind, default) + ", or None" * allows_none(config, name)
        raise ConfigError(f"--config.{name}={text}: expected {expected}") from error


def _read(text: str, kind: type) -> Any:
    if kind in (int, float, str):
        return kind(text)
    value = ast.literal_eval(text.title() if kind is bool else text)
    if not isinstance(value, kind):
        raise ValueError(text)
    return value


def _read_items(text: str, default: Sequence) -> tuple:
    if _all_of(default, str) and text[:1] not in ("(", "["):
        return tuple(name.strip() for name in text.split(","))
    value = ast.literal_eval(text)
    if _all_of(default, int, float):
        numbers = value if isinstance(value, tuple | list) else (value,)
        kind = int if _all_of(default, int) else float
        if len(numbers) != len(default) or not _all_of(numbers, int, kind):
            raise ValueError(text)
        return tuple(map(kind, numbers))
    if not isinstance(value, tuple | list) or (_all_of(default, str) and not _all_of(value, str)):
        raise ValueError(text)
    return tuple(value)


def _all_of(items: Sequence, *kinds: type) -> bool:
    return len(items) > 0 and all(type(item) in kinds for item in items)


def _describe_kind(kind: type, default: Any) -> str:
    """What the text of a field must be, in words, with an example where words are not enough."""
    if kind in (tuple, list) and _all_of(default or (), str, int, float):
        many = "whole numbers" if _all_of(default, int) else "numbers"
        what = "names" if _all_of(default, str) else f"{len(default)} {many}"
        return f"{what} with commas between, such as {','.join(map(str, default))}"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    example = "" if kind is bool or default is None else f", such as {default!r}"
    return words.get(kind, f"a Python {kind.__name__}") + example
