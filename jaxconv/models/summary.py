"""The table of a network's layers: shapes, parameters, receptive fields and costs.

The layout is that of the summary in the guide (torchsummary's), with PyTorch's layer names and
channels first, so that both can be compared line for line. Nothing is computed: the network is only
traced.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxconv.linen.convolutions import TransposeConv
from jaxconv.linen.module import ConvModule
from jaxconv.models.data_flow import LayerRule, Views, layer_views, mark
from jaxconv.models.receptive_field import PIXELS, View, spread, window
from jaxconv.ops.geometry import Pair, multiply_adds, pair, transpose_multiply_adds

TORCH_NAMES = {
    "BatchNorm": "BatchNorm2d",
    "Conv": "Conv2d",
    "Dense": "Linear",
    "DepthwiseConv": "Conv2d",
    "DilatedConv": "Conv2d",
    "GlobalAvgPool": "AdaptiveAvgPool2d",
    "PointwiseConv": "Conv2d",
    "TransposeConv": "ConvTranspose2d",
}


class ConvOptions(NamedTuple):
    """The options of a convolution layer as (vertical, horizontal) pairs."""

    kernel_shape: tuple[int, ...]
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    transposed: bool


class LayerSummary(NamedTuple):
    """One layer, for one image. `views` is what its output sees, as `data_flow.Views`."""

    path: str  # "block1/conv"
    kind: str  # PyTorch's name, "Conv2d"
    input_shape: tuple[int, ...]  # as output_shape
    output_shape: tuple[int, ...]  # without the batch, channels last
    parameters: int
    multiply_adds: int
    memory_bytes: int  # of the output
    options: ConvOptions | None  # of a convolution
    views: Views = None

    @property
    def receptive_field(self) -> Pair | None:
        """Pixels of the image that one position sees, (vertical, horizontal); None if unknown."""
        return tuple(view.field for view in self.views) if self.views else None

    @property
    def jump(self) -> tuple[Any, Any] | None:
        """Pixels of the image from one position to the next, as fractions; None if unknown."""
        return tuple(view.jump for view in self.views) if self.views else None


def summarize(
    model: nn.Module, input_shape: Sequence[int], dtype: Any = jnp.float32
) -> list[LayerSummary]:
    """The layers of ``model`` in the order of their calls.

    A layer is a module that calls no other. A layer that is called twice has two rows; its
    parameters count in the first.

    Args:
        model: any linen module called as ``model(images)`` or ``model(images, train=...)``.
        input_shape: [h, w, c] of one image.
        dtype: of the images.

    Raises:
        ValueError: some parameters belong to no layer: to a module that calls others, or to copies
            of a layer that `nn.scan` or `nn.vmap` makes.
    """
    rows: list[LayerSummary | None] = []
    counted: set[tuple[str, ...]] = set()

    def record(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext):
        if context.method_name != "__call__" or not args:
            return call(*args, **kwargs)
        number = len(rows)
        rows.append(None)
        x = mark(args[0], number, "in")
        y = call(x, *args[1:], **kwargs)
        if len(rows) == number + 1:
            rows[number] = _row(context.module, x, y, counted)
        return mark(y, number, "out")

    options = {"train": False} if "train" in inspect.signature(model.__call__).parameters else {}
    images = jax.ShapeDtypeStruct((1, *input_shape), dtype)
    run = partial(model.init_with_output, **options)
    with nn.intercept_methods(record):
        key = jax.eval_shape(lambda: jax.random.key(0))
        network, (_, variables) = jax.make_jaxpr(run, return_shape=True)(key, images)
    layers = {number: row for number, row in enumerate(rows) if row is not None}
    _require_all_counted(layers.values(), variables.get("params", {}), type(model).__name__)
    rules = {number: _rule(row.options) for number, row in layers.items() if row.options}
    views = layer_views(network.jaxpr, [(), (PIXELS, PIXELS)], rules)
    return [row._replace(views=views.get(number)) for number, row in layers.items()]


def _require_all_counted(rows: Iterable[LayerSummary], params: Any, name: str) -> None:
    total = sum(array.size for array in jax.tree.leaves(params))
    counted = sum(row.parameters for row in rows)
    if counted != total:
        raise ValueError(
            f"{name} has {total:,} parameters, but its layers have {counted:,}; a table needs each "
            "of them in a module of its own, called without nn.scan and nn.vmap"
        )


def _row(module: nn.Module, x: Any, y: Any, counted: set) -> LayerSummary:
    params = module.variables.get("params", {})
    parameters = 0 if module.path in counted else sum(p.size for p in jax.tree.leaves(params))
    counted.add(module.path)
    options = None
    macs = 0
    if "kernel" in params:
        kernel = params["kernel"].shape
        options = _options(module, kernel, x.shape[-1]) if isinstance(module, ConvModule) else None
        if options and options.transposed:
            macs = transpose_multiply_adds(x.shape[1:], kernel)
        elif len(kernel) == 4:
            macs = multiply_adds(y.shape[1:], kernel)
        else:
            macs = prod(y.shape[1:-1]) * prod(kernel)
    return LayerSummary(
        path="/".join(module.path),
        kind=TORCH_NAMES.get(type(module).__name__, type(module).__name__),
        input_shape=x.shape[1:],
        output_shape=y.shape[1:],
        parameters=parameters,
        multiply_adds=macs,
        memory_bytes=prod(y.shape[1:]) * y.dtype.itemsize,
        options=options,
    )


def _options(module: ConvModule, kernel: Sequence[int], channels: int) -> ConvOptions:
    transposed = isinstance(module, TransposeConv)
    return ConvOptions(
        kernel_shape=tuple(kernel),
        stride=pair(module.stride, "stride", minimum=1),
        padding=pair(module.padding, "padding", minimum=0),
        dilation=pair(getattr(module, "dilation", 1), "dilation", minimum=1),
        groups=module.groups if transposed else channels // kernel[2],
        transposed=transposed,
    )


def _rule(options: ConvOptions) -> LayerRule:
    def rule(view: View, axis: int) -> View:
        kernel_size = options.kernel_shape[axis]
        stride, padding, dilation = (option[axis] for option in options[1:4])
        if not options.transposed:
            return window(
                view, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation
            )
        reach = dilation * (kernel_size - 1)
        view = spread(view, stride)
        return window(view, kernel_size=kernel_size, padding=reach - padding, dilation=dilation)

    return rule


def _pair_text(values: Sequence[Any] | None) -> str:
    if values is None:
        return "?"
    return "x".join(str(value) for value in (values[:1] if values[0] == values[1] else values))


COLUMNS: dict[str, tuple[str, Callable[[LayerSummary], str]]] = {
    "receptive_field": ("Receptive field", lambda row: _pair_text(row.receptive_field)),
    "jump": ("Jump", lambda row: _pair_text(row.jump)),
    "macs": ("Multiply-adds", lambda row: f"{row.multiply_adds:,}"),
    "memory": ("Output bytes", lambda row: f"{row.memory_bytes:,}"),
}
"""The columns on request: title and text. `?` stands where operations hide what a layer sees."""


def format_summary(
    rows: Sequence[LayerSummary], input_shape: Sequence[int], columns: Sequence[str] = ()
) -> str:
    """The guide's table; ``columns`` names more of them, from `COLUMNS`.

    The sizes in MB (2**20 bytes) count four bytes a number, and every output twice: forward and
    backward.

    Raises:
        ValueError: an unknown column.
    """
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}; expected some of {', '.join(COLUMNS)}")
    width = 64 + 17 * len(columns)
    titles = "".join(f"  {COLUMNS[name][0]:>15}" for name in columns)
    lines = ["-" * width, f"{'Layer (type)':>20}  {'Output Shape':>25} {'Param #':>15}{titles}"]
    lines.append("=" * width)
    for number, row in enumerate(rows, start=1):
        shape = str([-1, row.output_shape[-1], *row.output_shape[:-1]])
        more = "".join(f"  {COLUMNS[name][1](row):>15}" for name in columns)
        lines.append(f"{f'{row.kind}-{number}':>20}  {shape:>25} {row.parameters:>15,}{more}")
    total = sum(row.parameters for row in rows)
    lines += [
        "=" * width,
        f"Total params: {total:,}",
        f"Trainable params: {total:,}",
        "Non-trainable params: 0",
        "-" * width,
        *_sizes(rows, input_shape, total),
        "-" * width,
    ]
    return "\n".join([*lines, *_totals(rows, columns, width)])


def _sizes(rows: Sequence[LayerSummary], input_shape: Sequence[int], total: int) -> list[str]:
    megabytes = 4 / 2**20
    image = prod(input_shape) * megabytes
    outputs = 2 * sum(prod(row.output_shape) for row in rows) * megabytes
    params = total * megabytes
    return [
        f"Input size (MB): {image:.2f}",
        f"Forward/backward pass size (MB): {outputs:.2f}",
        f"Params size (MB): {params:.2f}",
        f"Estimated Total Size (MB): {image + outputs + params:.2f}",
    ]


def _totals(rows: Sequence[LayerSummary], columns: Sequence[str], width: int) -> list[str]:
    """The network's own numbers: its last layer's view, and its costs summed."""
    totals = {
        "receptive_field": f"Receptive field (pixels): {_pair_text(rows[-1].receptive_field)}",
        "jump": f"Jump (pixels): {_pair_text(rows[-1].jump)}",
        "macs": f"Multiply-adds: {sum(row.multiply_adds for row in rows):,}",
        "memory": f"Output bytes: {sum(row.memory_bytes for row in rows):,}",
    }
    return [*(totals[name] for name in columns), "-" * width] if columns else []
