"""What processes say to each other before they train as one, and what is said where they differ."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxconv.errors import JaxconvError
from jaxconv.text import printable

MOST_BYTES = 1 << 20  # of a line
MOST_NAMED = 20  # differences


class JobError(JaxconvError):
    """The processes can't find each other; the message says what to do."""


class Disagreement(JobError):
    """The processes are not of one run; the message names each difference."""

    exit_code = 2


class Absent(JobError):
    """Another process has not come, or has gone again."""

    exit_code = 3


class Facts(NamedTuple):
    """What a process says of itself: its number from 0, and what must not differ, flat."""

    process: int
    processes: int
    facts: Mapping[str, Any]  # of plain values


def differences(first: Facts, other: Facts) -> list[str]:
    """A line for each fact in which two processes differ."""
    names = [*first.facts, *(name for name in other.facts if name not in first.facts)]
    pairs = [("--processes", first.processes, other.processes)]
    pairs += [(name, _told(first.facts, name), _told(other.facts, name)) for name in names]
    return [
        f"{printable(name, longest=100)} is {ours} in process {first.process} "
        f"and {theirs} in process {other.process}"
        for name, ours, theirs in pairs
        if ours != theirs
    ]


def _told(facts: Mapping[str, Any], name: str) -> str:
    if name not in facts:
        return "absent"
    text = json.dumps(facts[name], sort_keys=True)
    return text if len(text) <= 100 else f"{printable(text, longest=100)} (of {len(text)} letters)"


def shortened(named: Sequence[str]) -> str:
    """The first of many differences, and how many more there are."""
    more = len(named) - MOST_NAMED
    return "; ".join([*named[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])


def refusal(reason: str) -> Disagreement:
    return Disagreement(
        f"the processes are not of one run: {printable(reason, longest=10_000)}; "
        "start all of them with the same command"
    )


def absence(numbers: Sequence[int], start_seconds: float) -> Absent:
    named = printable(", ".join(map(str, numbers)), longest=100)
    return Absent(
        f"process {named} has not come within {start_seconds:g} seconds; start all of them, "
        "with the same --coordinator, or by srun with --slurm"
    )


def departure(number: int) -> Absent:
    return Absent(f"process {number} has gone before training began; what it said tells why")


def line(**fields: Any) -> bytes:
    """A message, of plain values."""
    return json.dumps({"jaxconv": True, **fields}).encode() + b"\n"


def read_line(text: bytes) -> dict[str, Any] | None:
    """The message in a line; None where it is of something else."""
    try:
        message = json.loads(text)
    except (RecursionError, ValueError):
        return None
    return message if isinstance(message, dict) and message.get("jaxconv") is True else None


def read_hello(text: bytes) -> Facts | None:
    """What a process says first."""
    match read_line(text):
        case {"process": int(process), "processes": int(processes), "facts": dict(facts)}:
            return Facts(process, processes, facts) if process >= 0 else None
    return None
