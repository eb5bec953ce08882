"""A convolution one output number at a time: what is read, by which weights, and what comes out.

Plain integers for whoever draws them. Places are counted on the field: the input with the zeros
that its padding puts around it and that a transposed convolution puts between its pixels.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxconv.ops.geometry import Pair, effective_kernel_size

PIXEL, PADDING, INSERTED = 0, 1, 2
"""What a place of the field holds: a number of the input, a zero around it, a zero between."""


class Stage(NamedTuple):
    """One convolution of one image, all of whole numbers; the output is what the operator gave."""

    name: str  # "Depthwise"
    story: str  # one sentence: what to look for
    x: np.ndarray  # [h, w, c]
    kernel: np.ndarray  # [kh, kw, c/groups, o]; of a transposed convolution [kh, kw, o/groups, c]
    y: np.ndarray  # [h', w', o]
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    output_padding: Pair | None = None  # None except of a transposed convolution

    @property
    def transposed(self) -> bool:
        return self.output_padding is not None

    @property
    def extra(self) -> Pair:
        """Rows and columns added at the end of the output."""
        return self.output_padding or (0, 0)

    @property
    def span(self) -> Pair:
        """Places of the field from the first tap of the kernel to the last, both counted."""
        height, width = self.kernel.shape[:2]
        return (
            effective_kernel_size(height, self.dilation[0]),
            effective_kernel_size(width, self.dilation[1]),
        )

    @property
    def sliding_kernel(self) -> np.ndarray:
        """The kernel as it lies over the field, [kh, kw, c/groups, o]: turned if transposed."""
        if not self.transposed:
            return self.kernel
        height, width, features, channels = self.kernel.shape
        per_group = channels // self.groups
        split = self.kernel[::-1, ::-1].reshape(height, width, features, self.groups, per_group)
        return split.transpose(0, 1, 4, 3, 2).reshape(height, width, per_group, -1)

    @property
    def inserted(self) -> Pair:
        """Places from a pixel to the next: the stride of a transposed convolution, else 1."""
        return self.stride if self.transposed else (1, 1)

    @property
    def moves(self) -> Pair:
        """Places that the kernel moves from one number of the output to the next."""
        return (1, 1) if self.transposed else self.stride

    @property
    def margins(self) -> tuple[Pair, Pair]:
        """Places (before, behind) the image that the kernel reaches, per axis; negative: fewer."""
        return self._margin(0), self._margin(1)

    def _margin(self, axis: int) -> Pair:
        if not self.transposed:
            return self.padding[axis], self.padding[axis]
        before = self.span[axis] - 1 - self.padding[axis]
        return before, before + self.extra[axis]

    def channels_read(self, feature: int) -> range:
        """The input channels that output channel `feature` is made of."""
        channels = self.x.shape[2] // self.groups
        group = feature // (self.y.shape[2] // self.groups)
        return range(group * channels, (group + 1) * channels)


class Field(NamedTuple):
    """The input with its zeros."""

    values: np.ndarray  # [H, W, c]
    kinds: np.ndarray  # [H, W]: PIXEL, PADDING or INSERTED


class Frame(NamedTuple):
    """How one number of the output came about."""

    row: int
    column: int
    feature: int  # the output channel
    channels: range  # the input channels that are read
    rows: np.ndarray  # [kh]: the places on the field that the kernel's rows lie on
    columns: np.ndarray  # [kw]
    operands: np.ndarray  # [kh, kw, len(channels)]: what lies there
    weights: np.ndarray  # as operands
    products: np.ndarray  # as operands
    sums: np.ndarray  # [len(channels)]: the products of each channel, summed
    total: int  # the operator's number


def field(stage: Stage) -> Field:
    """Lays out the input of `stage` with all the zeros that the operator reads in its place.

    Where a transposed convolution crops (padding beyond the kernel), the pixels stay: the kernel
    just never reaches them.
    """
    height, width, channels = stage.x.shape
    steps = stage.inserted
    (top, bottom), (left, right) = (
        (max(before, 0), max(behind, 0)) for before, behind in stage.margins
    )
    inner = ((height - 1) * steps[0] + 1, (width - 1) * steps[1] + 1)
    kinds = np.full((top + inner[0] + bottom, left + inner[1] + right), PADDING)
    kinds[top : top + inner[0], left : left + inner[1]] = INSERTED
    pixels = np.ix_(
        top + np.arange(height) * steps[0],
        left + np.arange(width) * steps[1],
    )
    kinds[pixels] = PIXEL
    values = np.zeros((*kinds.shape, channels), stage.x.dtype)
    values[pixels] = stage.x
    return Field(values, kinds)


def frames(stage: Stage) -> Iterator[Frame]:
    """Yields one `Frame` for each number of the output, channel by channel, row by row."""
    laid_out, kernel = field(stage), stage.sliding_kernel
    for feature in range(stage.y.shape[2]):
        channels = stage.channels_read(feature)
        weights = kernel[..., feature]
        for row, column in np.ndindex(*stage.y.shape[:2]):
            rows, columns = _places(stage, 0, row), _places(stage, 1, column)
            operands = laid_out.values[np.ix_(rows, columns, np.array(channels))]
            products = operands * weights
            yield Frame(
                row,
                column,
                feature,
                channels,
                rows,
                columns,
                operands,
                weights,
                products,
                products.sum(axis=(0, 1)),
                int(stage.y[row, column, feature]),
            )


def _places(stage: Stage, axis: int, output: int) -> np.ndarray:
    before, _ = stage.margins[axis]
    start = output * stage.moves[axis] + max(-before, 0)
    return start + np.arange(stage.kernel.shape[axis]) * stage.dilation[axis]
