"""Process 0's side of the roll call: it notes who comes, compares them, and answers all alike."""

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from jaxconv.runs import roll_words as words
from jaxconv.runs.roll_words import Facts, JobError

HELLO_SECONDS = 10  # within which a connection must say what it is
REFUSING_SECONDS = 10  # for how long those that still come are told of a refusal
LOADING_SECONDS = 1800  # how long one may be later than another with its data


def listen(port: int) -> socket.socket:
    """A socket at all addresses of this machine.

    Raises:
        JobError: the port is in use.
    """
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    dual = family == socket.AF_INET6
    try:
        return socket.create_server(("", port), family=family, dualstack_ipv6=dual, backlog=1024)
    except OSError as error:
        raise JobError(
            f"can't listen at port {port} ({os.strerror(error.errno or 0)}): is another process 0 "
            "running here? give all processes another --coordinator"
        ) from error


class _Peer:
    """A connection, and what has come over it."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.received = b""
        self.until = time.monotonic() + HELLO_SECONDS
        self.said: Facts | None = None  # at first
        self.more: Facts | None = None  # once its data is loaded

    def send(self, **answer: Any) -> None:
        with contextlib.suppress(OSError):  # it has gone, which is seen when it is read from
            self.connection.sendall(words.line(**answer))


class Roll:
    """The roll of one job, a context that closes every connection at its end."""

    def __init__(self, listener: socket.socket, own: Facts):
        self._own, self._listener = own, listener
        self._present: dict[int, _Peer] = {}
        self._wrong: list[str] = []  # what is refused, in words
        self._refused: set[int] = set()  # who has been told so
        self._gone: int | None = None  # the first that went after all had come
        self._complete = False  # all have come
        self._selector = selectors.DefaultSelector()
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)

    def __enter__(self) -> "Roll":
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self._peers():
            peer.connection.close()
        self._selector.close()

    def gather(self, deadline: float, start_seconds: float) -> None:
        """Until all have come and said the same; raises in all of them if that is not to be."""
        everybody = self._own.processes - 1
        self._until(deadline, lambda: bool(self._wrong) or len(self._present) == everybody)
        if self._wrong:
            reason = words.shortened(self._wrong)
            self._answer(refused=reason)
            self._refused |= {*self._present}
            until = time.monotonic() + REFUSING_SECONDS
            self._until(until, lambda: len(self._refused) == everybody)
            raise words.refusal(reason)
        if missing := sorted({*range(1, self._own.processes)} - {*self._present}):
            self._answer(missing=missing)
            raise words.absence(missing, start_seconds)
        self._complete = True
        self._selector.unregister(self._listener)
        self._listener.close()

    def compare(self, load: Callable[[], Mapping[str, Any]]) -> None:
        """The same of what all of them `load` now; raises as soon as one has gone."""
        self._answer(load=True)
        own, peers = self._own._replace(facts=load()), self._present
        deadline = time.monotonic() + LOADING_SECONDS
        self._until(
            deadline, lambda: self._gone is not None or all(peer.more for peer in peers.values())
        )
        if self._gone is not None:
            self._answer(gone=self._gone)
            raise words.departure(self._gone)
        if late := sorted(number for number, peer in peers.items() if peer.more is None):
            self._answer(missing=late)
            raise words.absence(late, LOADING_SECONDS)
        wrong = [
            each
            for _, peer in sorted(peers.items())
            for each in words.differences(own, peer.more or own)
        ]
        if wrong:
            reason = words.shortened(wrong)
            self._answer(refused=reason)
            raise words.refusal(reason)

    def dismiss(self) -> None:
        """Lets all go on."""
        self._answer(go=True)

    def _answer(self, **answer: Any) -> None:
        for peer in self._present.values():
            peer.send(**answer)

    def _peers(self) -> list[_Peer]:
        return [key.data for key in self._selector.get_map().values() if key.data is not None]

    def _until(self, deadline: float, met: Callable[[], bool]) -> None:
        while not met() and (now := time.monotonic()) < deadline:
            for key, _ in self._selector.select(min(deadline - now, 1)):
                if key.data is None:
                    self._accept()
                else:
                    self._read(key.data)
            for peer in self._peers():
                if peer.said is None and time.monotonic() > peer.until:
                    self._drop(peer)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it has gone already, or there are too many of them
            return
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, _Peer(connection))

    def _read(self, peer: _Peer) -> None:
        try:
            received = peer.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        peer.received += received
        if not received or len(peer.received) > words.MOST_BYTES:
            self._drop(peer)
            return
        while b"\n" in peer.received:
            text, _, peer.received = peer.received.partition(b"\n")
            said = words.read_hello(text)
            if said is None or (peer.said is not None and not self._complete):
                self._drop(peer)
                return
            self._note(peer, said)

    def _note(self, peer: _Peer, said: Facts) -> None:
        if self._complete:
            peer.more = said
            return
        peer.said = said
        peer.send(heard=True)
        if self._refused or self._wrong:
            peer.send(refused=words.shortened(self._wrong))
            self._refused.add(said.process)
        elif said.process in self._present or said.process == 0:
            self._wrong.append(f"two processes are --process {said.process}")
            peer.send(refused=self._wrong[-1])
        else:
            self._wrong += words.differences(self._own, said)
            self._present[said.process] = peer

    def _drop(self, peer: _Peer) -> None:
        self._selector.unregister(peer.connection)
        peer.connection.close()
        for number in [number for number, other in self._present.items() if other is peer]:
            del self._present[number]
            if self._complete and self._gone is None:
                self._gone = number
