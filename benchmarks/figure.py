"""The picture of a benchmark: a row for each opponent or shape, a point for each measurement."""

from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from benchmarks.result import Result
from jaxconv.palette import BLUE, GREEN, INK, LINES, MUTED, PURPLE, VERMILION

STYLES = ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"), (PURPLE, "D"))


def ratios(found: Sequence[Result], *, title: str) -> Figure:
    """Draws how many times as fast ours is, with the range of the pairs, on a logarithmic axis."""
    rows = list(dict.fromkeys(result.against for result in found))
    kinds = list(dict.fromkeys(result.ours for result in found))
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(9.0, 1.4 + 0.24 * len(rows)), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    axes = figure.add_subplot()
    axes.axvline(1, color=INK, linewidth=1.2)
    for kind, (colour, marker) in zip(kinds, STYLES * len(kinds), strict=False):
        points = [result for result in found if result.ours == kind]
        middle = [point.comparison.ratio for point in points]
        spread = [
            [point.comparison.ratio - point.comparison.low for point in points],
            [point.comparison.high - point.comparison.ratio for point in points],
        ]
        places = [rows.index(point.against) for point in points]
        axes.errorbar(
            middle, places, xerr=spread, fmt=marker, color=colour, markersize=5, label=kind
        )
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("times as fast (median of pairs, and their range)", color=MUTED)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.grid(color=LINES, linewidth=0.7)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower left", ncols=4, frameon=False, fontsize=9)
    return figure
