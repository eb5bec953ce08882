"""The first SIGINT or SIGTERM asks a run to stop and save; a second SIGINT ends it at once."""

import signal
import sys
from types import FrameType


class StopRequest:
    """A context in which the two signals are noted instead of ending the process."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Whether the run was asked to stop."""
        return self.number is not None

    @property
    def exit_code(self) -> int:
        """What a shell reports for the signal: 130 for SIGINT, 143 for SIGTERM; 0 without one."""
        return 0 if self.number is None else 128 + self.number

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number
        name = signal.Signals(number).name
        print(f"\n{name}: saving, then stopping (Ctrl-C again: at once)", file=sys.stderr)
