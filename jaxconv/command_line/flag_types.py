"""What the text of a flag may be: a path, a file with an ending, a size or a pair of sizes."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from jaxconv.config import ConfigError


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


def add_size_flags(parser: argparse.ArgumentParser, meanings: Mapping[str, str]) -> None:
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
