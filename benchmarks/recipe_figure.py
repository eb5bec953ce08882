"""The curve of the documented recipe beside that of the guide.

    python -m benchmarks.recipe_figure RUN [RUN ...] --out docs/recipe.png

Each RUN is a run directory of `configs/s9.py` with its 100 epochs.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from jaxconv.palette import BLUE, GREEN, INK, PURPLE, VERMILION
from jaxconv.report.style import dress, new_figure, over_epochs

# Test accuracy after an epoch, in percent, as the guide tells it.
GUIDE = {1: 35.4, 5: 56.1, 10: 66.3, 20: 75.7, 30: 79.6, 50: 81.3, 70: 83.5, 90: 85.1, 100: 85.47}


def curve(run: Path) -> tuple[list[int], list[float]]:
    """The epochs of a run, and its test accuracy after each."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["epoch"] for row in rows], [row["test_accuracy"] for row in rows]


def draw(runs: Sequence[Path]) -> Figure:
    figure = new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    for run, colour in zip(runs, (BLUE, GREEN, PURPLE, VERMILION), strict=False):
        seed = json.loads((run / "config.json").read_text())["seed"]
        axes.plot(*curve(run), color=colour, linewidth=1.5, label=f"jaxconv, seed {seed}")
    axes.plot(
        *zip(*GUIDE.items(), strict=True),
        color=INK, marker="o", linestyle=":", label="the original guide",
    )  # fmt: skip
    axes.set_ylim(30, 90)
    dress(axes, "The documented recipe", "test accuracy, percent")
    over_epochs(axes)
    axes.legend(loc="lower right", frameon=False)
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    draw(options.runs).savefig(options.out, dpi=150)


if __name__ == "__main__":
    main()
