"""The table and the picture of `benchmarks.budget`, from its record."""

import statistics
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxconv.palette import BLUE, GREEN, INK, MUTED, PURPLE, VERMILION
from jaxconv.report.style import dress, new_figure

OCHRE = "#8A6D00"  # a seventh colour, which no other picture needs
LOOKS = (
    (INK, "o"), (MUTED, "v"), (VERMILION, "s"), (GREEN, "^"), (BLUE, "D"), (PURPLE, "P"),
    (OCHRE, "X"),
)  # fmt: skip
BARS = "Mean of the seeds. Vertical bars: range of the seeds; horizontal: range of the timed pairs."


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
    """Lines of Markdown: a row for each kind, with its seeds and the range of its pairs."""
    lines = [
        "| in place of the standard convolutions | parameters | multiply-adds "
        "| receptive field | time of a step | test accuracy |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for kind in record["kinds"]:
        reached, step = accuracies(kind), kind["step"]
        share, least, most = (f"{100 * share:.0f}" for share in step_shares(kind))
        mark = "" if step["steady"] else "\\*"
        seeds = ", ".join(f"{accuracy:.1f}" for accuracy in reached)
        lines.append(
            f"| {kind['name']} | {kind['parameters']:,} | {kind['multiply_adds']:,} "
            f"| {kind['receptive_field']} | {share} % ({least} to {most}){mark} "
            f"| {statistics.mean(reached):.1f} % ({seeds}) |"
        )
    return lines


def budget_figure(record: Mapping[str, Any]) -> Figure:
    """Accuracy against each budget: the mean of the seeds, a bar over their range."""
    data, step = record["data"], 1000 * standard_seconds(record)
    title = f"{data['train']:,} images of {data['name']}, epochs: {record['epochs']}"
    figure = new_figure(9.0, 4.2, title=f"Accuracy for a budget ({title})")
    panels = figure.subplots(1, 3, sharey=True)
    for axes, name, unit in (
        (panels[0], "Parameters", "thousands"),
        (panels[1], "Multiply-adds", "millions per image"),
        (panels[2], "Time of a step", f"% of the standard network's {step:.0f} ms"),
    ):
        dress(axes, name, "")
        axes.set_xlabel(unit, color=MUTED)
    panels[0].set_ylabel("Test accuracy (%)", color=MUTED)
    for kind, (colour, marker) in zip(record["kinds"], LOOKS, strict=True):
        look = {"color": colour, "fmt": marker, "markersize": 7, "label": kind["name"]}
        share, least, most = (100 * share for share in step_shares(kind))
        _point(panels[0], kind, kind["parameters"] / 1e3, look)
        _point(panels[1], kind, kind["multiply_adds"] / 1e6, look)
        _point(panels[2], kind, share, look, xerr=[[share - least], [most - share]])
    for axes in panels:
        axes.set_xlim(left=0)
    handles, labels = panels[0].get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9, title=BARS
    )
    legend.get_title().set(fontsize=9, color=MUTED)
    return figure


def _point(
    axes: Axes, kind: Mapping[str, Any], x: float, look: Mapping[str, Any], **more: Any
) -> None:
    reached = accuracies(kind)
    middle = statistics.mean(reached)
    spread = [[middle - min(reached)], [max(reached) - middle]]
    axes.errorbar([x], [middle], yerr=spread, **look, **more)
