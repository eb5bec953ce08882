"""The command line of a program that takes a config: flags, field overrides and their help.

``--config FILE`` names the config file; ``--config.FIELD=VALUE`` overrides a field of it. The
default decides how VALUE is read: a tuple or list of numbers keeps its length, one of names may
have any, one of anything else is a Python literal. A field may be None where the file declares it
as ``config_dict.placeholder(int)`` or where its rule in `config.RULES` allows None. In the file a
field is a line ``config.group.field = value  # comment``; ``--help`` shows that comment.
"""

import argparse
import ast
import difflib
import io
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ml_collections import ConfigDict

from jaxconv.config import RULES, ConfigError, field_paths, get_field, load_config, validate


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose every mistake is a `ConfigError` of one line."""

    def __init__(self, **options: Any):
        self.flag_names: list[str] = []
        super().__init__(allow_abbrev=False, **options)

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        self.flag_names += [name for name in names if name.startswith("-")]
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; {self.prog} --help says what it takes")


def config_parser(program: str, doc: str) -> OneLineParser:
    """The parser of a training program: ``--config`` must be given, ``--workdir`` may."""
    parser = fields_parser(program, doc)
    parser.add_argument(
        "--workdir", metavar="DIR", type=absolute_path, help="where the run is kept"
    )
    return parser


def fields_parser(program: str, doc: str, *, default_config: Path | None = None) -> OneLineParser:
    """The parser of ``--config`` and its fields; add other flags with `add_argument`."""
    config = "[--config FILE]" if default_config else "--config FILE"
    parser = OneLineParser(
        prog=program,
        usage=f"{program} {config} [--FLAG VALUE ...] [--config.FIELD=VALUE ...]",
        description=doc.strip(),
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, default=default_config, help="as configs/s9.py"
    )
    parser.add_argument("-h", "--help", action="store_true", help="lists the config's fields too")
    return parser


def absolute_path(text: str) -> Path:
    """The path that ``text`` names, from the folder and the home of now: the type of a flag."""
    return Path(text).expanduser().resolve()


def path_named(flag: str, *endings: str) -> Callable[[str], Path]:
    """The type of a flag that takes a file with one of these endings."""

    def read(text: str) -> Path:
        if not text.endswith(endings):
            raise ConfigError(f"{flag} {text}: expected a name that ends in {' or '.join(endings)}")
        return absolute_path(text)

    return read


def add_size_flags(parser: OneLineParser, meanings: Mapping[str, str]) -> None:
    """Adds flags that take 3, or 3,2 for vertical and horizontal; one not given has no value."""
    options = {"metavar": "N[,N]", "type": _int_or_pair, "default": argparse.SUPPRESS}
    for name, meaning in meanings.items():
        parser.add_argument("--" + name.replace("_", "-"), help=meaning, **options)


def _int_or_pair(text: str) -> int | tuple[int, ...]:
    try:
        return tuple(map(int, text.split(","))) if "," in text else int(text)
    except ValueError:
        message = f"expected a whole number, or two as 3,2, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def parse_command_line(
    parser: OneLineParser, argv: Sequence[str]
) -> tuple[ConfigDict, argparse.Namespace]:
    """Reads ``argv`` (without the program's name) into a checked, locked config and the flags.

    ``--help`` prints and raises `SystemExit`.

    Raises:
        ConfigError: whatever is wrong, in one line: what was given, what was expected, what to do.
    """
    flags, rest = parser.parse_known_args(argv)
    if flags.config is None:
        if flags.help:
            print(parser.format_help() + "\nwith --config FILE, --help lists its fields as well")
            raise SystemExit(0)
        if rest and not rest[0].lstrip("-").startswith("config."):
            raise ConfigError(_unknown(rest[0], parser.flag_names, fields=()))
        raise ConfigError("no --config given; name a config file, as in --config configs/s9.py")
    config = load_config(flags.config)
    if flags.help:
        print(parser.format_help() + "\n" + describe_fields(config, flags.config))
        raise SystemExit(0)
    for name, text in _overrides(rest, parser.flag_names, list(field_paths(config))):
        _override(config, name, text)
    validate(config)
    return config.lock(), flags


def _overrides(
    rest: Sequence[str], flags: list[str], fields: list[str]
) -> Iterator[tuple[str, str]]:
    """The pairs (field, text) in ``rest``, given as ``--config.a=1`` or ``--config.a 1``."""
    arguments = iter(rest)
    for argument in arguments:
        flag, equals, text = argument.partition("=")
        name = flag.removeprefix("--config.")
        if name == flag or name not in fields:
            raise ConfigError(_unknown(argument, flags, fields))
        text = text if equals else next(arguments, "")
        if not equals and (not text or text.startswith("--")):
            raise ConfigError(f"{flag}: it has no value; write {flag}=VALUE")
        yield name, text


def _unknown(argument: str, flags: Sequence[str], fields: Sequence[str]) -> str:
    """What to say to an argument that is neither one of the ``flags`` nor an override."""
    flag, _, _ = argument.partition("=")
    name = flag.lstrip("-")
    field = name.removeprefix("config.")
    meant = {known: f"--config.{known}" for known in fields}
    group = [text for known, text in meant.items() if known.startswith(f"{field}.")]
    if group:
        return f"{flag}: a group of fields; name one of {', '.join(group)}"
    if field == name:
        meant |= {known.lstrip("-"): known for known in flags}
    inside = [known for known in meant if field and known.endswith(field)]
    near = difflib.get_close_matches(field, meant, n=1) or inside
    if near:
        return f"{argument}: unknown; did you mean {meant[near[0]]}?"
    return f"{argument}: unknown; expected one of {', '.join(meant.values())}"


def _allows_none(config: ConfigDict, name: str) -> bool:
    return get_field(config, name) is None or (name in RULES and RULES[name].holds(None))


def _override(config: ConfigDict, name: str, text: str) -> None:
    """Sets the field ``name`` to what ``text`` says, read as the type that the field has."""
    *groups, leaf = name.split(".")
    group = get_field(config, ".".join(groups)) if groups else config
    kind, default = group.get_type(leaf), group[leaf]
    if kind is type(None):
        raise ConfigError(
            f"config.{name}: its default None does not say its type; "
            "write config_dict.placeholder(str), or of another type, in the config file"
        )
    if text == "None" and _allows_none(config, name):
        group[leaf] = None
        return
    try:
        items = kind in (tuple, list)
        group[leaf] = kind(_read_items(text, default or ())) if items else _read(text, kind)
    except (SyntaxError, TypeError, ValueError) as error:
        expected = _describe_kind(kind, default) + ", or None" * _allows_none(config, name)
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


def describe_fields(config: ConfigDict, path: Path) -> str:
    """One line for each field: name, type, default, and the comment beside it in the file."""
    comments = field_comments(path)
    rows = []
    for name in field_paths(config):
        *groups, leaf = name.split(".")
        group = get_field(config, ".".join(groups)) if groups else config
        kind = group.get_type(leaf).__name__ + " or None" * _allows_none(config, name)
        rows.append((f"--config.{name}", kind, _shorten(group[leaf]), comments.get(name, "")))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[3]]).rstrip() for row in rows]
    return "\n".join([f"fields of {path} (type, default, meaning):", *(f"  {x}" for x in lines)])


def _shorten(value: Any, length: int = 40) -> str:
    text = repr(value)
    return text if len(text) <= length else text[: length - 3] + "..."


def field_comments(path: Path) -> dict[str, str]:
    """The comment beside each line ``config.group.field = value`` of the Python file at ``path``.

    Where the file takes another config from a module (``from configs import s9``), that module's
    comments hold for the fields that ``path`` does not comment itself.
    """
    with tokenize.open(path) as file:
        source = file.read()
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    beside = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
    comments: dict[str, str] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "configs":
            bases = [path.with_name(f"{alias.name}.py") for alias in node.names]
            for base in filter(Path.is_file, bases):
                comments = field_comments(base) | comments
        if isinstance(node, ast.Assign) and node.lineno in beside:
            _, _, name = ast.unparse(node.targets[0]).partition(".")
            comments[name] = beside[node.lineno]
    return comments
