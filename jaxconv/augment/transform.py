"""One step of a pipeline, as a value, and what to say to a name that nobody knows."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jaxconv.text import nearest


class Transform(NamedTuple):
    """One step of a pipeline.

    `arguments` are complete and canonical for a transform of the table in `arguments.py` (defaults
    filled in, limits as (low, high)), and as given for any other.
    """

    name: str
    arguments: Mapping[str, Any]


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The one-line message for a name that is not among the known, with the nearest that is."""
    known = list(known)
    near = nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    listed = f": expected one of {', '.join(known)}" if len(known) <= 20 else ""
    return f"unknown {what} {name!r}{listed}{hint}"


def as_tuples(value: Any) -> Any:
    """Lists become tuples, at every depth."""
    if isinstance(value, Mapping):
        return {name: as_tuples(inner) for name, inner in value.items()}
    return tuple(map(as_tuples, value)) if isinstance(value, (list, tuple)) else value
