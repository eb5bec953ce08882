"""Several runs beside each other: a table, what they differ in, and their curves."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from jaxconv.palette import BLUE, GREEN, PURPLE, VERMILION
from jaxconv.report.history import Rows, best, images_per_second, last, seconds, series, tidy
from jaxconv.report.style import dress, fit, new_figure, over_epochs
from jaxconv.runs.run_dir import (
    NOTHING,
    RunDir,
    RunDirError,
    flatten,
    read_json,
    read_metrics,
    read_text,
)
from jaxconv.text import printable

CURVES = {
    "train_loss": "Training loss",
    "test_loss": "Test loss",
    "train_accuracy": "Training accuracy (%)",
    "test_accuracy": "Test accuracy (%)",
}
COLOURS = (BLUE, VERMILION, GREEN, PURPLE)
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
UNKNOWN = "?"

_SURROUNDINGS = ("git.commit", "git.dirty", "versions.jax", "device.kind", "device.count")
"""Fields of environment.json that can change a result or its speed."""


@dataclass(frozen=True)
class Record:
    """What a run left behind, as far as runs are compared."""

    name: str
    rows: Rows  # as `history.tidy` gives them; at least one
    config: Mapping[str, Any]  # by dotted field names
    surroundings: Mapping[str, Any]  # of environment.json, by dotted names
    dataset: str
    parameters: str  # "193,376"; "?" where the run does not tell
    multiply_adds: str  # of one image, likewise


def read_record(run: RunDir, name: str, *, added: Mapping[str, Any] = NOTHING) -> Record:
    """Reads what `compare_table` and `compare_curves` need; what a run does not tell is "?".

    Args:
        added: dotted names of config fields that older versions did not have, and the value that
            stands for their absence.

    Raises:
        RunDirError: no epoch is done, or a file is missing or is not what its name says.
    """
    rows = tidy(read_metrics(run))
    if not rows:
        raise RunDirError(f"{run.path} has no epoch to compare yet; train in it first")
    environment = flatten(read_json(run.environment_json))
    summary = read_text(run.summary_txt) if run.summary_txt.is_file() else ""
    return Record(
        name,
        rows,
        {**added, **flatten(read_json(run.config_json))},
        {name: environment[name] for name in _SURROUNDINGS if name in environment},
        printable(environment.get("data.name", UNKNOWN)),
        _total(summary, "Total params"),
        _total(summary, "Multiply-adds"),
    )


def compare_table(records: Sequence[Record]) -> str:
    """A line for each run, then one for each field of config and environment that differs."""
    head = (
        "run",
        "data",
        "parameters",
        "multiply-adds",
        "epochs",
        "test %",
        "best %",
        "test loss",
        "train %",
        "minutes",
        "images/s",
    )
    lines = _aligned([head, *(_line(record) for record in records)])
    for title, values in (
        ("config differs in", [record.config for record in records]),
        ("environment differs in", [record.surroundings for record in records]),
    ):
        names = sorted({name for fields in values for name in fields})
        differing = [name for name in names if len({_value(fields, name) for fields in values}) > 1]
        if differing:
            told = [
                (
                    printable(name),
                    *(printable(_value(fields, name), longest=40) for fields in values),
                )
                for name in differing
            ]
            runs = [printable(record.name) for record in records]
            lines += ["", *_aligned([(title, *runs), *told])]
    return "\n".join(lines)


def compare_curves(records: Sequence[Record]) -> Figure:
    """Losses and accuracies over the epochs, all runs on each of four panels.

    A run is known by colour and dashes alike; after 16 runs they repeat.
    """
    figure = new_figure(9.0, 6.8, title="Runs compared")
    for axes, (field, title) in zip(figure.subplots(2, 2).flat, CURVES.items(), strict=True):
        for number, record in enumerate(records):
            epochs, values = series(record.rows, field)
            colour, style = look(number)
            axes.plot(epochs, values, color=colour, linestyle=style, linewidth=1.8)
            axes.plot(epochs[-1:], values[-1:], "o", color=colour, markersize=5)
        over_epochs(axes)
        dress(axes, title, "")
    names = [fit(printable(record.name), 8.0) for record in records]
    handles, columns = figure.axes[0].lines[::2], 3 if max(map(len, names)) <= 25 else 1
    legend = figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a name is data, not markup
    return figure


def look(number: int) -> tuple[str, Any]:
    """Colour and dashes of a run's curves: of the first 16, no two have both."""
    dashes = DASHES[(number + number // len(COLOURS)) % len(DASHES)]
    return COLOURS[number % len(COLOURS)], dashes


def _line(record: Record) -> tuple[str, ...]:
    rows, top = record.rows, best(record.rows)
    of = printable(record.config.get("epochs", UNKNOWN), longest=12)
    return (
        printable(record.name),
        record.dataset,
        record.parameters,
        record.multiply_adds,
        f"{rows[-1]['epoch']}/{of}",
        _told(last(rows, "test_accuracy"), "{:.2f}"),
        f"{top['test_accuracy']:.2f} ({top['epoch']})" if top else UNKNOWN,
        _told(last(rows, "test_loss"), "{:.4f}"),
        _told(last(rows, "train_accuracy"), "{:.2f}"),
        _told(seconds(rows) / 60, "{:.1f}"),
        _told(images_per_second(rows), "{:.0f}"),
    )


def _told(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else form.format(value)


def _total(summary: str, name: str) -> str:
    """A total of the table of layers, as it stands there."""
    found = re.search(rf"^{name}: ([\d,]{{1,30}})$", summary, flags=re.MULTILINE)
    return found[1] if found else UNKNOWN


def _value(fields: Mapping[str, Any], name: str) -> str:
    return json.dumps(fields[name], ensure_ascii=False) if name in fields else "absent"


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
