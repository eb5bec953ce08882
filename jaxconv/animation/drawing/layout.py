"""Where the grids of a stage stand in its picture, in points."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxconv.animation.frames import Stage, field

WIDTHS = (720, 1200)  # of a picture, and of one with much to show
MARGIN = 24
LAYER_GAP = 14  # between the channels of a stack
LAYER_SHIFT = 7  # each channel stands a little to the right of the one above
KERNEL_GAP = 12
COLUMN_GAPS = (30, 72)  # the least and the most between columns
CELLS = (15, 30)  # the smallest cell that is legible, and the largest that is not clumsy
TALLEST = 500
SUM_CELLS = 1.8  # the width of a channel's sum


class Stack(NamedTuple):
    """The channels of a map, one below the other."""

    x: float
    y: float
    rows: int
    columns: int
    depth: int
    cell: int

    def layer(self, channel: int) -> tuple[float, float]:
        """The upper left corner of a channel's grid."""
        step = self.rows * self.cell + LAYER_GAP
        return self.x + channel * LAYER_SHIFT, self.y + channel * step

    def middle(self, channel: int) -> float:
        """The height of a channel's middle."""
        return self.layer(channel)[1] + self.rows * self.cell / 2

    @property
    def centre(self) -> float:
        return self.x + (self.columns * self.cell + (self.depth - 1) * LAYER_SHIFT) / 2


class Row(NamedTuple):
    """The kernels, side by side: one for each output channel."""

    x: float
    columns: int  # cells that one kernel is wide
    kernels: int
    cell: int

    def left(self, number: int) -> float:
        return self.x + number * (self.columns * self.cell + KERNEL_GAP)

    @property
    def width(self) -> float:
        return self.kernels * self.columns * self.cell + (self.kernels - 1) * KERNEL_GAP

    @property
    def centre(self) -> float:
        return self.x + self.width / 2


class Layout(NamedTuple):
    """The columns of a stage's picture, left to right."""

    width: int  # of the picture
    height: int  # of the grids
    cell: int
    input: Stack
    stored: Row | None  # the kernels before they are turned, where they are
    kernels: Row
    products_x: float
    bus_x: float  # where the sums of the channels meet
    output: Stack


def layouts(stages: Sequence[Stage]) -> list[Layout]:
    """Lays out each stage with one size of cells, one width and one height for all.

    Raises:
        ValueError: the numbers would be too small to read.
    """
    cells = {width: min(_largest_cell(stage, width) for stage in stages) for width in WIDTHS}
    legible = [width for width in WIDTHS if cells[width] >= CELLS[0]]
    if not legible:
        raise ValueError(
            f"the picture would need cells of {cells[WIDTHS[-1]]} points, and {CELLS[0]} can be "
            "read; take a smaller size or kernel_size, or fewer channels or features"
        )
    width, cell = legible[0], cells[legible[0]]
    height = max(_height(stage, cell) for stage in stages)
    return [_place(stage, width, height, cell) for stage in stages]


def _across(stage: Stage) -> tuple[float, float, int]:
    """What stands side by side: cells, points between them, and the gaps between columns."""
    (_, width, channels), (_, made, features) = field(stage).values.shape, stage.y.shape
    taps, span = stage.kernel.shape[1], stage.span[1]
    kinds = 2 if stage.transposed else 1  # of kernels: stored and turned
    cells = width + features * (span + (kinds - 1) * taps) + taps + SUM_CELLS + made
    points = (features - 1) * KERNEL_GAP * kinds + (channels + features - 2) * LAYER_SHIFT
    return cells, points, 3 + kinds


def _height(stage: Stage, cell: int) -> int:
    shapes = field(stage).values.shape, stage.y.shape
    return max(depth * rows * cell + (depth - 1) * LAYER_GAP for rows, _, depth in shapes)


def _largest_cell(stage: Stage, width: int) -> int:
    cells, points, gaps = _across(stage)
    wide = (width - 2 * MARGIN - points - gaps * COLUMN_GAPS[0]) // cells
    fitting = [
        cell for cell in range(CELLS[1] + 1) if cell <= wide and _height(stage, cell) <= TALLEST
    ]
    return max(fitting, default=0)


def _place(stage: Stage, width: int, height: int, cell: int) -> Layout:
    cells, points, gaps = _across(stage)
    free = width - 2 * MARGIN - cells * cell - points
    gap = min(free / gaps, COLUMN_GAPS[1])
    features = stage.y.shape[2]
    x = MARGIN + (free - gaps * gap) / 2
    source = _stack(x, height, field(stage).values.shape, cell)
    x += source.columns * cell + (source.depth - 1) * LAYER_SHIFT + gap
    stored = None
    if stage.transposed:
        stored = Row(x, stage.kernel.shape[1], features, cell)
        x += stored.width + gap
    kernels = Row(x, stage.span[1], features, cell)
    products_x = x + kernels.width + gap
    bus_x = products_x + (stage.kernel.shape[1] + SUM_CELLS) * cell + gap
    target = _stack(bus_x + gap, height, stage.y.shape, cell)
    return Layout(width, height, cell, source, stored, kernels, products_x, bus_x, target)


def _stack(x: float, height: int, shape: Sequence[int], cell: int) -> Stack:
    rows, columns, depth = shape
    own = depth * rows * cell + (depth - 1) * LAYER_GAP
    return Stack(x, (height - own) / 2, rows, columns, depth, cell)
