"""One picture of a convolution at work: title and heads, the grids, sum or size, legend."""

import numpy as np
from PIL import Image

from jaxconv.animation.drawing import captions, grids
from jaxconv.animation.drawing.canvas import Canvas
from jaxconv.animation.drawing.layout import MARGIN
from jaxconv.animation.drawing.panel import FOOTER, HEADER, LEGEND, Panel
from jaxconv.animation.frames import INSERTED, PADDING, PIXEL, Frame
from jaxconv.palette import MUTED

HOLE = -1  # beside PIXEL, PADDING and INSERTED: a place between the taps of a dilated kernel
LEGENDS = {
    PIXEL: "pixel",
    PADDING: "zero around the image",
    INSERTED: "zero between pixels",
    HOLE: "hole, not read",
}


def draw(panel: Panel, frame: Frame | None, done: np.ndarray, *, scale: int) -> Image.Image:
    """Draws `frame`, or the stage at rest, with the numbers of the output that are `done`.

    Args:
        done: bool [h', w', o].
        scale: pixels a point.
    """
    canvas = Canvas(panel.layout.width, panel.height, scale)
    _title(canvas, panel)
    _heads(canvas, panel)
    grids.draw_input(canvas, panel, frame)
    grids.draw_kernels(canvas, panel, frame)
    grids.draw_output(canvas, panel, frame, done)
    if frame is None:
        _size(canvas, panel)
    else:
        grids.draw_products(canvas, panel, frame)
        _sum(canvas, panel, frame)
    _legend(canvas, panel)
    return canvas.image


def _title(canvas: Canvas, panel: Panel) -> None:
    case, x = panel.case, MARGIN
    canvas.text(x, 26, case.title, size=19, bold=True)
    canvas.text(x, 50, captions.settings(case), size=12.5, colour=MUTED)
    if len(case.stages) > 1:
        step = f"Step {panel.number + 1} of {len(case.stages)}: {panel.stage.name.lower()}"
        x += canvas.text(x, 78, step, size=13.5, bold=True, colour=panel.target) + 12
    canvas.text(x, 78, panel.stage.story, size=13.5)


def _heads(canvas: Canvas, panel: Panel) -> None:
    layout = panel.layout
    centres = {
        "input": layout.input.centre,
        "stored": layout.stored.centre if layout.stored else None,
        "kernels": layout.kernels.centre,
        "products": layout.products_x + panel.stage.kernel.shape[1] * layout.cell / 2,
        "output": layout.output.centre,
    }
    for column, (name, shape) in captions.heads(panel.case, panel.number).items():
        canvas.text(centres[column], 105, name, size=12.5, bold=True, anchor="mm")
        canvas.text(centres[column], 121, shape, size=11.5, colour=MUTED, anchor="mm")


def _size(canvas: Canvas, panel: Panel) -> None:
    """The size of the output: its formula in words, and below it in numbers."""
    y = HEADER + panel.layout.height + 26
    formula = f"Size of the output  =  {captions.size_formula(panel.stage)}"
    canvas.text(MARGIN, y, formula, size=13, colour=MUTED)
    x = MARGIN
    for axis, terms, result in captions.size_in_numbers(panel.stage):
        x += canvas.text(x, y + 24, f"{axis.capitalize()}:", size=13, colour=MUTED) + 10
        x += canvas.text(x, y + 24, f"{terms}  =  ", size=15)
        x += canvas.text(x, y + 24, result, size=16, bold=True, colour=panel.target) + 30


def _sum(canvas: Canvas, panel: Panel, frame: Frame) -> None:
    """Which number is being made, of what, and below it the sum."""
    y = HEADER + panel.layout.height + 26
    where = captions.place(frame, panel.stage.y.shape[2])
    canvas.text(MARGIN, y, where, size=13, colour=MUTED)
    terms = captions.terms(frame)
    room = panel.layout.width - 2 * MARGIN - 80
    size = min(15.0, 15 * room / canvas.width_of(terms, 15))
    x = MARGIN + canvas.text(MARGIN, y + 24, f"{terms}  =  ", size=size)
    canvas.text(x, y + 24, captions.signed(frame.total), size=16, bold=True, colour=panel.target)


def _legend(canvas: Canvas, panel: Panel) -> None:
    stage = panel.stage
    x, y, cell = MARGIN, HEADER + panel.layout.height + FOOTER - LEGEND + 10, 22
    kinds = [int(kind) for kind in np.unique(panel.field.kinds)]
    holes = [HOLE] if stage.span != stage.kernel.shape[:2] else []
    for kind in kinds + holes:
        colours = dict.fromkeys(panel.sources) if kind == PIXEL else panel.sources[:1]
        for colour in colours:
            value = 3 if kind in (PIXEL, HOLE) else 0
            shown = PIXEL if kind == HOLE else kind
            grids.draw_place(canvas, (x, y, cell), value, shown, colour, pale=kind == HOLE)
            x += cell
        x += 8 + canvas.text(x + 8, y + 11, LEGENDS[kind], size=11.5, colour=MUTED) + 20
    canvas.weighed(x, y, cell, 3, -1)
    canvas.text(x + 30, y + 11, "under the kernel, with its weight", size=11.5, colour=MUTED)
