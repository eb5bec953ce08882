"""What a program says when it fails, in colour only where a terminal shows it."""

import os
import sys
from typing import TextIO

RED, PLAIN = "\x1b[31m", "\x1b[0m"


def shows_colour(stream: TextIO) -> bool:
    """Whether `stream` is a terminal, and nobody asked for none by `NO_COLOR` (no-color.org)."""
    asked_for_none = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not asked_for_none


def fail(message: object, code: int) -> int:
    """Says what went wrong on stderr, in one line; returns the exit code."""
    error = f"{RED}error:{PLAIN}" if shows_colour(sys.stderr) else "error:"
    print(f"{error} {message}", file=sys.stderr)
    return code
