"""What the positions of a map see of the image, along one axis. Integers only, no array library.

`geometry.receptive_field` is enough for a chain of convolutions. Where branches meet, or where a
transposed convolution makes neighbouring positions see different amounts, one needs to know
which pixels each position sees: a `View`.
"""

from collections.abc import Iterable
from fractions import Fraction
from math import gcd, inf, lcm
from typing import NamedTuple

Span = tuple[float, float]  # the first and the last pixel seen; NOTHING where there is none
NOTHING: Span = (inf, -inf)


class View(NamedTuple):
    """The spans of a map's positions, for an image without borders.

    Position `len(spans)*q + r` sees the pixels `shift*q + spans[r]`, for every integer q. Only
    transposed convolutions make positions differ, so that there is more than one span.
    """

    shift: int
    spans: tuple[Span, ...]

    @property
    def field(self) -> int:
        """Pixels from the first to the last that one position sees; the most of all positions."""
        return max(0 if span == NOTHING else int(span[1] - span[0]) + 1 for span in self.spans)

    @property
    def jump(self) -> Fraction:
        """Pixels from what one position sees to what the next one sees, on average."""
        return Fraction(self.shift, len(self.spans))

    def seen_from(self, positions: Iterable[int]) -> Span:
        """The span of several positions together."""
        first, last = NOTHING
        for position in positions:
            turns, place = divmod(position, len(self.spans))
            first = min(first, self.spans[place][0] + self.shift * turns)
            last = max(last, self.spans[place][1] + self.shift * turns)
        return first, last


PIXELS = View(shift=1, spans=((0, 0),))
"""The image itself: each position sees its own pixel."""


def window(
    view: View, *, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> View:
    """After a window that reads positions `o*stride + i*dilation - padding`.

    >>> window(PIXELS, kernel_size=3, stride=2, padding=1, dilation=2)
    View(shift=2, spans=((-1, 3),))
    """
    period = len(view.spans) // gcd(len(view.spans), stride)
    taps = [i * dilation - padding for i in range(kernel_size)]
    spans = tuple(view.seen_from(o * stride + tap for tap in taps) for o in range(period))
    return View(view.shift * period * stride // len(view.spans), spans)


def spread(view: View, stride: int) -> View:
    """After `stride - 1` zeros were put between positions: the start of a transposed window."""
    gap = (NOTHING,) * (stride - 1)
    return View(view.shift, tuple(part for span in view.spans for part in (span, *gap)))


def union(a: View, b: View) -> View | None:
    """After two maps were combined position by position; None if their jumps disagree."""
    if a.jump != b.jump:
        return None
    period = lcm(len(a.spans), len(b.spans))
    spans = []
    for o in range(period):
        (first_a, last_a), (first_b, last_b) = a.seen_from([o]), b.seen_from([o])
        spans.append((min(first_a, first_b), max(last_a, last_b)))
    return View(a.shift * period // len(a.spans), tuple(spans))
