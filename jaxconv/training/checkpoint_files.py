"""The files of checkpoints as they lie there, before Orbax is asked: which, and what is wrong."""

import contextlib
import json
import stat
from pathlib import Path

from jaxconv.errors import JaxconvError
from jaxconv.text import one_line


class CheckpointError(JaxconvError):
    """A checkpoint can't be written or used; the message says which, why and what to do."""


class CheckpointDamaged(CheckpointError):
    """A checkpoint does not hold what was saved in it."""


def places(directory: Path) -> dict[int, Path]:
    """The checkpoints in a directory by step; none where it is not there."""
    found = directory.iterdir() if directory.is_dir() else ()
    return {int(path.name): path for path in found if path.name.isdecimal()}


def strange_checkpoints(directory: Path) -> dict[int, str]:
    """What is wrong, by step, with checkpoints that Orbax would fail at, or wait for."""
    reasons = {step: _strangeness(path) for step, path in places(directory).items()}
    return {
        step: f"{directory / str(step)} can't be read ({reason})"
        for step, reason in reasons.items()
        if reason
    }


def _strangeness(place: Path) -> str | None:
    if len(place.name) > 12:
        return "no run has so many steps"
    with contextlib.suppress(FileNotFoundError):  # the run itself may remove it in this moment
        for path in [place, *place.rglob("*")]:
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                return f"{path.name} is a link, a pipe or a device"
        try:
            told = json.loads((place / "_CHECKPOINT_METADATA").read_bytes())
            times = [told.get(f"{name}_timestamp_nsecs") for name in ("init", "commit")]
            if not all(time is None or (type(time) is int and 0 <= time < 2**63) for time in times):
                return "its times are none"
            if (metrics := place / "metrics" / "metrics").exists():
                accuracy = json.loads(metrics.read_bytes())["test_accuracy"]
                if type(accuracy) not in (int, float) or not 0 <= accuracy <= 100:
                    return "its accuracy is none"
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            return one_line(error)
    return None
