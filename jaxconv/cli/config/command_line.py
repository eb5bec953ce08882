"""What a parser makes of an argument list: a config, and the flags beside it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.field_help import describe_fields
from jaxconv.cli.config.fields import require_whole
from jaxconv.cli.config.file import load_config
from jaxconv.cli.config.overrides import override, unknown
from jaxconv.cli.config.types import Config
from jaxconv.cli.parsers import OneLineParser


def parse_whole_config(
    parser: OneLineParser, argv: Sequence[str]
) -> tuple[Config, argparse.Namespace]:
    """As `parse_command_line`, of a config that must have all fields."""
    config, flags = parse_command_line(parser, argv)
    require_whole(config, flags.config)
    return config, flags


def parse_command_line(
    parser: OneLineParser, argv: Sequence[str]
) -> tuple[Config, argparse.Namespace]:
    """Reads `argv` (without the program's name) into a checked, locked config and the flags.

    `--help` prints and raises `SystemExit`.

    Raises:
        ConfigError: whatever is wrong, in one line: what was given, what was expected, what to do.
    """
    flags, rest = parser.read(argv)
    if flags.config is None:
        if flags.help:
            print(parser.format_help() + "\nwith --config NAME, --help lists its fields as well")
            raise SystemExit(0)
        if rest and not rest[0].lstrip("-").startswith("config."):
            raise ConfigError(unknown(rest[0], parser.flag_names, fields=()))
        raise ConfigError("no --config given; name a config, as in --config s9, or a config file")
    config = load_config(flags.config)
    if flags.help:
        print(parser.format_help() + "\n" + describe_fields(config, flags.config))
        raise SystemExit(0)
    return override(config, rest, parser.flag_names), flags
