"""What `animate` shows: for each variant small whole numbers, and what jaxconv makes of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxconv.animation.frames import Stage
from jaxconv.ops.depthwise_separable import depthwise_conv, depthwise_separable_conv
from jaxconv.ops.dilated import dilated_conv
from jaxconv.ops.geometry import Pair, pair
from jaxconv.ops.pointwise import pointwise_conv
from jaxconv.ops.spatially_separable import spatially_separable_conv
from jaxconv.ops.standard import conv
from jaxconv.ops.transpose import transpose_conv

Options = Mapping[str, Any]


class Case(NamedTuple):
    """A variant at work on one image: its stages, the output of one being the input of the next."""

    title: str
    options: Options  # as the user would give them
    stages: tuple[Stage, ...]


class Variant(NamedTuple):
    """A row of `VARIANTS`: what computes it, and the sizes that show it best."""

    title: str
    operator: Callable
    stages: Callable[[Options], tuple[Stage, ...]]
    sizes: Options

    @property
    def defaults(self) -> Options:
        """Every option with its default: of the sizes ours, of all others the function's own."""
        return self.sizes | {
            name: parameter.default
            for name, parameter in signature(self.operator).parameters.items()
            if name in MEANINGS
        }


MEANINGS = {
    "size": "height and width of the input",
    "channels": "channels of the input",
    "features": "channels of the output",
    "kernel_size": "height and width of the kernel",
    "stride": "pixels that the kernel moves at a time; transpose: pixels from input to input",
    "padding": "zeros around the input; transpose: pixels cropped from the border of the output",
    "dilation": "pixels from one tap of the kernel to the next",
    "output_padding": "rows and columns added at the end of the output",
    "groups": "groups of channels, each convolved alone",
}
"""Every option of a case, in the order of the help, and what it means."""

LARGEST = 40  # of any option: more has no room in a picture

_COUNTS = ("channels", "features", "groups")


def case(variant: str, **options: int | Sequence[int]) -> Case:
    """Lets the function of `variant`, a key of `VARIANTS`, work on small whole numbers.

    Args:
        options: some of `MEANINGS`; the variant's defaults stand in for the rest. An int, or a pair
            (vertical, horizontal) except for channels, features and groups.

    Raises:
        ValueError: an unknown variant, an option that it has not, or a value that does not fit.
    """
    if variant not in VARIANTS:
        raise ValueError(f"{variant}: unknown variant; expected one of {', '.join(VARIANTS)}")
    row = VARIANTS[variant]
    defaults = row.defaults
    for name in options:
        if name not in defaults:
            raise ValueError(f"{variant} has no {name}; it has {', '.join(defaults)}")
    ordered = [name for name in MEANINGS if name in defaults]
    chosen = {name: _canonical(name, options.get(name, defaults[name])) for name in ordered}
    channels, features, groups = (chosen.get(name, 1) for name in _COUNTS)
    if channels % groups or features % groups:
        raise ValueError(
            f"groups must divide the channels and the features, got {groups} groups of "
            f"{channels} channels and {features} features"
        )
    return Case(row.title, chosen, row.stages(chosen))


def _canonical(name: str, value: int | Sequence[int]) -> int | Pair:
    pairs = pair(value, name, minimum=0 if "padding" in name else 1)
    if max(pairs) > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST} in a picture, got {value!r}")
    if name not in _COUNTS:
        return pairs
    if not isinstance(value, int):
        raise ValueError(f"{name} must be one int, got {value!r}")
    return value


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


def _one_kernel(operator: Callable, tell: Callable[[Options], str], *names: str) -> Callable:
    """The stages of an `operator` of a single kernel; its options are `names`."""

    def stages(options: Options) -> tuple[Stage, ...]:
        settings = _some(options, *names)
        x, per_group = _image(options), options["channels"] // options.get("groups", 1)
        size = options.get("kernel_size", (1, 1))
        kernel = _kernel(*size, per_group, options["features"], seed=2)
        y = _apply(operator, x, kernel, **settings)
        return (Stage("", tell(options), x[0], kernel, y[0], **settings),)

    return stages


