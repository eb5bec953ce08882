"""Silence for what Orbax and TensorStore print of errors that they also raise."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxconv.training.checkpoint_files import CheckpointError

LATE = "Event loop is closed"


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """A context without what Orbax and TensorStore print of errors that they also raise.

    Once one of TensorStore's reads or writes fails, the others find their event loop closed, and
    say so, each with a traceback, from threads of their own; Orbax does so of a save that the end
    of the process overtakes, and Python of a coroutine of Orbax's that an error kept from being
    awaited. After a save that failed, and after Ctrl-C, it stays: more may come
    until the process ends.
    """
    before = sys.excepthook, sys.unraisablehook
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]

    def except_(kind: type, error: BaseException, frames: Any) -> None:
        if str(error) != LATE:
            before[0](kind, error, frames)

    def unraisable_(unraisable: Any) -> None:
        if str(unraisable.exc_value) != LATE:
            before[1](unraisable)

    filters = contextlib.ExitStack()

    def restore() -> None:
        filters.close()
        sys.excepthook, sys.unraisablehook = before
        for logger in loggers:
            logger.removeFilter(_is_worth_telling)

    filters.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    sys.excepthook, sys.unraisablehook = except_, unraisable_
    nested = _is_worth_telling in loggers[0].filters
    for logger in loggers:
        logger.addFilter(_is_worth_telling)
    if nested:
        loggers.clear()
    try:
        yield
    except (CheckpointError, KeyboardInterrupt):  # the program is about to end
        raise
    except BaseException:
        restore()
        raise
    restore()


def _is_worth_telling(record: logging.LogRecord) -> bool:
    """Whether a log record is neither Orbax's nor of a late call of TensorStore's."""
    of_orbax = record.name == "absl" and "orbax" in Path(record.pathname).parts
    return not of_orbax and record.name != "asyncio"
