"""The stages of each variant: an image and kernels of small whole numbers, and what comes out."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxconv.animation.frames import Stage
from jaxconv.ops.depthwise_separable import depthwise_conv, depthwise_separable_conv
from jaxconv.ops.spatially_separable import spatially_separable_conv
from jaxconv.ops.standard import conv
from jaxconv.ops.transpose import transpose_conv

Options = Mapping[str, Any]
"""An int for each of COUNTS, a pair (vertical, horizontal) for the others."""

COUNTS = ("channels", "features", "groups")


def _image(options: Options) -> np.ndarray:
    """x [1, h, w, c] of 1 to 4. No number is zero: a zero in a picture is one of padding."""
    shape = (1, *options["size"], options["channels"])
    return np.random.default_rng(1).integers(1, 5, shape)


def _kernel(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1, 1, 2], shape)


def _apply(operator: Callable, *arrays: np.ndarray, **settings: Any) -> np.ndarray:
    """What `operator` gives for arrays of whole numbers, in whole numbers."""
    y = operator(*(jnp.asarray(array, jnp.float32) for array in arrays), **settings)
    return np.rint(np.asarray(y)).astype(int)


def one_kernel(operator: Callable, tell: Callable[[Options], str], *names: str) -> Callable:
    """The stages of an `operator` of a single kernel; its options are `names`."""

    def stages(options: Options) -> tuple[Stage, ...]:
        settings = _some(options, *names)
        x, per_group = _image(options), options["channels"] // options.get("groups", 1)
        size = options.get("kernel_size", (1, 1))
        kernel = _kernel(*size, per_group, options["features"], seed=2)
        y = _apply(operator, x, kernel, **settings)
        return (Stage("", tell(options), x[0], kernel, y[0], **settings),)

    return stages


def standard_story(options: Options) -> str:
    if options["groups"] > 1:
        return "Each kernel reads the channels of its own group only."
    if options["channels"] > 1:
        return "Each kernel is as deep as the input, and makes one channel of the output."
    told = "Zeros around the image give its border a turn. " * any(options["padding"])
    stride = options["stride"]
    if max(stride) == 1:
        return told + "The kernel slides over every place."
    places = stride[0] if stride[0] == stride[1] else f"{stride[0]} down and {stride[1]} right"
    return told + f"The kernel moves {places} places at a time."


def pointwise_story(options: Options) -> str:
    return "The channels of each pixel become other channels. No neighbour is read."


def dilated_story(options: Options) -> str:
    return "The taps lie apart: the same weights span a wider square, with holes between them."


def depthwise_separable(options: Options) -> tuple[Stage, ...]:
    channels, settings = options["channels"], _some(options, "stride", "padding", "dilation")
    x = _image(options)
    deep = _kernel(*options["kernel_size"], 1, channels, seed=2)
    point = _kernel(1, 1, channels, options["features"], seed=3)
    middle = _apply(depthwise_conv, x, deep, **settings)
    y = _apply(depthwise_separable_conv, x, deep, point, **settings)
    alone = "Each channel is filtered by a kernel of its own. Nothing mixes yet."
    mixed = "Kernels of 1\N{MULTIPLICATION SIGN}1 mix the channels of each pixel."
    return (
        Stage("Depthwise", alone, x[0], deep, middle[0], **settings, groups=channels),
        Stage("Pointwise", mixed, middle[0], point, y[0]),
    )


def spatially_separable(options: Options) -> tuple[Stage, ...]:
    (height, width), channels = options["kernel_size"], options["channels"]
    features, (stride, padding) = options["features"], (options["stride"], options["padding"])
    x = _image(options)
    column = _kernel(height, 1, channels, features, seed=2)
    row = _kernel(1, width, features, features, seed=3)
    down: Options = {"stride": (stride[0], 1), "padding": (padding[0], 0)}
    along: Options = {"stride": (1, stride[1]), "padding": (0, padding[1])}
    middle = _apply(conv, x, column, **down)
    y = _apply(spatially_separable_conv, x, column, row, stride=stride, padding=padding)
    return (
        Stage("Column", "A column reads up and down only.", x[0], column, middle[0], **down),
        Stage("Row", "A row over its result completes the square.", middle[0], row, y[0], **along),
    )


def transpose(options: Options) -> tuple[Stage, ...]:
    settings = _some(options, "stride", "padding", "output_padding", "dilation", "groups")
    channels, features, groups = (options[name] for name in COUNTS)
    x = _image(options)
    kernel = _kernel(*options["kernel_size"], features // groups, channels, seed=2)
    y = _apply(transpose_conv, x, kernel, **settings)
    between = "between and " if max(options["stride"]) > 1 else ""
    turned = "each kernel" if features > 1 else "the kernel"
    story = f"Zeros {between}around the pixels; then {turned}, turned by 180°, slides over all."
    return (Stage("", story, x[0], kernel, y[0], **settings),)


def _some(options: Options, *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names}
