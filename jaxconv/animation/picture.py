"""One picture of a convolution at work: input, kernels, products, sums, output."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxconv.animation import captions
from jaxconv.animation.drawing import Canvas, tint
from jaxconv.animation.frames import INSERTED, PADDING, PIXEL, Field, Frame, Stage, field
from jaxconv.animation.layout import MARGIN, WIDTH, Layout, Stack, layouts
from jaxconv.animation.scenes import Scene
from jaxconv.report.figures import BLUE, GREEN, INK, LINES, MUTED, PURPLE, VERMILION

TITLE, HEADS, HEADER = 62, 92, 148  # points from the top: to the story, the heads, the grids
LEGEND, FOOTER = 46, 92  # points from the bottom: to the legend, to the grids
PALE, ZERO = "#B4BDC7", "#7C8794"
INSERTED_FILL = "#E3E7EB"
KINDS = {PIXEL: "pixel", PADDING: "zero around the image", INSERTED: "zero between pixels"}


class Panel(NamedTuple):
    """What the pictures of one stage share."""

    scene: Scene
    number: int  # of the stage, from 0
    layout: Layout
    field: Field
    source: str  # the colour of the input
    target: str  # and of the output

    @property
    def stage(self) -> Stage:
        return self.scene.stages[self.number]

    @property
    def height(self) -> int:
        """Of the whole picture, in points."""
        return HEADER + self.layout.height + FOOTER


def panels(scene: Scene) -> list[Panel]:
    """One `Panel` for each stage; a map keeps its colour from an output to the next input.

    Raises:
        ValueError: the numbers would be too small to read.
    """
    colours = [BLUE, *(PURPLE for _ in scene.stages[1:]), GREEN]
    return [
        Panel(scene, number, layout, field(stage), *colours[number : number + 2])
        for number, (stage, layout) in enumerate(
            zip(scene.stages, layouts(scene.stages), strict=True)
        )
    ]


def draw(panel: Panel, frame: Frame | None, done: np.ndarray, *, scale: int) -> Image.Image:
    """Draws `frame`, or the stage at rest, with the numbers of the output that are `done`.

    Args:
        done: bool [h', w', o].
        scale: pixels a point.
    """
    canvas = Canvas(WIDTH, panel.height, scale)
    _title(canvas, panel)
    _heads(canvas, panel)
    _input(canvas, panel, frame)
    _kernels(canvas, panel, frame)
    _output(canvas, panel, frame, done)
    if frame is not None:
        _products(canvas, panel, frame)
    _sum(canvas, panel, frame)
    _legend(canvas, panel)
    return canvas.image


def _title(canvas: Canvas, panel: Panel) -> None:
    scene, x = panel.scene, MARGIN
    canvas.text(x, 26, scene.title, size=19, bold=True)
    canvas.text(x, 50, captions.settings(scene), size=12.5, colour=MUTED)
    if len(scene.stages) > 1:
        step = f"Step {panel.number + 1} of {len(scene.stages)}: {panel.stage.name.lower()}"
        x += canvas.text(x, 78, step, size=13.5, bold=True, colour=panel.target) + 12
    canvas.text(x, 78, panel.stage.story, size=13.5)


def _heads(canvas: Canvas, panel: Panel) -> None:
    layout = panel.layout
    wide = panel.stage.kernel.shape[1] * layout.cell
    centres = (
        layout.input.centre,
        (layout.kernels_x[0] + layout.kernels_x[-1] + wide) / 2,
        layout.products_x + wide / 2,
        layout.output.centre,
    )
    for x, (name, shape) in zip(centres, captions.heads(panel.scene, panel.number), strict=True):
        canvas.text(x, 105, name, size=12.5, bold=True, anchor="mm")
        canvas.text(x, 121, shape, size=11.5, colour=MUTED, anchor="mm")


def _corner(stack: Stack, channel: int) -> tuple[float, float]:
    x, y = stack.layer(channel)
    return x, y + HEADER


def _spine(canvas: Canvas, stack: Stack) -> None:
    """Lines from each channel to the next one, which make one body of the stack."""
    for channel in range(stack.depth - 1):
        (x, y), (to_x, to_y) = _corner(stack, channel), _corner(stack, channel + 1)
        for side in (0, stack.columns * stack.cell):
            canvas.line(x + side, y + stack.rows * stack.cell, to_x + side, to_y, PALE)


def _input(canvas: Canvas, panel: Panel, frame: Frame | None) -> None:
    stack, cell = panel.layout.input, panel.layout.cell
    _spine(canvas, stack)
    for channel, name in enumerate(captions.channel_names(panel.scene, panel.number)):
        x, y = _corner(stack, channel)
        canvas.text(x - 11, y + 8, name, size=11.5, colour=MUTED, anchor="mm")
        read = frame is None or channel in frame.channels
        for row, column in np.ndindex(stack.rows, stack.columns):
            value = panel.field.values[row, column, channel]
            at = (x + column * cell, y + row * cell, cell)
            _place(canvas, at, value, panel.field.kinds[row, column], panel.source, read)
        if frame is not None and read:
            _window(canvas, panel, (x, y), frame, channel)


def _place(canvas: Canvas, at, value, kind, colour, read=True) -> None:
    """A place of the field; pale where the kernel does not read its channel."""
    x, y, cell = at
    if kind == PIXEL:
        fill = tint(colour, 0.15 if read else 0.05)
        canvas.box(x, y, cell, cell, fill=fill, line=tint(colour, 0.45 if read else 0.2))
        canvas.number(x, y, cell, value, colour=INK if read else PALE)
    else:
        canvas.box(x, y, cell, cell, fill="white" if kind == PADDING else INSERTED_FILL, line=LINES)
        canvas.number(x, y, cell, value, colour=ZERO if read else PALE)


def _window(canvas: Canvas, panel: Panel, corner, frame: Frame, channel: int) -> None:
    """The kernel's weights over the places that they meet, and the kernel's extent."""
    (x, y), cell = corner, panel.layout.cell
    at = frame.channels.index(channel)
    for (i, j), value in np.ndenumerate(frame.operands[..., at]):
        place = (x + frame.columns[j] * cell, y + frame.rows[i] * cell)
        kind = panel.field.kinds[frame.rows[i], frame.columns[j]]
        colour = INK if kind == PIXEL else ZERO
        canvas.weighed(*place, cell, value, frame.weights[i, j, at], colour=colour)
    left, top = x + frame.columns[0] * cell, y + frame.rows[0] * cell
    wide = (frame.columns[-1] - frame.columns[0] + 1) * cell
    high = (frame.rows[-1] - frame.rows[0] + 1) * cell
    canvas.box(left, top, wide, high, line=VERMILION, thick=2.5)


def _kernels(canvas: Canvas, panel: Panel, frame: Frame | None) -> None:
    """A column for each output channel; a slice beside each input channel that it reads."""
    stage, layout, cell = panel.stage, panel.layout, panel.layout.cell
    high, wide = (taps * cell for taps in stage.kernel.shape[:2])
    names = captions.numbers(len(layout.kernels_x))
    for feature, (x, name) in enumerate(zip(layout.kernels_x, names, strict=True)):
        active = frame is None or frame.feature == feature
        channels = stage.channels_read(feature)
        for at, channel in enumerate(channels):
            y = HEADER + layout.input.middle(channel) - high / 2
            for (row, column), weight in np.ndenumerate(stage.kernel[..., at, feature]):
                place = (x + column * cell, y + row * cell, cell)
                fill, line = (
                    tint(VERMILION, share if active else share / 4) for share in (0.16, 0.6)
                )
                canvas.box(*place, cell, fill=fill, line=line)
                canvas.number(*place, weight, colour=INK if active else PALE)
            line = VERMILION if active else tint(VERMILION, 0.3)
            canvas.box(x, y, wide, high, line=line, thick=2 if active else 1)
        top = HEADER + layout.input.middle(channels[0]) - high / 2
        canvas.text(x + wide / 2, top - 9, name, size=11.5, colour=MUTED, anchor="mm")


def _products(canvas: Canvas, panel: Panel, frame: Frame) -> None:
    """Operand times weight, channel by channel; their sums run into the number of the output."""
    layout, cell = panel.layout, panel.layout.cell
    high, wide = (taps * cell for taps in frame.weights.shape[:2])
    bus = layout.bus_x
    for at, channel in enumerate(frame.channels):
        middle = HEADER + layout.input.middle(channel)
        for (row, column), product in np.ndenumerate(frame.products[..., at]):
            place = (layout.products_x + column * cell, middle - high / 2 + row * cell, cell)
            canvas.box(*place, cell, fill="white", line=PALE)
            canvas.number(*place, product)
        x, text = layout.products_x + wide + 10, f"= {captions.signed(frame.sums[at])}"
        x += canvas.text(x, middle, text, size=cell * 0.5, bold=True) + 8
        canvas.line(x, middle, bus, middle, panel.target, 1.5)
    x, y = _corner(layout.output, frame.feature)
    x, y = x - 3, y + (frame.row + 0.5) * cell
    ends = [HEADER + layout.input.middle(channel) for channel in frame.channels]
    canvas.line(bus, min(*ends, y), bus, max(*ends, y), panel.target, 1.5)
    canvas.line(bus, y, x - 6, y, panel.target, 1.5)
    canvas.arrow_head(x, y, panel.target)


def _output(canvas: Canvas, panel: Panel, frame: Frame | None, done: np.ndarray) -> None:
    stack, cell, colour = panel.layout.output, panel.layout.cell, panel.target
    _spine(canvas, stack)
    for channel, name in enumerate(captions.numbers(stack.depth)):
        x, y = _corner(stack, channel)
        right = x + stack.columns * cell + 11
        canvas.text(right, y + 8, name, size=11.5, colour=MUTED, anchor="mm")
        for row, column in np.ndindex(stack.rows, stack.columns):
            at, value = (
                (x + column * cell, y + row * cell, cell),
                panel.stage.y[row, column, channel],
            )
            if frame is not None and (row, column, channel) == frame[:3]:
                canvas.box(*at, cell, fill=colour, line=colour)
                canvas.number(*at, value, colour="white", bold=True)
            elif done[row, column, channel]:
                canvas.box(*at, cell, fill=tint(colour, 0.15), line=tint(colour, 0.45))
                canvas.number(*at, value)
            else:
                canvas.box(*at, cell, fill="white", line=LINES)


def _sum(canvas: Canvas, panel: Panel, frame: Frame | None) -> None:
    y = HEADER + panel.layout.height + 30
    if frame is None:
        words = captions.HEIGHT
        terms, result = captions.height_formula(panel.stage)
    else:
        words, terms, result = (
            captions.place(frame),
            captions.terms(frame),
            captions.signed(frame.total),
        )
    x = MARGIN + canvas.text(MARGIN, y, words, size=13, colour=MUTED) + 10
    size = min(15.0, 15 * (WIDTH - x - 80) / canvas.width_of(terms, 15))
    x += canvas.text(x, y, f"{terms}  =  ", size=size)
    canvas.text(x, y, result, size=16, bold=True, colour=panel.target)


def _legend(canvas: Canvas, panel: Panel) -> None:
    x, y, cell = MARGIN, HEADER + panel.layout.height + 56, 22
    for kind in np.unique(panel.field.kinds):
        _place(canvas, (x, y, cell), 3 if kind == PIXEL else 0, kind, panel.source)
        x += canvas.text(x + 30, y + 11, KINDS[int(kind)], size=11.5, colour=MUTED) + 56
    canvas.weighed(x, y, cell, 3, -1)
    canvas.text(x + 30, y + 11, "under the kernel, with its weight", size=11.5, colour=MUTED)
