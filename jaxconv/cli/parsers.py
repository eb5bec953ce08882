"""Parsers whose every mistake is one line: with or without a config, a network, a picture."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.file import DEFAULT_CONFIG, config_path
from jaxconv.cli.flag_types import absolute_path, file_to_write, path_named

EXIT_CODES = """\
exit codes: 0 done; 1 an error in data, in a run or in a file, told in one line;
  2 a wrong command line or config; 130 after Ctrl-C; 141 where nobody reads on"""


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose every mistake is a `ConfigError` of one line."""

    def __init__(self, *, takes_fields: bool = False, **options: Any):
        self.flag_names: list[str] = []
        self.takes_fields = takes_fields  # `--config.FIELD` besides the flags
        super().__init__(allow_abbrev=False, **options)

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        self.flag_names += [name for name in names if name.startswith("-")]
        return super().add_argument(*names, **options)

    def read(self, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """The flags in `argv`, and all that it has of `--config.FIELD`, in both forms, or unknown.

        argparse would take the value of such a field, apart or with a space in it, for a file.
        """
        own, fields, arguments = [], [], iter(argv)
        for argument in arguments:
            if not argument.startswith("--config."):
                own.append(argument)
                continue
            fields.append(argument)
            if "=" not in argument:
                fields += [value for value in [next(arguments, None)] if value is not None]
        flags, unknown = self.parse_known_intermixed_args(own)
        return flags, [*unknown, *fields]

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; {self.prog} --help says what it takes")


def called_as(verb: str) -> str:
    """The words by which this process was started, so that what is said can be typed again."""
    match Path(sys.argv[0]).name:
        case "train.py" if verb == "train":
            return "python train.py"
        case "jaxconv":
            return f"jaxconv {verb}"
        case _:
            return f"python -m jaxconv {verb}"


def plain_parser(verb: str, words: str) -> OneLineParser:
    """The parser of a verb that takes no config."""
    return OneLineParser(
        prog=called_as(verb),
        description=words,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def fields_parser(verb: str, words: str, *, takes: str = "") -> OneLineParser:
    """A parser whose `--help` is a flag like others, so that a config's fields can follow.

    Args:
        words: what the verb does.
        takes: what else than flags the usage line shows.
    """
    usage = " ".join(filter(None, [called_as(verb), takes, "[--FLAG VALUE ...]"]))
    parser = OneLineParser(
        takes_fields=True,
        prog=called_as(verb),
        usage=f"{usage} [--config.FIELD=VALUE ...]",
        description=words,
        epilog=EXIT_CODES,
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-h", "--help", action="store_true", help="lists the config's fields too")
    return parser


def config_parser(verb: str, words: str, takes: str = "") -> OneLineParser:
    """The parser of a verb on what a config describes."""
    parser = fields_parser(verb, words, takes=f"{takes} [--config NAME]".lstrip())
    words = "an installed config, or a file FILE.py: what the fields are; default s9"
    parser.add_argument(
        "--config", metavar="NAME", type=config_path, default=DEFAULT_CONFIG, help=words
    )
    return parser


def network_parser(verb: str, words: str, takes: str = "") -> OneLineParser:
    """The parser of a verb on a trained network: a run's, a weights file's, or the package's."""
    parser = fields_parser(verb, words, takes=takes)
    folder, file = path_named("--workdir"), path_named("--weights", ".safetensors")
    parser.add_argument(
        "--workdir", metavar="DIR", type=folder, help="the network of a run; default none"
    )
    parser.add_argument(
        "--checkpoint", choices=("last", "best"), default="last",
        help="of the run: the last epoch, or the best on the test images; default last",
    )  # fmt: skip
    words = "the network of a weights file; default, without --workdir: the package's"
    parser.add_argument("--weights", metavar="FILE.safetensors", type=file, help=words)
    return parser


def add_tta(parser: OneLineParser, words: str) -> OneLineParser:
    """Adds `--tta`, test-time flips; `words` say what the verb does with them."""
    words = f"{words}: the mean of the logits of each image and its mirror image; default off"
    parser.add_argument("--tta", action="store_true", help=words)
    return parser


def add_out(parser: OneLineParser, name: str) -> OneLineParser:
    """Adds `--out`, the picture that the verb writes: `name` if not given."""
    png, default = file_to_write("--out", ".png"), absolute_path(name, follow=False)
    words = f"the picture; default {name}"
    parser.add_argument("--out", metavar="FILE.png", type=png, default=default, help=words)
    return parser
