"""The table and the picture of `benchmarks.budget`, from its record."""

import statistics
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.kinds import STANDARD
from jaxconv.palette import BLUE, GREEN, INK, MUTED, PURPLE, VERMILION
from jaxconv.report.style import dress, new_figure

LOOKS = (
    (INK, "o"), (MUTED, "v"), (VERMILION, "s"), (GREEN, "^"), (BLUE, "D"), (PURPLE, "P"),
    (MUTED, "X"),
)  # fmt: skip


def accuracies(kind: Mapping[str, Any]) -> list[float]:
    return [trained["test_accuracy"] for trained in kind["trainings"]]


def step_shares(kind: Mapping[str, Any]) -> tuple[float, float, float]:
    """Time of a step over that of the standard network: the median pair's, least and most."""
    step = kind["step"]
    return 1 / step["ratio"], 1 / step["high"], 1 / step["low"]


def standard_seconds(record: Mapping[str, Any]) -> float:
    """Of a step of the standard network, the median over all comparisons."""
    return statistics.median(kind["step"]["b_seconds"] for kind in record["kinds"])


def budget_table(record: Mapping[str, Any]) -> list[str]:
    """Lines of Markdown: a row for each kind, with the range of its seeds and of its pairs."""
    lines = [
        "| in the place of the standard convolutions | parameters | multiply-adds "
        "| receptive field | time of a step | test accuracy |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for kind in record["kinds"]:
        reached, (share, least, most) = accuracies(kind), step_shares(kind)
        mark = "" if kind["step"]["steady"] else "\\*"
        spread = " and ".join(f"{accuracy:.1f}" for accuracy in reached)
        lines.append(
            f"| {kind['name']} | {kind['parameters']:,} | {kind['multiply_adds']:,} "
            f"| {kind['receptive_field']} | {share:.0%} ({least:.0%} to {most:.0%}){mark} "
            f"| {statistics.mean(reached):.1f} % ({spread}) |".replace("%", " %").replace("  %", " %")
        )
    return lines


def budget_figure(record: Mapping[str, Any]) -> Figure:
    """Accuracy against each budget: the mean of the seeds, a line over their range."""
    data = record["data"]
    title = f"{data['train']:,} images of {data['name']}, {record['epochs']} epochs"
    figure = new_figure(9.0, 4.2, title=f"Accuracy for a budget: {title}")
    panels = figure.subplots(1, 3, sharey=True)
    step = standard_seconds(record) * 1000
    for axes, name, note in zip(
        panels,
        ("Parameters", "Multiply-adds", "Time of a training step"),
        ("", "an image", f"standard: {step:.0f} ms"),
        strict=True,
    ):
        dress(axes, name, note)
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel("Test accuracy (%)", color=MUTED)
    for kind, (colour, marker) in zip(record["kinds"], LOOKS, strict=True):
        look = {"color": colour, "fmt": marker, "markersize": 7, "label": kind["name"]}
        share, least, most = step_shares(kind)
        _point(panels[0], kind, kind["parameters"], look)
        _point(panels[1], kind, kind["multiply_adds"], look)
        _point(panels[2], kind, share, look, xerr=[[share - least], [most - share]])
    for axes, ticks, text in (
        (panels[0], (60_000, 100_000, 200_000), lambda x, _: f"{x / 1e3:.0f} k"),
        (panels[1], (5e6, 10e6, 15e6), lambda x, _: f"{x / 1e6:.0f} M"),
        (panels[2], None, lambda x, _: f"{x:.0%}"),
    ):
        if ticks:
            axes.set_xticks(ticks)
        axes.xaxis.set_major_formatter(FuncFormatter(text))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _point(axes: Axes, kind: Mapping[str, Any], x: float, look: dict[str, Any], **more: Any):
    reached = accuracies(kind)
    middle = statistics.mean(reached)
    spread = [[middle - min(reached)], [max(reached) - middle]]
    axes.errorbar([x], [middle], yerr=spread, **look, **more)
