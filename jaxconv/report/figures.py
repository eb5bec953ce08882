"""The pictures of a run, drawn from arrays; each function returns a matplotlib `Figure`.

Only the object-oriented interface with the Agg canvas is used: no pyplot, no display, no global
state, safe in threads. Colours are those of Okabe and Ito ("Color Universal Design", 2008), which
people with any kind of colour vision tell apart; no meaning rests on colour alone.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import TextToPath
from matplotlib.ticker import MaxNLocator
from PIL import Image

from jaxconv.files import replacing
from jaxconv.report import measures

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#007A5A", "#A14D82"
INK, MUTED, LINES = "#1B2430", "#5B6672", "#DDE2E8"

_FONT = FontProperties(family="DejaVu Sans", size=10)  # it comes with matplotlib

Rows = Sequence[Mapping[str, Any]]

# field of a metrics row -> (name on the panel, format of its last value, colour)
SERIES = {
    "train_loss": ("Training loss", "{:.4f}", BLUE),
    "test_loss": ("Test loss", "{:.4f}", VERMILION),
    "train_accuracy": ("Training accuracy (%)", "{:.2f} %", BLUE),
    "test_accuracy": ("Test accuracy (%)", "{:.2f} %", VERMILION),
    "lr": ("Learning rate", "{:.3g}", GREEN),
    "momentum": ("Momentum", "{:.3g}", PURPLE),
    "seconds": ("Seconds an epoch", "{:.3g} s", GREEN),
    "images_per_second": ("Training images a second", "{:,.0f}", PURPLE),
}


def samples(
    images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], *, title: str
) -> Figure:
    """Shows 20 labelled images, the classes in turn: `images` uint8 [n, h, w, c], labels [n]."""
    chosen = measures.one_of_each(labels, count=20)
    captions = [class_names[labels[index]] for index in chosen]
    return gallery([images[index] for index in chosen], captions, columns=5, title=title)


def augmentations(named_images: Sequence[tuple[str, np.ndarray]], *, title: str) -> Figure:
    """Shows one image under each augmentation: pairs of a name and uint8 [h, w, c]."""
    if not named_images:
        return _message("There are no augmentations.", title=title)
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
        f"Correct: {class_names[labels[index]]}\nOutput: {class_names[predictions[index]]}"
        for index in wrong
    ]
    if not captions:
        return _message(f"All {len(labels):,} predictions are right.", title=title)
    return gallery([images[index] for index in wrong], captions, columns=5, title=title)


def curve(rows: Rows, field: str) -> Figure:
    """Draws one field of the metrics rows over the epochs, on a panel of its own."""
    figure = new_figure(4.6, 2.9)
    _draw_series(figure.add_subplot(), rows, field)
    return figure


def curves(rows: Rows, *, title: str) -> Figure:
    """Draws training and test loss above training and test accuracy, over the epochs."""
    fields = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
    return _panels(rows, fields, title=title, size=(9.0, 6.4))


def schedule(rows: Rows, *, title: str) -> Figure:
    """Draws learning rate and momentum over the epochs."""
    return _panels(rows, ("lr", "momentum"), title=title, size=(9.0, 3.6))


def confusion_matrix(matrix: np.ndarray, class_names: Sequence[str], *, title: str) -> Figure:
    """Shows counts by true (rows) and predicted class (columns): `matrix` int [k, k].

    Shades are shares of a row: blue for hits, 0 to 100 %, and vermilion for mistakes, 0 to the
    largest share of a mistake, so that both can be told apart in a good network and a poor one.
    """
    size = 3.4 + 0.5 * len(matrix)
    figure = new_figure(size, size, title=title)
    axes = figure.add_subplot()
    hits, mistakes = measures.confusion_shades(matrix)
    axes.imshow(_tint(VERMILION, mistakes) + _tint(BLUE, hits) - 1, interpolation="nearest")
    names = [_fit(name, 1.6) for name in class_names]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)
    axes.set_xlabel("Output of the network", color=MUTED)
    axes.set_ylabel("Correct class", color=MUTED)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if hits[row, column] > 0.85 else INK if count else "#B4BDC7"
        axes.text(column, row, f"{count}", ha="center", va="center", fontsize=9, color=colour)
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
    centres, width = (binned.edges[:-1] + binned.edges[1:]) * 50, 100 / len(binned.count)
    above.bar(centres, binned.accuracy * 100, width * 0.9, color=BLUE, alpha=0.85)
    above.plot([0, 100], [0, 100], color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    above.plot(binned.confidence * 100, binned.accuracy * 100, "o", color=VERMILION, markersize=5)
    above.set(xlim=(0, 100), ylim=(0, 100))
    dress(above, "Accuracy (%)", f"calibration error {error * 100:.1f} %")
    below.bar(centres, binned.count, width * 0.9, color=MUTED)
    below.set_xlabel("Confidence (%)", color=MUTED)
    dress(below, "Examples", f"{len(labels):,}")
    return figure


def save(figure: Figure, path: Path, dpi: int = 160) -> None:
    """Writes `figure` as PNG, whole or not at all, and makes the folder if need be."""
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=dpi)


def svg(figure: Figure) -> bytes:
    """Returns `figure` as SVG, its letters as outlines: it looks the same with any fonts."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def png(image: np.ndarray) -> bytes:
    """Returns `image`, uint8 [h, w, c] with c 1 or 3, as a PNG file of just these pixels."""
    file = io.BytesIO()
    Image.fromarray(image.squeeze(axis=2) if image.shape[2] == 1 else image).save(file, "PNG")
    return file.getvalue()


