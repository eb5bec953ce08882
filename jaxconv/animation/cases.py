"""What `animate` shows: for each variant small whole numbers, and what jaxconv makes of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, NamedTuple

from jaxconv.animation import stages
from jaxconv.animation.frames import Stage
from jaxconv.animation.stages import COUNTS, Options
from jaxconv.ops.depthwise_separable import depthwise_separable_conv
from jaxconv.ops.dilated import dilated_conv
from jaxconv.ops.geometry import Pair, pair
from jaxconv.ops.pointwise import pointwise_conv
from jaxconv.ops.spatially_separable import spatially_separable_conv
from jaxconv.ops.standard import conv
from jaxconv.ops.transpose import transpose_conv


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
    def defaults(self) -> dict[str, Any]:
        """Every option with its default: of the sizes ours, of all others the function's own."""
        return dict(self.sizes) | {
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
    chosen: Options = {name: _canonical(name, (defaults | options)[name]) for name in ordered}
    channels, features, groups = (chosen.get(name, 1) for name in COUNTS)
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
    if name not in COUNTS:
        return pairs
    if not isinstance(value, int):
        raise ValueError(f"{name} must be one int, got {value!r}")
    return value


_SIZES = {"size": 5, "channels": 2, "features": 2, "kernel_size": 3}

VARIANTS = {
    "standard": Variant(
        "Standard convolution",
        conv,
        stages.one_kernel(conv, stages.standard_story, "stride", "padding", "dilation", "groups"),
        _SIZES,
    ),
    "pointwise": Variant(
        "Pointwise (1\N{MULTIPLICATION SIGN}1) convolution",
        pointwise_conv,
        stages.one_kernel(pointwise_conv, stages.pointwise_story, "stride", "padding"),
        {"size": 3, "channels": 4, "features": 2},
    ),
    "depthwise_separable": Variant(
        "Depthwise separable convolution",
        depthwise_separable_conv,
        stages.depthwise_separable,
        _SIZES | {"size": 4, "channels": 3},
    ),
    "dilated": Variant(
        "Dilated convolution",
        dilated_conv,
        stages.one_kernel(dilated_conv, stages.dilated_story, "stride", "padding", "dilation"),
        _SIZES | {"size": 7, "channels": 1, "features": 1},
    ),
    "spatially_separable": Variant(
        "Spatially separable convolution",
        spatially_separable_conv,
        stages.spatially_separable,
        _SIZES | {"features": 1},
    ),
    "transpose": Variant(
        "Transposed convolution",
        transpose_conv,
        stages.transpose,
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
