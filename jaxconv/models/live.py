"""Which positions of a map anything reads, along one axis. Integers only, no array library.

A convolution with a stride reads every so-many-th position of its input, and what it does not read
need not have been computed. Read backwards from the last layer, sizes and options alone tell which
positions of each map are live.
"""

from math import gcd
from typing import NamedTuple


class Grid(NamedTuple):
    """The positions first, first + step, ..., length of them."""

    first: int
    step: int
    length: int

    @property
    def positions(self) -> range:
        return range(self.first, self.last + 1, self.step)

    @property
    def last(self) -> int:
        return self.first + (self.length - 1) * self.step

    def within(self, outer: "Grid") -> slice:
        """Where these positions stand in an array of those of `outer`, which has them all."""
        step = self.step // outer.step
        start = (self.first - outer.first) // outer.step
        return slice(start, start + (self.length - 1) * step + 1, step)


class Reads(NamedTuple):
    """Along one axis: output o, tap i reads place o*stride + i*dilation - low of the input.

    With an input dilation D, position p of the input stands at place D*p, zeros between.
    """

    kernel_size: int
    stride: int = 1
    low: int = 0
    dilation: int = 1
    input_dilation: int = 1

    def position(self, output: int, tap: int, size: int) -> int | None:
        """The position that a tap reads of an input of `size`; None where it reads a zero."""
        position, between = divmod(
            output * self.stride + tap * self.dilation - self.low, self.input_dilation
        )
        return position if between == 0 and 0 <= position < size else None


def inside(reads: Reads, outputs: Grid, size: int) -> list[list[bool]]:
    """For each output and tap: whether it reads a position of the input, not a zero."""
    taps = range(reads.kernel_size)
    return [[reads.position(o, i, size) is not None for i in taps] for o in outputs.positions]


def whole(size: int) -> Grid:
    return Grid(0, 1, size)


def live_inputs(outputs: Grid, reads: Reads, size: int) -> Grid:
    """The positions that the outputs read, of an input of `size`, and as few others as fit a grid.

    All of them where a grid is no help: an input dilation, or nothing but padding is read.

    >>> live_inputs(whole(16), Reads(3, stride=2, low=1, dilation=2), size=34)
    Grid(first=1, step=2, length=17)
    """
    if reads.input_dilation > 1:
        return whole(size)
    taps = range(reads.kernel_size)
    read = [reads.position(o, i, size) for o in outputs.positions for i in taps]
    found = [position for position in read if position is not None]
    if not found:
        return whole(size)
    steps = [outputs.step * reads.stride] * (outputs.length > 1)
    steps += [reads.dilation] * (reads.kernel_size > 1)
    return _hull(found, *steps)


def union(a: Grid, b: Grid) -> Grid:
    """The smallest grid with the positions of both.

    >>> union(Grid(1, 2, 3), whole(7))
    Grid(first=0, step=1, length=7)
    """
    return _hull([*a.positions, *b.positions])


def _hull(found: list[int], *steps: int) -> Grid:
    """The smallest grid of these positions whose step divides `steps`."""
    first, last = min(found), max(found)
    step = gcd(*(position - first for position in found), *steps) or 1
    return Grid(first, step, (last - first) // step + 1)


def between(inputs: Grid, outputs: Grid, reads: Reads) -> tuple[int, tuple[int, int], int]:
    """Stride, (low, high) padding and dilation of the same reads, of live positions only.

    >>> between(Grid(1, 2, 17), whole(16), Reads(3, stride=2, low=1, dilation=2))
    (1, (1, 0), 1)
    """
    first = outputs.first * reads.stride - reads.low - inputs.first * reads.input_dilation
    stride = outputs.step * reads.stride // inputs.step if outputs.length > 1 else 1
    dilation = reads.dilation // inputs.step if reads.kernel_size > 1 else 1
    low = -first // inputs.step
    extent = (outputs.length - 1) * stride + (reads.kernel_size - 1) * dilation + 1
    given = (inputs.length - 1) * reads.input_dilation + 1
    return stride, (low, extent - low - given), dilation