def _standard_story(options: Options) -> str:
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


def _pointwise_story(options: Options) -> str:
    return "The channels of each pixel become other channels. No neighbour is read."


def _dilated_story(options: Options) -> str:
    return "The taps lie apart: the same weights span a wider square, with holes between them."


def _depthwise_separable(options: Options) -> tuple[Stage, ...]:
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


def _spatially_separable(options: Options) -> tuple[Stage, ...]:
    (height, width), channels = options["kernel_size"], options["channels"]
    features, (stride, padding) = options["features"], (options["stride"], options["padding"])
    x = _image(options)
    column = _kernel(height, 1, channels, features, seed=2)
    row = _kernel(1, width, features, features, seed=3)
    down = {"stride": (stride[0], 1), "padding": (padding[0], 0)}
    along = {"stride": (1, stride[1]), "padding": (0, padding[1])}
    middle = _apply(conv, x, column, **down)
    y = _apply(spatially_separable_conv, x, column, row, stride=stride, padding=padding)
    return (
        Stage("Column", "A column reads up and down only.", x[0], column, middle[0], **down),
        Stage("Row", "A row over its result completes the square.", middle[0], row, y[0], **along),
    )


def _transpose(options: Options) -> tuple[Stage, ...]:
    settings = _some(options, "stride", "padding", "output_padding", "dilation", "groups")
    channels, features, groups = (options[name] for name in _COUNTS)
    x = _image(options)
    kernel = _kernel(*options["kernel_size"], features // groups, channels, seed=2)
    y = _apply(transpose_conv, x, kernel, **settings)
    between = "between and " if max(options["stride"]) > 1 else ""
    turned = "each kernel" if features > 1 else "the kernel"
    story = f"Zeros {between}around the pixels; then {turned}, turned by 180°, slides over all."
    return (Stage("", story, x[0], kernel, y[0], **settings),)


def _some(options: Options, *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names}


_SIZES = {"size": 5, "channels": 2, "features": 2, "kernel_size": 3}

VARIANTS = {
    "standard": Variant(
        "Standard convolution",
        conv,
        _one_kernel(conv, _standard_story, "stride", "padding", "dilation", "groups"),
        _SIZES,
    ),
    "pointwise": Variant(
        "Pointwise (1\N{MULTIPLICATION SIGN}1) convolution",
        pointwise_conv,
        _one_kernel(pointwise_conv, _pointwise_story, "stride", "padding"),
        {"size": 3, "channels": 4, "features": 2},
    ),
    "depthwise_separable": Variant(
        "Depthwise separable convolution",
        depthwise_separable_conv,
        _depthwise_separable,
        _SIZES | {"size": 4, "channels": 3},
    ),
    "dilated": Variant(
        "Dilated convolution",
        dilated_conv,
        _one_kernel(dilated_conv, _dilated_story, "stride", "padding", "dilation"),
        _SIZES | {"size": 7, "channels": 1, "features": 1},
    ),
    "spatially_separable": Variant(
        "Spatially separable convolution",
        spatially_separable_conv,
        _spatially_separable,
        _SIZES | {"features": 1},
    ),
    "transpose": Variant(
        "Transposed convolution",
        transpose_conv,
        _transpose,
        _SIZES | {"size": 2, "features": 1},
    ),
}
"""The variants by the names that `python -m jaxconv animate` takes."""


def explain_options() -> dict[str, str]:
    """What each option means, its usual default, and the variants that have another one."""
    texts = {}
    for name, meaning in MEANINGS.items():
        values = {key: row.defaults for key, row in VARIANTS.items()}
        defaults = {key: known[name] for key, known in values.items() if name in known}
        usual = Counter(defaults.values()).most_common(1)[0][0]
        others = [f"{key} {value}" for key, value in defaults.items() if value != usual]
        texts[name] = f"{meaning}; default {usual}" + f" ({', '.join(others)})" * bool(others)
    return texts
