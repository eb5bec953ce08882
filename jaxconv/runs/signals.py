"""SIGINT, SIGTERM and SIGHUP: at once where there is nothing to save, else after saving."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn


class Stopped(KeyboardInterrupt):
    """The process was told to end, and does so at once."""

    def __init__(self, number: int):
        super().__init__(number)
        self.exit_code = 128 + number


class StopRequest:
    """A context in which the three signals raise `Stopped`, so that it is cleaned up behind them.

    SIGHUP is that of a terminal that was closed; where it is ignored, as under nohup, it stays so.

    Inside `deferred()` the first signal is only noted, for a loop that asks `stop()` and saves;
    a second SIGINT raises even there. Any that follow `Stopped` end the process without cleaning.
    Where Python swallows `Stopped`, as in a callback of the garbage collector, or C code makes
    another exception of it, `check()` raises it again.
    """

    def __init__(self) -> None:
        self._noted: int | None = None
        self._deferred = False
        self._raised = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        for number in _heard():
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Whether a signal was noted."""
        return self._noted is not None

    @property
    def exit_code(self) -> int:
        """What a shell reports for the signal: 128 and its number; 0 without one."""
        return 0 if self._noted is None else 128 + self._noted

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """A context in which the first signal is noted instead."""
        self.check()
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def check(self) -> None:
        """Raises `Stopped` if it was raised before."""
        if self._raised:
            raise Stopped(self._noted or signal.SIGTERM)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first = self._noted is None
        if first:
            self._noted = number
        if not self._deferred or (not first and number == signal.SIGINT):
            for each in self._before:
                signal.signal(each, signal.SIG_DFL)
            self._raised = True
            raise Stopped(number)
        if first:
            name = signal.Signals(number).name
            text = f"\n{name}: saving, then stopping (Ctrl-C again: at once)\n"
            with contextlib.suppress(OSError):  # a terminal that has gone
                os.write(2, text.encode())  # print is not safe inside a signal handler


def _heard() -> list[signal.Signals]:
    heard = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        heard.append(signal.SIGHUP)  # POSIX only
    return heard


def end_at_once(code: int) -> NoReturn:
    """Ends the process without what Python does at its end: waiting for threads, among others."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # closed, or nobody reads it
            stream.flush()
    os._exit(code)
