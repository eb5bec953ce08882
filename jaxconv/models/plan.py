"""What inference computes of an S9Net: its convolutions, at the positions that anything reads.

Integers only, from the network's rows; no weights.
"""

from functools import partial
from math import prod
from typing import Any, NamedTuple

from jaxconv.models.layer_summary import ConvOptions, LayerSummary, summarize
from jaxconv.models.live import Grid, Reads, inside, live_inputs, union, whole
from jaxconv.models.s9 import S9Net

Grids = tuple[Grid, Grid]  # vertical, horizontal


class Border(NamedTuple):
    """Padding that is not zeros, as `pad_border` and `fold_border` of `ops.padding` take it."""

    mode: str
    pairs: tuple[tuple[int, int], tuple[int, int]]


class Layer(NamedTuple):
    """One convolution. `inputs` and `outputs` are what arrays hold, `live` what is read of it."""

    path: str  # of its parameters: "block2/conv/depthwise"
    kernel_shape: tuple[int, ...]
    transposed: bool
    groups: int
    reads: tuple[Reads, Reads]
    size: tuple[int, int]  # of the whole input, with its border
    border: Border | None  # that its input gets
    folded: Border | None  # that is folded into its output, where it is transposed
    inputs: Grids
    outputs: Grids  # with the border that is then folded
    live: Grids

    @property
    def bordered(self) -> Grids:
        """The positions that the convolution is given: `inputs`, or all with their border."""
        return self.inputs if self.border is None else _whole(self.size)

    @property
    def result(self) -> Grids:
        """The positions of the output once a border is folded into it."""
        if self.folded is None:
            return self.outputs
        return _pairwise(
            lambda grid, pair: whole(grid.length - sum(pair)), self.outputs, self.folded.pairs
        )

    @property
    def multiply_adds(self) -> int:
        """Of one image, as `geometry.multiply_adds`, but for outputs that read padding alone."""
        if self.transposed:
            return prod(self.kernel_shape) * prod(grid.length for grid in self.inputs)
        axes = zip(self.reads, self.outputs, self.size, strict=True)
        return prod(self.kernel_shape) * prod(
            sum(any(row) for row in inside(*axis)) for axis in axes
        )


class Block(NamedTuple):
    """Convolutions with nothing between them, ReLU, BatchNorm, perhaps plus the block's input."""

    name: str
    layers: tuple[Layer, ...]
    residual: bool

    @property
    def inputs(self) -> Grids:
        return self.layers[0].inputs


class Plan(NamedTuple):
    """The blocks; after them come the mean over space and the head."""

    blocks: tuple[Block, ...]
    image_size: tuple[int, int]
    dtype: Any

    @property
    def multiply_adds(self) -> int:
        """Of one image, without the head's."""
        return sum(layer.multiply_adds for block in self.blocks for layer in block.layers)


def make_plan(model: S9Net, image_size: tuple[int, int]) -> Plan:
    """Read backwards from the last map, all of which the mean over space reads.

    Raises:
        ValueError: the network takes no images of this size.
    """
    rows = summarize(model, (*image_size, 3))
    chains = [
        [row for row in rows if row.options and row.path.startswith(f"block{number}/")]
        for number in range(1, len(model.rows) + 1)
    ]
    live = _whole(chains[-1][-1].output_shape)
    blocks: list[Block] = []
    for row, chain in zip(reversed(model.rows), reversed(chains), strict=True):
        layers, read_of_block = [], live
        for layer in reversed(chain):
            layers.append(_layer(layer, live))
            live = layers[-1].inputs
        if row.residual:
            live = _pairwise(union, live, read_of_block)
            layers[-1] = layers[-1]._replace(inputs=live)
        blocks.append(Block(chain[0].path.split("/")[0], tuple(reversed(layers)), row.residual))
    return Plan(tuple(reversed(blocks)), image_size, model.dtype)


def _layer(layer: LayerSummary, live: Grids) -> Layer:
    """A convolution of whose output only `live` is read; a transposed one is computed whole."""
    options, kernel_shape = layer.options, layer.kernel_shape
    assert options is not None
    assert kernel_shape is not None
    reads = _pairwise(partial(_reads, options), (0, 1))
    size, border, folded = (layer.input_shape[0], layer.input_shape[1]), None, None
    inputs, outputs = None, live
    if layer.padding_mode != "zeros":
        made = Border(layer.padding_mode, _pairwise(_as_pair, options.padding))
        border, folded = (None, made) if options.transposed else (made, None)
    if border is not None:
        # Of the map's own pixels, made first: it reads all of them, and no zeros.
        inputs = _whole(size)
        size = _pairwise(_grown, size, border.pairs)
        reads = _pairwise(lambda read: read._replace(low=0), reads)
    if options.transposed:
        outputs = _whole(layer.output_shape)
    if folded is not None:  # nothing is cropped
        outputs = _whole(_pairwise(_grown, layer.output_shape[:2], folded.pairs))
        reads = _pairwise(
            lambda read, pair: read._replace(low=read.low + pair[0]), reads, folded.pairs
        )
    return Layer(
        path=layer.path,
        kernel_shape=kernel_shape,
        transposed=options.transposed,
        groups=options.groups,
        reads=reads,
        size=size,
        border=border,
        folded=folded,
        inputs=inputs or _pairwise(live_inputs, outputs, reads, size),
        outputs=outputs,
        live=live,
    )


def _reads(options: ConvOptions, axis: int) -> Reads:
    kernel_size, stride = options.kernel_size[axis], options.stride[axis]
    dilation = options.dilation[axis]
    low, _ = _as_pair(options.padding[axis])
    if not options.transposed:
        return Reads(kernel_size, stride, low, dilation)
    return Reads(kernel_size, 1, dilation * (kernel_size - 1) - low, dilation, stride)


def _grown(size: int, pair: tuple[int, int]) -> int:
    return size + sum(pair)


def _as_pair(padding: int | tuple[int, int]) -> tuple[int, int]:
    return (padding, padding) if isinstance(padding, int) else padding


def _whole(shape: tuple[int, ...]) -> Grids:
    return whole(shape[0]), whole(shape[1])


def _pairwise(function, *pairs):
    vertical, horizontal = zip(*pairs, strict=True)
    return function(*vertical), function(*horizontal)
