"""What each convolution costs for the same job: parameters, multiply-adds, receptive field."""

from collections.abc import Sequence
from typing import NamedTuple

from flax import linen as nn

from jaxconv.linen.convolutions import (
    Conv,
    DepthwiseConv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
    SpatiallySeparableConv,
    TransposeConv,
)
from jaxconv.models.summary import summarize


class Cost(NamedTuple):
    """Of one layer, for one image; `receptive_field` is (vertical, horizontal) pixels."""

    name: str
    module: str
    output_shape: tuple[int, ...]  # [h, w, c]
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, int]


def same_job(
    input_shape: Sequence[int], features: int, kernel_size: int = 3
) -> dict[str, nn.Module]:
    """Every variant that maps the same image to as many pixels of `features` channels, by name.

    Args:
        input_shape: [h, w, c] of the image.
        features: output channels; the depthwise convolution, which can't mix channels, is there
            only where it is a multiple of c.
        kernel_size: odd, so that padding can keep the size.

    Raises:
        ValueError: `kernel_size` is not odd.
    """
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd to keep the size of the map, got {kernel_size}")
    half = kernel_size // 2
    variants: dict[str, nn.Module] = {
        "standard": Conv(features, kernel_size, padding=half),
        "pointwise": PointwiseConv(features),
        "depthwise": DepthwiseConv(features, kernel_size, padding=half),
        "depthwise separable": DepthwiseSeparableConv(features, kernel_size, padding=half),
        "dilated by 2": DilatedConv(features, kernel_size, dilation=2, padding=2 * half),
        "spatially separable": SpatiallySeparableConv(features, kernel_size, padding=half),
        "transposed": TransposeConv(features, kernel_size, padding=half),
    }
    if features % input_shape[-1]:
        del variants["depthwise"]
    return variants


def compare_costs(input_shape: Sequence[int], features: int, kernel_size: int = 3) -> list[Cost]:
    """The cost of every variant of `same_job`, which says what the arguments are."""
    variants = same_job(input_shape, features, kernel_size)
    return [_cost(name, module, input_shape) for name, module in variants.items()]


def _cost(name: str, module: nn.Module, input_shape: Sequence[int]) -> Cost:
    rows = summarize(module, input_shape)
    field = rows[-1].receptive_field
    assert field is not None  # all operations of these modules are known
    return Cost(
        name,
        type(module).__name__,
        rows[-1].output_shape,
        sum(row.parameters for row in rows),
        sum(row.multiply_adds for row in rows),
        field,
    )


def format_costs(costs: Sequence[Cost]) -> str:
    """A Markdown table of `costs`, each beside its share of the first."""
    first = costs[0]
    lines = [
        "| convolution | module | output | parameters | multiply-adds | sees |",
        "|---|---|---|---:|---:|---:|",
    ]
    for cost in costs:
        shape = " x ".join(map(str, cost.output_shape))
        share = f"{cost.parameters / first.parameters:.0%}"
        field = " x ".join(map(str, cost.receptive_field))
        lines.append(
            f"| {cost.name} | `{cost.module}` | {shape} | {cost.parameters:,} ({share}) "
            f"| {cost.multiply_adds:,} | {field} |"
        )
    return "\n".join(lines)
