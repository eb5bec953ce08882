"""A convolution one output number at a time: what is read, by which weights, and what comes out.

Plain data for whoever draws it. Places are counted on the field: the input with the zeros that its
padding puts around it and that a transposed convolution puts between its pixels.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxconv.ops.window import Window

PIXEL, PADDING, INSERTED = 0, 1, 2
"""What a place of the field holds: a number of the input, a zero around it, a zero between."""


class Stage(NamedTuple):
    """One convolution of one image, all of whole numbers; the output is what the operator gave."""

    name: str  # "Depthwise"
    story: str  # one sentence: what to look for
    x: np.ndarray  # [h, w, c]
    kernel: np.ndarray  # [kh, kw, c/groups, o], as it lies over the field
    window: Window
    y: np.ndarray  # [h', w', o]

    def channels_read(self, feature: int) -> range:
        """The input channels that output channel `feature` is made of."""
        channels, features = self.kernel.shape[2:]
        group = feature // (features // self.window.groups)
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
    steps = stage.window.input_dilation
    (top, bottom), (left, right) = (
        (max(low, 0), max(high, 0)) for low, high in stage.window.padding
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
    laid_out = field(stage)
    kernel_height, kernel_width, _, features = stage.kernel.shape
    for feature in range(features):
        channels = stage.channels_read(feature)
        weights = stage.kernel[..., feature]
        for row, column in np.ndindex(*stage.y.shape[:2]):
            rows = _places(stage.window, 0, row, kernel_height)
            columns = _places(stage.window, 1, column, kernel_width)
            operands = laid_out.values[np.ix_(rows, columns, channels)]
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


def _places(window: Window, axis: int, output: int, taps: int) -> np.ndarray:
    low = window.padding[axis][0]
    start = output * window.stride[axis] - low + max(low, 0)
    return start + np.arange(taps) * window.dilation[axis]
