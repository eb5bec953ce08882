"""The verb that lets a shell complete verbs, flags and fields."""

import argparse
from collections.abc import Callable, Mapping, Sequence

from jaxconv.cli.config.fields import field_paths
from jaxconv.cli.config.file import DEFAULT_CONFIG, load_config
from jaxconv.cli.parsers import OneLineParser, plain_parser

SHELLS = ("bash", "zsh", "tcsh")


def completion_parser(verb: str, words: str) -> OneLineParser:
    parser = plain_parser(verb, words)
    parser.add_argument(
        "shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}"
    )
    return parser


def completion(
    parser: OneLineParser,
    argv: Sequence[str],
    make_parsers: Callable[[], Mapping[str, OneLineParser]],
) -> None:
    """Prints a script that completes the verbs whose parsers are made."""
    flags = parser.parse_args(argv)
    import shtab

    print(shtab.complete(_whole_parser(make_parsers()), flags.shell))


def _whole_parser(parsers: Mapping[str, OneLineParser]) -> argparse.ArgumentParser:
    """All verbs as subcommands of one parser, which is what shtab takes."""
    whole = OneLineParser(prog="jaxconv")
    subcommands = whole.add_subparsers(dest="verb", parser_class=argparse.ArgumentParser)
    fields = [f"--config.{name}" for name in field_paths(load_config(DEFAULT_CONFIG))]
    for name, parser in parsers.items():
        if parser.takes_fields:
            for field in fields:
                parser.add_argument(field, metavar="VALUE")
        subcommands.add_parser(name, parents=[parser], add_help=False, help=parser.description)
    return whole
