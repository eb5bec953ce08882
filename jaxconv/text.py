"""Words for people: text from anywhere in one line that is safe to show, and "did you mean"."""

import difflib
from collections.abc import Iterable

_LONGEST = 2000  # characters of one line


def printable(text: object, *, longest: int = _LONGEST) -> str:
    r"""`text` in one line of bearable length: what a terminal would obey is shown as escapes.

    For all that was read from a file, a name or a command line, and is printed.

    >>> printable("one\ntwo \x1b[31m")
    'one\\ntwo \\x1b[31m'
    """
    shown = _cut(str(text), longest)  # first, as escapes take time
    return _cut("".join(c if c.isprintable() else repr(c)[1:-1] for c in shown), longest)


def one_line(error: BaseException, *, longest: int = 160) -> str:
    """What `error` says, or its kind where it says nothing: its lines joined, and `printable`."""
    return printable(" ".join(str(error).split()) or type(error).__name__, longest=longest)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Which of the `known` names is likely to be meant by `name`; None where none is alike.

    >>> nearest("epoch", ["epochs", "batch_size"]), nearest("limit", ["data.limit", "epochs"])
    ('epochs', 'data.limit')
    """
    known = list(known)
    mistyped = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    begun = [one for one in known if one and name.startswith(one)]  # fill_value was renamed to fill
    alike = difflib.get_close_matches(name, known, n=1)
    ended = [one for one in known if name and one.endswith(name)]
    return next(iter([*mistyped, *sorted(begun, key=len, reverse=True), *alike, *ended]), None)


def _cut(text: str, longest: int) -> str:
    """The beginning and the end of what is too long: a cause often comes last."""
    half = (longest - 5) // 2
    return text if len(text) <= longest else f"{text[:half]} ... {text[-half:]}"
