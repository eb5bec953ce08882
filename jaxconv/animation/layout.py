"""Where the grids of a stage stand in its picture, in points."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxconv.animation.frames import Stage, field

WIDTH = 720
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


class Layout(NamedTuple):
    """The columns of a stage's picture, left to right."""

    cell: int
    height: int
    input: Stack
    kernels_x: tuple[float, ...]  # one for each output channel
    products_x: float
    bus_x: float  # where the sums of the channels meet
    output: Stack


def layouts(stages: Sequence[Stage]) -> list[Layout]:
    """Lays out each stage with one size of cells and one height for all.

    Raises:
        ValueError: the numbers would be too small to read.
    """
    cell = min(_largest_cell(stage) for stage in stages)
    if cell < CELLS[0]:
        raise ValueError(
            f"the picture would need cells of {max(cell, 0)} points, and {CELLS[0]} can be read; "
            "take a smaller size or kernel_size, or fewer channels or features"
        )
    height = max(_height(stage, cell) for stage in stages)
    return [_place(stage, cell, height) for stage in stages]


def _shapes(stage: Stage) -> tuple[tuple[int, int, int], int, tuple[int, int, int]]:
    return field(stage).values.shape, stage.kernel.shape[1], stage.y.shape


def _across(stage: Stage) -> tuple[float, float]:
    """What stands side by side: cells, and points between them besides the gaps of columns."""
    (_, w, c), kw, (_, out_w, o) = _shapes(stage)
    return w + (o + 1) * kw + SUM_CELLS + out_w, (o - 1) * KERNEL_GAP + (c + o - 2) * LAYER_SHIFT


def _height(stage: Stage, cell: int) -> int:
    (h, _, c), _, (out_h, _, o) = _shapes(stage)
    return max(c * h * cell + (c - 1) * LAYER_GAP, o * out_h * cell + (o - 1) * LAYER_GAP)


def _largest_cell(stage: Stage) -> int:
    cells, points = _across(stage)
    wide = (WIDTH - 2 * MARGIN - points - 4 * COLUMN_GAPS[0]) // cells
    fitting = [
        cell for cell in range(CELLS[1] + 1) if cell <= wide and _height(stage, cell) <= TALLEST
    ]
    return max(fitting, default=0)


def _place(stage: Stage, cell: int, height: int) -> Layout:
    (h, w, c), kw, (out_h, out_w, o) = _shapes(stage)
    cells, points = _across(stage)
    free = WIDTH - 2 * MARGIN - cells * cell - points
    gap = min(free / 4, COLUMN_GAPS[1])
    x = MARGIN + (free - 4 * gap) / 2
    own = c * h * cell + (c - 1) * LAYER_GAP
    source = Stack(x, (height - own) / 2, h, w, c, cell)
    x += w * cell + (c - 1) * LAYER_SHIFT + gap
    kernels_x = tuple(x + i * (kw * cell + KERNEL_GAP) for i in range(o))
    products_x = kernels_x[-1] + kw * cell + gap
    bus_x = products_x + kw * cell + SUM_CELLS * cell + gap
    x = bus_x + gap
    made = o * out_h * cell + (o - 1) * LAYER_GAP
    return Layout(
        cell,
        height,
        source,
        kernels_x,
        products_x,
        bus_x,
        Stack(x, (height - made) / 2, out_h, out_w, o, cell),
    )
