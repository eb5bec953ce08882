"""What the text of a flag may be: a path, a file with an ending, a size or a pair of sizes."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from jaxconv.cli.config.error import ConfigError
from jaxconv.text import one_line


def absolute_path(text: str, *, follow: bool = True) -> Path:
    """The path that `text` names, from the folder and the home of now.

    Args:
        follow: where a link leads; else the link itself is named, whose place a new file takes.

    Raises:
        ConfigError: there is no text, or what it names can't be: another's home, links in a circle.
    """
    if not text:
        raise ConfigError("expected a path, got none")
    try:
        path = Path(text).expanduser()
        path = path.resolve() if follow else path.parent.resolve() / path.name
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{text}: this path is not UTF-8; rename it, or take another") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{text}: no such path ({one_line(error)})") from error
    return path


def path_named(flag: str, *endings: str, follow: bool = True) -> Callable[[str], Path]:
    """The type of a flag that takes a path, with one of these endings if any are given."""

    def read(text: str) -> Path:
        if endings and not text.endswith(endings):
            raise ConfigError(f"{flag} {text}: expected a name that ends in {' or '.join(endings)}")
        try:
            return absolute_path(text, follow=follow)
        except ConfigError as error:
            raise ConfigError(f"{flag}: {error}") from error

    return read


def file_to_write(flag: str, *endings: str) -> Callable[[str], Path]:
    """The type of a flag that names a file to write."""
    return path_named(flag, *endings, follow=False)


def add_size_flags(parser: argparse.ArgumentParser, meanings: Mapping[str, str]) -> None:
    """Adds flags that take 3, or 3,2 for vertical and horizontal; one not given has no value."""
    options = {"metavar": "N[,N]", "type": _int_or_pair, "default": argparse.SUPPRESS}
    for name, meaning in meanings.items():
        parser.add_argument("--" + name.replace("_", "-"), help=meaning, **options)


def at_least_1(text: str) -> int:
    """The type of a flag that takes a count."""
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _int_or_pair(text: str) -> int | tuple[int, ...]:
    try:
        return tuple(map(int, text.split(","))) if "," in text else int(text)
    except ValueError:
        message = f"expected a whole number, or two as 3,2, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None
