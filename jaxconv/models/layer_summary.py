"""What each layer of a network is and costs. Nothing is computed: the network is only traced."""

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
from jaxconv.models.data_flow import Views, follow, mark
from jaxconv.models.views import PIXELS
from jaxconv.ops.geometry import Pair, multiply_adds, per_axis
from jaxconv.ops.padding import padding_pairs

TORCH_NAMES = {  # with {} for the number of spatial axes
    "BatchNorm": "BatchNorm{}d",
    "Conv": "Conv{}d",
    "ConvTranspose": "ConvTranspose{}d",
    "Dense": "Linear",
    "DepthwiseConv": "Conv{}d",
    "DilatedConv": "Conv{}d",
    "GlobalAvgPool": "AdaptiveAvgPool{}d",
    "PointwiseConv": "Conv{}d",
    "TransposeConv": "ConvTranspose{}d",
}


class ConvOptions(NamedTuple):
    """The options of a convolution layer, one per axis: (vertical, horizontal) of an image."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int | Pair, ...]  # (low, high) where they differ
    dilation: tuple[int, ...]
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
    options: ConvOptions | None = None  # of a convolution
    kernel_shape: tuple[int, ...] | None = None  # of a convolution, as its function takes it
    padding_mode: str = "zeros"  # of a convolution
    views: Views = None

    @property
    def receptive_field(self) -> Pair | None:
        """Pixels of the image that one position sees, (vertical, horizontal); None if unknown."""
        return (self.views[0].field, self.views[1].field) if self.views else None

    @property
    def jump(self) -> tuple[Any, Any] | None:
        """Pixels of the image from one position to the next, as fractions; None if unknown."""
        return (self.views[0].jump, self.views[1].jump) if self.views else None


def summarize(
    model: nn.Module, input_shape: Sequence[int], dtype: Any = jnp.float32
) -> list[LayerSummary]:
    """The layers of `model` in the order of their calls.

    A layer is a module that calls no other. A layer that is called twice has two rows; its
    parameters count in the first.

    Args:
        model: any linen module called as `model(images)` or `model(images, train=...)`.
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
        x, *_ = args
        y = call(*args, **kwargs)
        if len(rows) == number + 1:
            rows[number] = _row(context.module, x, y, counted)
        return mark(y, number)

    options = {"train": False} if "train" in inspect.signature(model.__call__).parameters else {}
    images = jax.ShapeDtypeStruct((1, *input_shape), dtype)
    run = partial(model.init_with_output, **options)
    with nn.intercept_methods(record):
        key = jax.eval_shape(lambda: jax.random.key(0))
        network, (_, variables) = jax.make_jaxpr(run, return_shape=True)(key, images)
    layers = {number: row for number, row in enumerate(rows) if row is not None}
    _require_all_counted(layers.values(), variables.get("params", {}), type(model).__name__)
    _, views = follow(network.jaxpr, [(), (PIXELS, PIXELS)])
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
    options, kernel, macs, name = None, (), 0, type(module).__name__
    if "kernel" in params:
        kernel = params["kernel"].shape
        options = _options(module, kernel, x.shape[-1]) if isinstance(module, ConvModule) else None
        places = x if isinstance(module, TransposeConv | nn.ConvTranspose) else y
        macs = multiply_adds(places.shape[1:], kernel)
    return LayerSummary(
        path="/".join(module.path),
        kind=TORCH_NAMES.get(name, name).format(max(x.ndim - 2, 1)),
        input_shape=x.shape[1:],
        output_shape=y.shape[1:],
        parameters=parameters,
        multiply_adds=macs,
        memory_bytes=prod(y.shape[1:]) * y.dtype.itemsize,
        options=options,
        kernel_shape=tuple(kernel) if options else None,
        padding_mode=getattr(module, "padding_mode", "zeros"),
    )


def _options(module: ConvModule, kernel: Sequence[int], channels: int) -> ConvOptions:
    transposed = isinstance(module, TransposeConv)
    taps = tuple(kernel[:-2])
    axes = len(taps)
    stride = per_axis(module.stride, "stride", axes=axes, minimum=1)
    dilation = per_axis(getattr(module, "dilation", 1), "dilation", axes=axes, minimum=1)
    pairs = padding_pairs(module.padding, taps=taps, stride=stride, dilation=dilation)
    return ConvOptions(
        kernel_size=taps,
        stride=stride,
        padding=tuple(low if low == high else (low, high) for low, high in pairs),
        dilation=dilation,
        groups=module.groups if transposed else channels // kernel[-2],
        transposed=transposed,
    )
