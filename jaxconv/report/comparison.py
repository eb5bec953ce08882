"""Several runs beside each other: a table, what their configs differ in, and their curves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxconv.report.figures import BLUE, GREEN, MUTED, PURPLE, SERIES, VERMILION, dress, new_figure
from jaxconv.runs.run_dir import RunDir, RunDirError, flatten, read_json, read_metrics

FIELDS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
COLOURS = (BLUE, VERMILION, GREEN, PURPLE)
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


@dataclass(frozen=True)
class Record:
    """What a run left behind, as far as runs are compared."""

    name: str
    rows: Sequence[Mapping[str, Any]]  # of metrics.jsonl; at least one
    config: Mapping[str, Any]  # by dotted field names
    dataset: str


def read_record(run: RunDir, name: str) -> Record:
    """Reads what `compare_table` and `compare_curves` need.

    Raises:
        RunDirError: no epoch is done, or a file is damaged.
    """
    rows = read_metrics(run)
    if not rows:
        raise RunDirError(f"{run.path} has no epoch to compare yet; train in it first")
    dataset = read_json(run.environment_json)["data"]["name"]
    return Record(name, rows, flatten(read_json(run.config_json)), dataset)


def compare_table(records: Sequence[Record]) -> str:
    """A line for each run, then one for each config field in which they differ."""
    head = (
        "run",
        "data",
        "epochs",
        "test %",
        "best %",
        "test loss",
        "train %",
        "minutes",
        "images/s",
    )
    table = [head, *(_line(record) for record in records)]
    lines = _aligned(table)
    names = sorted({name for record in records for name in record.config})
    differing = [name for name in names if len({_told(record, name) for record in records}) > 1]
    if differing:
        told = [(name, *(_told(record, name) for record in records)) for name in differing]
        lines += ["", *_aligned([("differs in", *(record.name for record in records)), *told])]
    return "\n".join(lines)


def compare_curves(records: Sequence[Record]) -> Figure:
    """Losses and accuracies over the epochs, all runs on each of four panels.

    A run is known by colour and dashes alike; after 16 runs they repeat.
    """
    figure = new_figure(9.0, 6.8, title="Runs compared")
    for axes, field in zip(figure.subplots(2, 2).flat, FIELDS, strict=True):
        for number, record in enumerate(records):
            epochs, values = [[row[of] for row in record.rows] for of in ("epoch", field)]
            colour, style = look(number)
            axes.plot(epochs, values, color=colour, linestyle=style, linewidth=1.8)
            axes.plot(epochs[-1:], values[-1:], "o", color=colour, markersize=5)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
        axes.set_xlabel("Epoch", color=MUTED)
        dress(axes, SERIES[field][0], "")
    names = [record.name for record in records]
    handles, columns = axes.lines[::2], 3 if max(map(len, names)) <= 25 else 1
    legend = figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a name is data, not markup
    return figure


def look(number: int) -> tuple[str, Any]:
    """Colour and dashes of a run's curves: of the first 16, no two have both."""
    dashes = DASHES[(number + number // len(COLOURS)) % len(DASHES)]
    return COLOURS[number % len(COLOURS)], dashes


def _line(record: Record) -> tuple[str, ...]:
    last = record.rows[-1]
    best = max(record.rows, key=lambda row: row["test_accuracy"])
    seconds = [row["seconds"] for row in record.rows]
    images = sum(row["images_per_second"] * row["seconds"] for row in record.rows)
    return (
        record.name,
        record.dataset,
        f"{last['epoch']}/{record.config.get('epochs', '?')}",
        f"{last['test_accuracy']:.2f}",
        f"{best['test_accuracy']:.2f} ({best['epoch']})",
        f"{last['test_loss']:.4f}",
        f"{last['train_accuracy']:.2f}",
        f"{sum(seconds) / 60:.1f}",
        f"{images / max(sum(seconds), 1e-9):.0f}",
    )


def _told(record: Record, name: str, length: int = 40) -> str:
    if name not in record.config:
        return "absent"
    text = json.dumps(record.config[name])
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
