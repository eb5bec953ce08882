"""The grids of a picture: input with its window, kernels, products and their sums, output."""

import numpy as np

from jaxconv.animation.drawing import captions
from jaxconv.animation.drawing.canvas import Canvas
from jaxconv.animation.drawing.layout import Row, Stack
from jaxconv.animation.drawing.panel import HEADER, Panel
from jaxconv.animation.frames import PADDING, PIXEL, Frame
from jaxconv.palette import INK, LINES, MUTED, PALE, VERMILION, tint

ZERO = "#7C8794"
INSERTED_FILL = "#E3E7EB"


def _corner(stack: Stack, channel: int) -> tuple[float, float]:
    x, y = stack.layer(channel)
    return x, y + HEADER


def _spine(canvas: Canvas, stack: Stack) -> None:
    """Lines from each channel to the next one, which make one body of the stack."""
    for channel in range(stack.depth - 1):
        (x, y), (to_x, to_y) = _corner(stack, channel), _corner(stack, channel + 1)
        for side in (0, stack.columns * stack.cell):
            canvas.line(x + side, y + stack.rows * stack.cell, to_x + side, to_y, PALE)


def draw_input(canvas: Canvas, panel: Panel, frame: Frame | None) -> None:
    stack, cell = panel.layout.input, panel.layout.cell
    _spine(canvas, stack)
    for channel, name in enumerate(captions.channel_names(panel.case, panel.number)):
        x, y = _corner(stack, channel)
        colour = panel.sources[channel]
        named = colour if captions.is_colour(panel.case, panel.number) else MUTED
        canvas.text(x - 11, y + 8, name, size=11.5, colour=named, anchor="mm")
        read = frame is None or channel in frame.channels
        for row, column in np.ndindex(stack.rows, stack.columns):
            value = panel.field.values[row, column, channel]
            at = (x + column * cell, y + row * cell, cell)
            pale = not read or (frame is not None and _in_hole(frame, row, column))
            draw_place(canvas, at, value, panel.field.kinds[row, column], colour, pale=pale)
        if frame is not None and read:
            _window(canvas, panel, (x, y), frame, channel)


def _in_hole(frame: Frame, row: int, column: int) -> bool:
    """Whether a place of the field lies between the taps of the kernel, and is not read."""
    spanned = (
        frame.rows[0] <= row <= frame.rows[-1] and frame.columns[0] <= column <= frame.columns[-1]
    )
    return spanned and not (row in frame.rows and column in frame.columns)


def draw_place(canvas: Canvas, at, value, kind, colour, *, pale=False) -> None:
    """A place of the field; pale where the kernel does not read it."""
    x, y, cell = at
    if kind == PIXEL:
        fill = tint(colour, 0.04 if pale else 0.15)
        canvas.box(x, y, cell, cell, fill=fill, line=tint(colour, 0.2 if pale else 0.45))
        canvas.number(x, y, cell, value, colour=PALE if pale else INK)
    else:
        canvas.box(x, y, cell, cell, fill="white" if kind == PADDING else INSERTED_FILL, line=LINES)
        canvas.number(x, y, cell, value, colour=PALE if pale else ZERO)


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


def draw_kernels(canvas: Canvas, panel: Panel, frame: Frame | None) -> None:
    """The kernels as they lie over the input and, of a transposed convolution, before the turn."""
    stage, layout = panel.stage, panel.layout
    slid = stage.sliding_kernel
    _row_of_kernels(canvas, panel, frame, layout.kernels, slid, dilation=stage.dilation)
    if layout.stored:
        unturned = slid[::-1, ::-1]
        _row_of_kernels(canvas, panel, frame, layout.stored, unturned, dilation=(1, 1))


def _row_of_kernels(
    canvas: Canvas,
    panel: Panel,
    frame: Frame | None,
    row: Row,
    kernel: np.ndarray,
    *,
    dilation: tuple[int, int],
) -> None:
    """A column for each output channel; a slice beside each input channel that it reads."""
    stage, cell = panel.stage, panel.layout.cell
    high, wide = ((dilation[axis] * (kernel.shape[axis] - 1) + 1) * cell for axis in (0, 1))
    for feature, name in enumerate(captions.numbers(row.kernels)):
        x, active = row.left(feature), frame is None or frame.feature == feature
        channels = stage.channels_read(feature)
        line = VERMILION if active else tint(VERMILION, 0.3)
        for at, channel in enumerate(channels):
            y = HEADER + panel.layout.input.middle(channel) - high / 2
            _grid_of_holes(canvas, (x, y), (high, wide), cell)
            for (i, j), weight in np.ndenumerate(kernel[..., at, feature]):
                place = (x + j * dilation[1] * cell, y + i * dilation[0] * cell, cell)
                fill, rim = (tint(VERMILION, s if active else s / 4) for s in (0.16, 0.6))
                canvas.box(*place, cell, fill=fill, line=rim)
                canvas.number(*place, weight, colour=INK if active else PALE)
            if stage.transposed:  # the weight that is first before the turn is last after it
                turned = row is panel.layout.kernels
                end = (x + wide, y + high) if turned else (x, y)
                canvas.corner(*end, cell / 2.5, line, last=turned)
            canvas.box(x, y, wide, high, line=line, thick=2 if active else 1)
        top = HEADER + panel.layout.input.middle(channels[0]) - high / 2
        canvas.text(x + wide / 2, top - 9, name, size=11.5, colour=MUTED, anchor="mm")


def _grid_of_holes(canvas: Canvas, corner, size, cell: int) -> None:
    (x, y), (high, wide) = corner, size
    for row, column in np.ndindex(high // cell, wide // cell):
        canvas.box(x + column * cell, y + row * cell, cell, cell, fill="white", line=LINES)


def draw_products(canvas: Canvas, panel: Panel, frame: Frame) -> None:
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


def draw_output(canvas: Canvas, panel: Panel, frame: Frame | None, done: np.ndarray) -> None:
    stack, cell, colour = panel.layout.output, panel.layout.cell, panel.target
    _spine(canvas, stack)
    for channel, name in enumerate(captions.numbers(stack.depth)):
        x, y = _corner(stack, channel)
        right = x + stack.columns * cell + 11
        canvas.text(right, y + 8, name, size=11.5, colour=MUTED, anchor="mm")
        for row, column in np.ndindex(stack.rows, stack.columns):
            at = (x + column * cell, y + row * cell, cell)
            value = panel.stage.y[row, column, channel]
            if frame is not None and (row, column, channel) == frame[:3]:
                canvas.box(*at, cell, fill=colour, line=colour)
                canvas.number(*at, value, colour="white", bold=True)
            elif done[row, column, channel]:
                canvas.box(*at, cell, fill=tint(colour, 0.15), line=tint(colour, 0.45))
                canvas.number(*at, value)
            else:
                canvas.box(*at, cell, fill="white", line=LINES)
