"""The parsers of the verbs: with or without a config, with or without a picture to write."""

import argparse
from collections.abc import Callable
from pathlib import Path

from jaxconv.command_line import OneLineParser, absolute_path, fields_parser, path_named

DEFAULT_CONFIG = Path(__file__).parents[2] / "configs" / "s9.py"
EXIT_CODES = """\
exit codes: 0 done; 1 an error in data, in a run or in a file, told in one line;
  2 a wrong command line or config; 130 after Ctrl-C; 141 where nobody reads on"""


def plain_parser(verb: Callable) -> OneLineParser:
    """The parser of a verb that takes no config."""
    return OneLineParser(
        prog=_program(verb),
        description=verb.__doc__,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def config_parser(verb: Callable) -> OneLineParser:
    """The parser of a verb on what a config describes."""
    parser = fields_parser(_program(verb), verb.__doc__, takes="[--config FILE]", epilog=EXIT_CODES)
    words = "what the fields are; default configs/s9.py"
    parser.add_argument("--config", metavar="FILE", type=Path, default=DEFAULT_CONFIG, help=words)
    return parser


def network_parser(verb: Callable, takes: str = "") -> OneLineParser:
    """The parser of a verb on a trained network: a run's, a weights file's, or the package's."""
    parser = fields_parser(_program(verb), verb.__doc__, takes=takes, epilog=EXIT_CODES)
    folder, file = absolute_path, path_named("--weights", ".safetensors")
    parser.add_argument(
        "--workdir", metavar="DIR", type=folder, help="a run's network; default none"
    )
    parser.add_argument(
        "--checkpoint", choices=("last", "best"), default="last",
        help="of the run: the last epoch, or the best on the test images; default last",
    )  # fmt: skip
    words = "a weights file's network; default, without --workdir: that of the package"
    parser.add_argument("--weights", metavar="FILE.safetensors", type=file, help=words)
    return parser


def add_out(parser: OneLineParser, name: str) -> OneLineParser:
    """Adds ``--out``, the picture that the verb writes: ``name`` if not given."""
    png, default = path_named("--out", ".png"), absolute_path(name)
    words = f"the picture; default {name}"
    parser.add_argument("--out", metavar="FILE.png", type=png, default=default, help=words)
    return parser


def _program(verb: Callable) -> str:
    return f"python -m jaxconv {verb.__name__}"
