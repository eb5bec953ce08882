"""The figures of a run, drawn from arrays; each function returns a matplotlib `Figure`."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from jaxconv.palette import BLUE, GREEN, INK, MUTED, PALE, PURPLE, VERMILION
from jaxconv.report import measures
from jaxconv.report.history import Rows, series
from jaxconv.report.style import dress, fit, gallery, message, new_figure, over_epochs


class Curve(NamedTuple):
    """One line of a panel: a field of the metrics rows."""

    field: str
    name: str  # in the legend; "" where the panel has one line alone
    colour: str
    dashes: str | tuple


class Panel(NamedTuple):
    """What is drawn over the epochs on one pair of axes."""

    name: str
    form: str  # of its last value
    curves: tuple[Curve, ...]
    legend: Literal["upper right", "lower right", "best"] = (
        "best"  # a corner that training leaves free
    )


def _pair(kind: str) -> tuple[Curve, Curve]:
    return (
        Curve(f"train_{kind}", "training", BLUE, (0, (4, 2))),
        Curve(f"test_{kind}", "test", VERMILION, "-"),
    )


def _alone(field: str, colour: str) -> tuple[Curve]:
    return (Curve(field, "", colour, "-"),)


PANELS = {
    "loss": Panel("Loss", "{:.4f}", _pair("loss"), "upper right"),
    "accuracy": Panel("Accuracy (%)", "{:.2f} %", _pair("accuracy"), "lower right"),
    "lr": Panel("Learning rate", "{:.3g}", _alone("lr", GREEN)),
    "momentum": Panel("Momentum", "{:.3g}", _alone("momentum", PURPLE)),
    "seconds": Panel("Seconds per epoch", "{:.3g} s", _alone("seconds", GREEN)),
    "images_per_second": Panel(
        "Training images per second", "{:,.0f}", _alone("images_per_second", PURPLE)
    ),
}


def samples(
    images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], *, title: str
) -> Figure:
    """Shows 20 labelled images, the classes in turn: `images` uint8 [n, h, w, c], labels [n]."""
    chosen = measures.one_of_each(labels, count=20)
    captions = [class_names[int(labels[index])] for index in chosen]
    return gallery([images[index] for index in chosen], captions, columns=5, title=title)


def augmentations(named_images: Sequence[tuple[str, np.ndarray]], *, title: str) -> Figure:
    """Shows one image under each augmentation: pairs of a name and uint8 [h, w, c]."""
    if not named_images:
        return message("There are no augmentations.", title=title)
    names = [name for name, _ in named_images]
    return gallery([image for _, image in named_images], names, columns=4, title=title)


def misclassified(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    class_names: Sequence[str],
    *,
    title: str,
) -> Figure:
    """Shows the first 10 wrong predictions, or says that there are none.

    Args:
        images: uint8 [n, h, w, c]; right predictions among them are passed over.
        labels, predictions: int [n].
    """
    wrong = np.flatnonzero(np.asarray(labels) != np.asarray(predictions))[:10]
    captions = [
        f"Correct: {class_names[int(labels[index])]}\n"
        f"Output: {class_names[int(predictions[index])]}"
        for index in wrong
    ]
    if not captions:
        return message(f"All {len(labels):,} predictions are right.", title=title)
    return gallery([images[index] for index in wrong], captions, columns=5, title=title)


def curve(rows: Rows, panel: str) -> Figure:
    """Draws one of `PANELS` over the epochs, in a figure of its own."""
    figure = new_figure(4.6, 2.9)
    _draw_panel(figure.add_subplot(), rows, PANELS[panel])
    return figure


def curves(rows: Rows, *, title: str) -> Figure:
    """Draws training and test loss beside training and test accuracy, over the epochs."""
    return _side_by_side(rows, ("loss", "accuracy"), title=title)


def schedule(rows: Rows, *, title: str) -> Figure:
    """Draws learning rate and momentum over the epochs."""
    return _side_by_side(rows, ("lr", "momentum"), title=title)


def confusion_matrix(matrix: np.ndarray, class_names: Sequence[str], *, title: str) -> Figure:
    """Shows counts by true (rows) and predicted class (columns): `matrix` int [k, k].

    Shades are shares of a row: blue for hits, 0 to 100 %, and vermilion for mistakes, 0 to the
    largest share of a mistake, so that both can be told apart in a good network and a poor one.
    """
    cell = min(0.5, 15 / len(matrix))  # inches; many classes share what is a large figure already
    size = 3.4 + cell * len(matrix)
    figure = new_figure(size, size, title=title)
    axes = figure.add_subplot()
    hits, mistakes = measures.confusion_shades(matrix)
    axes.imshow(_shades(VERMILION, mistakes) + _shades(BLUE, hits) - 1, interpolation="nearest")
    names = [fit(name, 1.6) for name in class_names]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(parse_math=False, fontsize=20 * cell)
    axes.set_xlabel("Output of the network", color=MUTED)
    axes.set_ylabel("Correct class", color=MUTED)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    for (row, column), count in np.ndenumerate(matrix):
        if not count and cell < 0.5:
            continue  # a thousand zeros say nothing
        colour = "white" if hits[row, column] > 0.85 else INK if count else PALE
        options = {"ha": "center", "va": "center", "fontsize": 18 * cell, "color": colour}
        axes.text(column, row, f"{count}", **options)
    return figure


def calibration(probabilities: np.ndarray, labels: np.ndarray, *, title: str = "") -> Figure:
    """Draws accuracy against confidence in ten bins, and how many examples each bin holds.

    Args:
        probabilities: float [n, k]. labels: int [n].
    """
    binned = measures.reliability(probabilities, labels)
    error = measures.expected_calibration_error(probabilities, labels)
    figure = new_figure(4.6, 4.4, title=title)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    centres, width = (binned.edges[:-1] + binned.edges[1:]) * 50, 100 / len(binned.examples)
    above.bar(centres, binned.accuracy * 100, width * 0.9, color=BLUE, alpha=0.85)
    above.plot([0, 100], [0, 100], color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    above.plot(binned.confidence * 100, binned.accuracy * 100, "o", color=VERMILION, markersize=5)
    above.set(xlim=(0, 100), ylim=(0, 100))
    dress(above, "Accuracy (%)", f"calibration error {error * 100:.1f} %")
    below.bar(centres, binned.examples, width * 0.9, color=MUTED)
    below.set_xlabel("Confidence (%)", color=MUTED)
    dress(below, "Examples", f"{len(labels):,}")
    return figure


def _side_by_side(rows: Rows, names: Sequence[str], *, title: str) -> Figure:
    figure = new_figure(9.0, 3.6, title=title)
    for axes, name in zip(figure.subplots(1, len(names)), names, strict=True):
        _draw_panel(axes, rows, PANELS[name])
    return figure


def _draw_panel(axes: Axes, rows: Rows, panel: Panel) -> None:
    value = "no epoch yet"
    for line in panel.curves:
        epochs, values = series(rows, line.field)
        value = panel.form.format(values[-1]) if values else "no epoch yet"
        axes.plot(
            epochs, values, color=line.colour, linestyle=line.dashes, linewidth=1.8,
            label=f"{line.name} {value}",
        )  # fmt: skip
        axes.plot(epochs[-1:], values[-1:], "o", color=line.colour, markersize=5)
    over_epochs(axes)
    if len(rows) == 1:
        axes.set_xlim(rows[0]["epoch"] - 1, rows[0]["epoch"] + 1)
    together = len(panel.curves) > 1
    if together:
        axes.legend(loc=panel.legend, fontsize=9, framealpha=0.8, edgecolor="white")
    dress(axes, panel.name, "" if together else value)


def _shades(colour: str, strength: np.ndarray) -> np.ndarray:
    """Blends white into `colour`: strength float [h, w] in [0, 1] -> float [h, w, 3]."""
    return 1 - strength[..., None] * (1 - np.asarray(to_rgb(colour)))
