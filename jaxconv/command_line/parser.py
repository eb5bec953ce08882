"""Parsers whose every mistake is one line, and what they make of an argument list."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ml_collections import ConfigDict

from jaxconv.command_line.field_help import describe_fields
from jaxconv.command_line.flag_types import absolute_path
from jaxconv.command_line.overrides import override, unknown
from jaxconv.config import ConfigError, load_config


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose every mistake is a `ConfigError` of one line."""

    def __init__(self, *, takes_fields: bool = False, **options: Any):
        self.flag_names: list[str] = []
        self.takes_fields = takes_fields  # ``--config.FIELD`` besides the flags
        super().__init__(allow_abbrev=False, **options)

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        self.flag_names += [name for name in names if name.startswith("-")]
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; {self.prog} --help says what it takes")


def config_parser(program: str, doc: str) -> OneLineParser:
    """The parser of a training program: ``--config`` must be given, ``--workdir`` may."""
    parser = fields_parser(program, doc, takes="--config FILE")
    parser.add_argument("--config", metavar="FILE", type=Path, help="the recipe; required")
    parser.add_argument(
        "--workdir", metavar="DIR", type=absolute_path, help="where the run is kept; see above"
    )
    words = "compiles, does a little of everything, keeps nothing; default off"
    parser.add_argument("--dry-run", action="store_true", help=words)
    words = "writes event files to DIR/tensorboard, without TensorFlow; default off"
    parser.add_argument("--tensorboard", action="store_true", help=words)
    return parser


def fields_parser(program: str, doc: str, *, takes: str = "", epilog: str = "") -> OneLineParser:
    """A parser whose ``--help`` is a flag like others, so that a config's fields can follow.

    Args:
        takes: what else than flags the usage line shows.
    """
    usage = " ".join(filter(None, [program, takes, "[--FLAG VALUE ...]"]))
    parser = OneLineParser(
        takes_fields=True,
        prog=program,
        usage=f"{usage} [--config.FIELD=VALUE ...]",
        description=doc.strip(),
        epilog=epilog,
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-h", "--help", action="store_true", help="lists the config's fields too")
    return parser


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
            raise ConfigError(unknown(rest[0], parser.flag_names, fields=()))
        raise ConfigError("no --config given; name a config file, as in --config configs/s9.py")
    config = load_config(flags.config)
    if flags.help:
        print(parser.format_help() + "\n" + describe_fields(config, flags.config))
        raise SystemExit(0)
    return override(config, rest, parser.flag_names), flags
