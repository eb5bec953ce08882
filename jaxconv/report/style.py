"""How every figure looks, and how it becomes a file.

Only matplotlib's object-oriented interface with the Agg canvas is used: no pyplot, no display, no
global state, safe in threads.
"""

import io
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import TextToPath
from matplotlib.ticker import MaxNLocator
from PIL import Image

from jaxconv.files import replacing
from jaxconv.palette import INK, LINES, MUTED

_FONT = FontProperties(family="DejaVu Sans", size=10)  # it comes with matplotlib


def new_figure(width: float, height: float, *, title: str = "") -> Figure:
    """An empty figure of so many inches, in the style of all of them."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    if title:
        # A title is data, not markup: without parse_math a "$" in it would be an error.
        figure.suptitle(
            drawable(title), x=0.1 / width, ha="left", fontsize=13, fontweight="bold", color=INK,
            parse_math=False,
        )  # fmt: skip
    return figure


def dress(axes: Axes, name: str, value: str) -> None:
    """Gives a panel its name on the left, its value on the right, and quiet lines."""
    axes.set_title(name, loc="left", fontsize=10.5, color=INK, fontweight="bold")
    axes.set_title(value, loc="right", fontsize=10.5, color=MUTED)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINES)
    axes.grid(color=LINES, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color=LINES, labelcolor=MUTED, labelsize=9)


def over_epochs(axes: Axes) -> None:
    """Makes the x axis one of whole epochs."""
    ticks = MaxNLocator(nbins=8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_locator(ticks)
    axes.set_xlabel("Epoch", color=MUTED)


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
        shown = image[..., 0] if image.shape[2:] == (1,) else image
        axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(
            "\n".join(fit(line, width - 0.15) for line in caption.split("\n")),
            fontproperties=_FONT, color=INK, pad=4, parse_math=False,
        )  # fmt: skip
    for axes in grid:
        axes.set_axis_off()
    return figure


def message(text: str, *, title: str) -> Figure:
    """A figure of nothing but a sentence."""
    figure = new_figure(9.0, 2.0, title=title)
    figure.text(0.5, 0.42, text, ha="center", va="center", fontsize=13, color=MUTED)
    return figure


def drawable(text: str) -> str:
    """`text`, a line, with a question mark in a box for each character that the font lacks."""
    known = _characters()
    return "".join(c if ord(c) in known else "\N{REPLACEMENT CHARACTER}" for c in text)


@cache
def _characters() -> frozenset[int]:
    """What DejaVu Sans can draw, plain and bold."""
    bold = _FONT.copy()
    bold.set_weight("bold")
    plain, strong = (set(get_font(findfont(font)).get_charmap()) for font in (_FONT, bold))
    return frozenset(plain & strong)


def fit(text: str, width: float) -> str:
    """Makes `text` drawable, and at most `width` inches wide at 10 points."""
    text = drawable(text)

    def inches(line: str) -> float:
        return TextToPath().get_text_width_height_descent(line, _FONT, ismath=False)[0] / 72

    if inches(text) <= width:
        return text
    over = bisect_right(range(1, len(text)), width, key=lambda n: inches(f"{text[:n]}…"))
    return f"{text[:over]}…"


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
