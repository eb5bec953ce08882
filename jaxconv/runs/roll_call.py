"""Before processes train as one: all are there, each once, and all are about to do the same.

Process 0 listens where JAX's coordinator will listen later. Every other one tells it, in a line of
JSON, its number and its facts; when all have come, or two do not agree, process 0 answers all
alike. Then each loads its data, and tells what it has found. What else connects is not listened to
for long. Nobody computes anything yet, so that nothing hangs: who dies here is known by its closed
connection.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from jaxconv.runs import roll_keeper
from jaxconv.runs import roll_words as words
from jaxconv.runs.roll_words import Facts, JobError

PAUSE_SECONDS = 0.2  # between two attempts to connect

Load = Callable[[], Mapping[str, Any]]


def call_roll(
    coordinator: str, own: Facts, *, load: Load = dict, start_seconds: float = 300
) -> None:
    """Returns in all processes once each of them has come and said the same; else raises in all.

    Args:
        coordinator: HOST:PORT, where process 0 listens; it listens on all its addresses.
        load: called once all agree in their facts; gives more of them, of what takes long to load.
        start_seconds: how long to wait for the others to come.

    Raises:
        Disagreement: two have the same number, or differ in the facts.
        Absent: not all have come, or one has gone again.
        JobError: the port is in use; something else than process 0 answers.
    """
    own = own._replace(facts=json.loads(json.dumps(own.facts)))
    host, _, port = coordinator.rpartition(":")
    if not (port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) < 1 << 16):
        raise words.Disagreement(
            f"--coordinator {coordinator}: expected HOST:PORT, a port below 65536"
        )
    deadline = time.monotonic() + start_seconds
    if own.process > 0:
        with _connect(host.strip("[]"), int(port), own, deadline, start_seconds) as connection:
            _obey(connection, own, load, deadline, start_seconds)
        return
    with roll_keeper.listen(int(port)) as listener, roll_keeper.Roll(listener, own) as roll:
        roll.gather(deadline, start_seconds)
        roll.compare(lambda: json.loads(json.dumps(load())))
        roll.dismiss()


def _connect(
    host: str, port: int, own: Facts, deadline: float, start_seconds: float
) -> socket.socket:
    """A connection to process 0, which has heard who this is."""
    strange_until = None  # when something that is not process 0 has answered for long enough
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, UnicodeError):  # a name that can't be one, among others
            connection = socket.create_connection((host, port), 5)
            strange_until = strange_until or time.monotonic() + roll_keeper.HELLO_SECONDS
            if _is_heard(connection, own):
                return connection
        if strange_until is not None and time.monotonic() > strange_until:
            raise JobError(
                f"what listens at {host}:{port} is not process 0 of a job that starts; "
                "give all processes a --coordinator whose port is free, and start all of them"
            )
        time.sleep(PAUSE_SECONDS)
    raise words.absence([0], start_seconds)


def _is_heard(connection: socket.socket, own: Facts) -> bool:
    """Whether it is process 0 that answers; closes the connection if not."""
    heard = False
    try:
        connection.settimeout(roll_keeper.HELLO_SECONDS)
        connection.sendall(words.line(**own._asdict()))
        heard = _next_line(connection) is not None
    finally:
        if not heard:
            connection.close()
    return heard


def _obey(
    connection: socket.socket, own: Facts, load: Load, deadline: float, start_seconds: float
) -> None:
    """Does as process 0 answers, until it lets all go on."""
    connection.settimeout(max(deadline - time.monotonic(), 1) + roll_keeper.REFUSING_SECONDS)
    while True:
        answer = None
        with contextlib.suppress(OSError):
            answer = _next_line(connection)
        match answer:
            case {"go": True}:
                return
            case {"load": True}:
                found = own._replace(facts=load())
                connection.settimeout(roll_keeper.LOADING_SECONDS)
                with contextlib.suppress(OSError):  # it has gone, as the next answer tells
                    connection.sendall(words.line(**found._asdict()))
            case {"refused": str(reason)}:
                raise words.refusal(reason)
            case {"missing": list(numbers)}:
                raise words.absence(numbers, start_seconds)
            case {"gone": int(number)}:
                raise words.departure(number)
            case _:
                raise words.departure(0)


def _next_line(connection: socket.socket) -> dict[str, Any] | None:
    """The next message; None of anything else. Reads not one byte beyond its end."""
    text = b""
    while not text.endswith(b"\n") and len(text) <= words.MOST_BYTES:
        peeked = connection.recv(1 << 16, socket.MSG_PEEK)
        if not peeked:
            return None
        text += connection.recv(len(peeked.partition(b"\n")[0]) + (b"\n" in peeked))
    return words.read_line(text)