def new_figure(width: float, height: float, *, title: str = "") -> Figure:
    """An empty figure of so many inches, in the style of all of them."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    if title:
        # A title is data, not markup: without parse_math a "$" in it would be an error.
        figure.suptitle(
            title, x=0.1 / width, ha="left", fontsize=13, fontweight="bold", color=INK,
            parse_math=False,
        )  # fmt: skip
    return figure


def gallery(
    images: Sequence[np.ndarray], captions: Sequence[str], *, columns: int, title: str
) -> Figure:
    """Shows pictures, uint8 [h, w, c] with c 1 or 3, row by row under their captions."""
    lines = 1 + max(caption.count("\n") for caption in captions)
    grid_rows = -(-len(images) // columns)
    width = 9.0 / columns
    figure = new_figure(9.0, 0.5 + grid_rows * (width - 0.1 + 0.2 * lines), title=title)
    grid = figure.subplots(grid_rows, columns, squeeze=False).ravel()
    for axes, image, caption in zip(grid, images, captions, strict=False):
        # An axis of length one is a grey picture; the display range is that of uint8, always.
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(
            "\n".join(_fit(line, width - 0.15) for line in caption.split("\n")),
            fontproperties=_FONT, color=INK, pad=4, parse_math=False,
        )  # fmt: skip
    for axes in grid:
        axes.set_axis_off()
    return figure


def _message(text: str, *, title: str) -> Figure:
    figure = new_figure(9.0, 2.0, title=title)
    figure.text(0.5, 0.42, text, ha="center", va="center", fontsize=13, color=MUTED)
    return figure


def _panels(rows: Rows, fields: Sequence[str], *, title: str, size: tuple[float, float]) -> Figure:
    figure = new_figure(*size, title=title)
    for axes, field in zip(figure.subplots(len(fields) // 2, 2).flat, fields, strict=True):
        _draw_series(axes, rows, field)
    return figure


def _draw_series(axes: Axes, rows: Rows, field: str) -> None:
    name, form, colour = SERIES[field]
    epochs, values = [row["epoch"] for row in rows], [row[field] for row in rows]
    axes.plot(epochs, values, color=colour, linewidth=1.8)
    axes.plot(epochs[-1:], values[-1:], "o", color=colour, markersize=5)
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
    )
    axes.set_xlabel("Epoch", color=MUTED)
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
    dress(axes, name, form.format(values[-1]) if values else "no epoch yet")


def dress(axes: Axes, name: str, value: str) -> None:
    """Gives a panel its name on the left, its value on the right, and quiet lines."""
    axes.set_title(name, loc="left", fontsize=10.5, color=INK, fontweight="bold")
    axes.set_title(value, loc="right", fontsize=10.5, color=MUTED)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINES)
    axes.grid(color=LINES, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color=LINES, labelcolor=MUTED, labelsize=9)


def _tint(colour: str, strength: np.ndarray) -> np.ndarray:
    """Blends white into `colour`: strength float [h, w] in [0, 1] -> float [h, w, 3]."""
    return 1 - strength[..., None] * (1 - np.asarray(to_rgb(colour)))


def _fit(text: str, width: float) -> str:
    """Shortens `text` until it is at most `width` inches wide at 10 points."""

    def inches(line: str) -> float:
        return TextToPath().get_text_width_height_descent(line, _FONT, ismath=False)[0] / 72

    if inches(text) <= width:
        return text
    return next(s for n in range(len(text), -1, -1) if inches(s := text[:n] + "…") <= width)
