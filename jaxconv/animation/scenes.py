"""What `animate` shows: for each variant small whole numbers, and what jaxconv makes of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.animation.frames import Stage
from jaxconv.ops.arguments import conv_window, transpose_window
from jaxconv.ops.depthwise_separable import depthwise_conv, depthwise_separable_conv
from jaxconv.ops.dilated import dilated_conv
from jaxconv.ops.geometry import Pair, pair
from jaxconv.ops.pointwise import pointwise_conv
from jaxconv.ops.spatially_separable import spatially_separable_conv
from jaxconv.ops.standard import conv
from jaxconv.ops.transpose import transpose_conv
from jaxconv.ops.window import Window, adjoint_kernel

Options = Mapping[str, Any]


class Scene(NamedTuple):
    """A variant at work on one image: its stages, the output of one being the input of the next."""

    title: str
    options: Options  # as the user would give them
    stages: tuple[Stage, ...]


class Variant(NamedTuple):
    """A row of `VARIANTS`: the options that it takes, with the values that show it best."""

    title: str
    stages: Callable[[Options], tuple[Stage, ...]]
    defaults: Options


MEANINGS = {
    "size": "height and width of the input",
    "channels": "channels of the input",
    "features": "channels of the output",
    "kernel_size": "height and width of the kernel",
    "stride": "pixels between reads; of transpose, between writes",
    "padding": "zeros around the input; of transpose, what is cropped from the output",
    "dilation": "pixels between the taps of the kernel",
    "output_padding": "rows and columns more at the end of a transposed output",
    "groups": "groups of channels that do not meet",
}
"""Every option of a scene, in the order of the help, and what it means."""

LARGEST = 40  # of any option: more has no room in a picture

_COUNTS = ("channels", "features", "groups")


def scene(variant: str, **options: int | Sequence[int]) -> Scene:
    """Lets the operators of `variant`, a key of `VARIANTS`, work on small whole numbers.

    Args:
        options: some of `MEANINGS`; the variant's defaults stand in for the rest. An int, or a pair
            (vertical, horizontal) except for channels, features and groups.

    Raises:
        ValueError: an unknown variant, an option that it has not, or a value that does not fit.
    """
    if variant not in VARIANTS:
        raise ValueError(f"{variant}: unknown variant; expected one of {', '.join(VARIANTS)}")
    title, stages, defaults = VARIANTS[variant]
    for name in options:
        if name not in defaults:
            raise ValueError(f"{variant} has no {name}; it has {', '.join(defaults)}")
    chosen = {name: _canonical(name, options.get(name, defaults[name])) for name in defaults}
    return Scene(title, chosen, stages(chosen))


def _canonical(name: str, value: int | Sequence[int]) -> int | Pair:
    pairs = pair(value, name, minimum=0 if "padding" in name else 1)
    if max(pairs) > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST} in a picture, got {value!r}")
    if name not in _COUNTS:
        return pairs
    if not isinstance(value, int):
        raise ValueError(f"{name} must be one int, got {value!r}")
    return value


def _image(options: Options) -> jax.Array:
    """x [1, h, w, c] of 1 to 4. No number is zero: a zero in a picture is one of padding."""
    shape = (1, *options["size"], options["channels"])
    return jnp.asarray(np.random.default_rng(1).integers(1, 5, shape), jnp.float32)


def _kernel(*shape: int, seed: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).choice([-1, 1, 2], shape), jnp.float32)


def _stage(name: str, story: str, x, kernel, window: Window, y) -> Stage:
    x, kernel, y = (np.rint(np.asarray(array)).astype(int) for array in (x, kernel, y))
    return Stage(name, story, x[0], kernel, window, y[0])


def _one_kernel(operator: Callable, story: str, names: Sequence[str]) -> Callable:
    """The stages of an `operator` of a single kernel; its options are `names`."""

    def stages(options: Options) -> tuple[Stage, ...]:
        settings = {name: options[name] for name in names}
        per_group = options["channels"] // options.get("groups", 1)
        x, size = _image(options), options.get("kernel_size", (1, 1))
        kernel = _kernel(*size, per_group, options["features"], seed=2)
        window = conv_window(x, kernel, **{"dilation": 1, "groups": 1, **settings})
        told = story if window.groups == 1 else "Each kernel reads the channels of its own group."
        return (_stage("", told, x, kernel, window, operator(x, kernel, **settings)),)

    return stages


def _depthwise_separable(options: Options) -> tuple[Stage, ...]:
    channels, settings = options["channels"], _some(options, "stride", "padding", "dilation")
    x = _image(options)
    deep = _kernel(*options["kernel_size"], 1, channels, seed=2)
    point = _kernel(1, 1, channels, options["features"], seed=3)
    window = conv_window(x, deep, **settings, groups=channels)
    middle = depthwise_conv(x, deep, **settings)
    y = depthwise_separable_conv(x, deep, point, **settings)
    mix = conv_window(middle, point, stride=1, padding=0, dilation=1, groups=1)
    alone = "Each channel is filtered by a kernel of its own. Nothing mixes yet."
    mixed = "The 1\N{MULTIPLICATION SIGN}1 kernels mix the channels of each pixel."
    return (
        _stage("Depthwise", alone, x, deep, window, middle),
        _stage("Pointwise", mixed, middle, point, mix, y),
    )


def _spatially_separable(options: Options) -> tuple[Stage, ...]:
    (height, width), channels = options["kernel_size"], options["channels"]
    features, (stride, padding) = options["features"], (options["stride"], options["padding"])
    x = _image(options)
    column = _kernel(height, 1, channels, features, seed=2)
    row = _kernel(1, width, features, features, seed=3)
    down = {"stride": (stride[0], 1), "padding": (padding[0], 0)}
    along = {"stride": (1, stride[1]), "padding": (0, padding[1])}
    middle = conv(x, column, **down)
    y = spatially_separable_conv(x, column, row, stride=stride, padding=padding)
    first, second = (
        conv_window(a, kernel, **settings, dilation=1, groups=1)
        for a, kernel, settings in ((x, column, down), (middle, row, along))
    )
    return (
        _stage("Column", "A column looks up and down only.", x, column, first, middle),
        _stage("Row", "A row over its result completes the square.", middle, row, second, y),
    )


def _transpose(options: Options) -> tuple[Stage, ...]:
    settings = _some(options, "stride", "padding", "output_padding", "dilation", "groups")
    channels, features, groups = (options[name] for name in _COUNTS)
    x = _image(options)
    kernel = _kernel(*options["kernel_size"], features // groups, channels, seed=2)
    window = transpose_window(x, kernel, **settings)
    y = transpose_conv(x, kernel, **settings)
    between = "between and " if window.input_dilation != (1, 1) else ""
    story = f"Zeros {between}around the pixels; then the kernel, turned by 180°, slides over all."
    return (_stage("", story, x, adjoint_kernel(kernel, groups), window, y),)


def _some(options: Options, *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names}


_STANDARD = ("stride", "padding", "dilation", "groups")
_FILTER = {"size": 5, "channels": 2, "features": 2, "kernel_size": 3, "stride": 1, "padding": 0}

VARIANTS = {
    "standard": Variant(
        "Standard convolution",
        _one_kernel(conv, "Each kernel is as deep as the input, and makes one channel.", _STANDARD),
        _FILTER | {"dilation": 1, "groups": 1},
    ),
    "pointwise": Variant(
        "Pointwise (1\N{MULTIPLICATION SIGN}1) convolution",
        _one_kernel(
            pointwise_conv,
            "The channels of each pixel become other channels. No neighbour is seen.",
            ("stride", "padding"),
        ),
        {"size": 3, "channels": 4, "features": 2, "stride": 1, "padding": 0},
    ),
    "depthwise_separable": Variant(
        "Depthwise separable convolution",
        _depthwise_separable,
        _FILTER | {"size": 4, "channels": 3, "dilation": 1},
    ),
    "dilated": Variant(
        "Dilated convolution",
        _one_kernel(
            dilated_conv,
            "The taps lie apart: the same weights see a wider square.",
            ("stride", "padding", "dilation"),
        ),
        _FILTER | {"size": 7, "channels": 1, "dilation": 2},
    ),
    "spatially_separable": Variant(
        "Spatially separable convolution", _spatially_separable, _FILTER | {"features": 1}
    ),
    "transpose": Variant(
        "Transposed convolution",
        _transpose,
        _FILTER
        | {"size": 3, "features": 1, "stride": 2, "padding": 1}
        | {"output_padding": 0, "dilation": 1, "groups": 1},
    ),
}
"""The variants by the names that `python -m jaxconv animate` takes."""


def explain_options() -> dict[str, str]:
    """What each option means, its usual default, and the variants that have another one."""
    texts = {}
    for name, meaning in MEANINGS.items():
        defaults = {
            key: row.defaults[name] for key, row in VARIANTS.items() if name in row.defaults
        }
        usual = Counter(defaults.values()).most_common(1)[0][0]
        others = [f"{key} {value}" for key, value in defaults.items() if value != usual]
        texts[name] = f"{meaning}; default {usual}" + f" ({', '.join(others)})" * bool(others)
    return texts
