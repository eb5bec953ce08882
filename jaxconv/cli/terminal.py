"""What a program says, where to, and that it goes on where nobody listens."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from jaxconv.text import printable

RED, PLAIN = "\x1b[31m", "\x1b[0m"


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """A context in which the three streams are there, and can show any text.

    A program may be started with some of them closed. The next file that is opened would take the
    number of such a stream, and what C code prints would go into that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            _discard(number)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r+"))
    with contextlib.ExitStack() as changed:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                changed.callback(stream.reconfigure, errors=stream.errors)
                stream.reconfigure(errors="backslashreplace")
        yield


def _discard(number: int) -> None:
    """From now on what is written to the file of this number goes nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)


def discard_broken_output() -> None:
    """Gives up a stdout that cannot be written: Python would try again at its end, and fail."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            _discard(sys.stdout.fileno())


def say(text: str) -> None:
    """Prints how far the work is; where that cannot be written, the work goes on without."""
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        discard_broken_output()


def tell(text: str) -> None:
    """Prints on stderr what a result is of."""
    with contextlib.suppress(OSError, ValueError):
        print(printable(text), file=sys.stderr)


def fail(message: object) -> None:
    """Says what went wrong on stderr, in one line."""
    error = f"{RED}error:{PLAIN}" if shows_colour(sys.stderr) else "error:"
    with contextlib.suppress(OSError, ValueError):
        print(f"{error} {printable(message)}", file=sys.stderr, flush=True)


def shows_colour(stream: TextIO) -> bool:
    """Whether `stream` is a terminal, and nobody asked for none by `NO_COLOR` (no-color.org)."""
    asked_for_none = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not asked_for_none


def save_picture(figure: Any, path: Path) -> None:
    """Writes a matplotlib `figure` as PNG and prints where."""
    from jaxconv.report.style import save

    save(figure, path)
    print(printable(path))
