"""The verb that lets a shell complete verbs, flags and fields."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from jaxconv.cli.parsers import DEFAULT_CONFIG, plain_parser
from jaxconv.command_line import OneLineParser
from jaxconv.config import ConfigError, field_paths, load_config

SHELLS = ("bash", "zsh", "tcsh")


def completion_parser() -> OneLineParser:
    parser = plain_parser(completion)
    parser.add_argument(
        "shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}"
    )
    return parser


def completion(argv: Sequence[str]) -> None:
    """Prints a script for the shell that completes the command `jaxconv`."""
    from jaxconv.cli.program import VERBS

    flags = completion_parser().parse_args(argv)
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise ConfigError(
            "completion: shtab is not installed; pip install 'jaxconv[completion]'"
        ) from error
    print(shtab.complete(_whole_parser(VERBS), flags.shell))


def _whole_parser(verbs: Mapping[str, Any]) -> argparse.ArgumentParser:
    """All verbs as subcommands of one parser, which is what shtab takes."""
    whole = OneLineParser(prog="jaxconv", description=__doc__)
    subcommands = whole.add_subparsers(dest="verb", parser_class=argparse.ArgumentParser)
    fields = [f"--config.{name}" for name in field_paths(load_config(DEFAULT_CONFIG))]
    for name, verb in verbs.items():
        parser = verb.make_parser()
        if parser.takes_fields:
            for field in fields:
                parser.add_argument(field, metavar="VALUE")
        words = verb.run.__doc__
        subcommands.add_parser(name, parents=[parser], add_help=False, help=words)
    return whole
