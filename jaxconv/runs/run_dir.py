"""What a run leaves behind: one directory, files that are whole or not there at all.

Every file but `metrics.jsonl` is written under a temporary name and renamed, so that a kill leaves
the version before. `metrics.jsonl` grows by one synced line an epoch; a line torn by a kill is
dropped by the reader and removed by `truncate_metrics`, which going on calls first.
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxconv.errors import JaxconvError
from jaxconv.files import open_to_append, write_whole
from jaxconv.text import one_line

MOST_BYTES = 64 << 20  # of a text file of a run
NOTHING: Mapping[str, Any] = {}


class RunDirError(JaxconvError):
    """A run directory that cannot be used as asked: one line, with the path and the remedy."""


def _inside(name: str) -> property:
    return property(lambda run: run.path / name)


@dataclass(frozen=True)
class RunDir:
    """The absolute path of a run directory, and the paths inside it."""

    path: Path
    config_json = _inside("config.json")
    environment_json = _inside("environment.json")
    summary_txt = _inside("summary.txt")
    metrics_jsonl = _inside("metrics.jsonl")
    checkpoints = _inside("checkpoints")
    figures = _inside("figures")
    report_html = _inside("report.html")


def create(workdir: str | Path) -> RunDir:
    """Makes `workdir` if need be and proves by a probe file that it can be written.

    A relative path is resolved here, once: a later change of directory moves nothing, and
    checkpoint libraries that insist on absolute paths are content.

    Raises:
        RunDirError: `workdir` is empty, is no directory, or cannot be made or written.
    """
    run = _resolve(workdir)
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=run.path) as probe:
            probe.write(b"probe")
    except OSError as error:
        raise RunDirError(
            f"cannot write to workdir {run.path} ({error.strerror or error}); "
            "give a --workdir that you can write to"
        ) from error
    return run


def load(workdir: str | Path) -> RunDir:
    """Returns the run directory of an earlier run.

    Raises:
        RunDirError: `workdir` holds no `config.json`.
    """
    run = _resolve(workdir)
    if not run.config_json.is_file():
        raise RunDirError(
            f"{run.path} is no run directory: it has no {run.config_json.name}; "
            "give the --workdir of a training run"
        )
    return run


def claim(
    run: RunDir,
    config: Mapping[str, Any],
    *,
    may_differ: Sequence[str] = (),
    added: Mapping[str, Any] = NOTHING,
) -> bool:
    """Binds the directory to `config`: writes `config.json`, or checks the one that is there.

    Args:
        config: nested dict of plain values; tuples count as lists, as JSON reads them back.
        may_differ: dotted names of fields that may change between visits, such as "data.dir";
            the file then takes their new values.
        added: dotted names of fields that older versions did not have, and the value that stands
            for their absence.

    Returns:
        True where the directory already belonged to this config, so that the run goes on.

    Raises:
        RunDirError: the directory belongs to another config, or holds results without a config.
    """
    known = require_config(run, config, may_differ=may_differ, added=added)
    write_json(run.config_json, config)
    return known


def require_config(
    run: RunDir,
    config: Mapping[str, Any],
    *,
    may_differ: Sequence[str] = (),
    added: Mapping[str, Any] = NOTHING,
) -> bool:
    """What `claim` checks; nothing is written."""
    if not run.config_json.is_file():
        _require_unused(run)
        return False
    before = {**json.loads(_to_json(added)), **flatten(read_json(run.config_json))}
    _require_same(run, before, flatten(json.loads(_to_json(config))), set(may_differ))
    return True


def append_metrics(run: RunDir, row: Mapping[str, Any]) -> None:
    """Adds one epoch to `metrics.jsonl`; it is on the disk when this returns.

    Raises:
        ValueError: a value is not finite: JSON has no word for it.
    """
    for name, value in row.items():
        if not np.isfinite(value):
            raise ValueError(f"metric {name} must be finite, got {value}; the run has diverged")
    with open_to_append(run.metrics_jsonl) as file:
        file.write(_to_json(row).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_metrics(run: RunDir) -> list[dict[str, Any]]:
    """Returns the rows of `metrics.jsonl`, [] without the file; a torn last line is left out.

    Raises:
        RunDirError: a line before the last one cannot be read.
    """
    if not run.metrics_jsonl.is_file():
        return []
    *lines, _torn = run.metrics_jsonl.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_row(line))
        except (RecursionError, ValueError) as error:
            raise RunDirError(
                f"{run.metrics_jsonl} line {number} is no epoch in JSON; remove that line to go on"
            ) from error
    return rows


def truncate_metrics(run: RunDir, *, after_epoch: int) -> list[dict[str, Any]]:
    """Drops the rows of epochs beyond `after_epoch`, and a torn line; returns the rows kept.

    Going on from the checkpoint of epoch e repeats the epochs after e: with this first, no
    epoch stands in the file twice.
    """
    rows = [row for row in read_metrics(run) if row["epoch"] <= after_epoch]
    write_whole(run.metrics_jsonl, "".join(_to_json(row) + "\n" for row in rows))
    return rows


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as readable JSON, whole or not at all."""
    write_whole(path, _to_json(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Returns the object in a JSON file of a run; raises as `read_text` does."""
    return _read(path, _object)


def read_text(path: Path) -> str:
    """Returns a text file of a run.

    Raises:
        RunDirError: the file is missing or damaged.
    """
    return _read(path, str)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested fields by their dotted names.

    >>> flatten({"seed": 0, "data": {"dir": None}})
    {'seed': 0, 'data.dir': None}
    """
    flat = {}
    for name, value in config.items():
        inner = isinstance(value, Mapping) and value
        flat |= flatten(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return flat


def _resolve(workdir: str | Path) -> RunDir:
    if not str(workdir):
        raise RunDirError("workdir is empty; give --workdir the path of a directory")
    try:
        return RunDir(Path(workdir).expanduser().resolve())
    except (OSError, RuntimeError, ValueError) as error:  # no such user, links in a circle, a NUL
        raise RunDirError(
            f"workdir {workdir} is no path ({one_line(error)}); give --workdir another one"
        ) from error


def _require_same(run: RunDir, old: dict, new: dict, may_differ: set[str]) -> None:
    for name in (*new, *(name for name in old if name not in new)):
        before, now = (json.dumps(side[name]) if name in side else "absent" for side in (old, new))
        if before != now and name not in may_differ:
            shown = json.dumps(name)[1:-1]  # one line, whatever is in the file
            raise RunDirError(
                f"workdir {run.path} belongs to another config: {shown} is {before} there and "
                f"{now} now; set it back to go on, or give a new --workdir"
            )


def _require_unused(run: RunDir) -> None:
    for path in (run.checkpoints, run.metrics_jsonl):
        if path.exists():
            raise RunDirError(
                f"workdir {run.path} holds {path.name} but no {run.config_json.name}, so it is "
                "unknown which config made it; give a new --workdir"
            )


def _read(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MOST_BYTES:  # a pipe would be waited for
            raise ValueError("no plain file, or too large for one of a run")
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror
    except (RecursionError, ValueError) as error:
        reason = str(error)
    raise RunDirError(f"cannot read {path} ({reason}); restore it, or give a new --workdir")


def _object(text: str | bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, found {type(value).__name__}")
    return value


def _row(line: bytes) -> dict[str, Any]:
    row = _object(line)
    if type(row.get("epoch")) is not int:
        raise ValueError("it has no epoch")
    _to_json(row)  # refuses what is not finite
    return row


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a run directory holds plain values only, got {value!r}")
