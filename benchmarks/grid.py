"""The convolutions that `benchmarks.variants` compares: jaxconv's way and XLA's own."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax

import jaxconv
from jaxconv.ops.arguments import conv_window, transpose_window
from jaxconv.ops.window import adjoint_kernel, definition

PLAIN = {"stride": 1, "padding": 0, "dilation": 1}


def plain_conv(x: jax.Array, kernel: jax.Array, *, groups: int = 1, **options: Any) -> jax.Array:
    """`conv` as `lax.conv_general_dilated`, with the gradients that JAX derives."""
    return definition(x, kernel, conv_window(x, kernel, **PLAIN | options, groups=groups))


def plain_depthwise(x: jax.Array, kernel: jax.Array, **options: Any) -> jax.Array:
    return plain_conv(x, kernel, groups=x.shape[-1], **options)


def plain_separable(
    x: jax.Array,
    depthwise: jax.Array,
    pointwise: jax.Array,
    *,
    pointwise_padding: int = 0,
    **options: Any,
) -> jax.Array:
    return plain_conv(
        plain_depthwise(x, depthwise, **options), pointwise, padding=pointwise_padding
    )


def plain_spatially_separable(
    x: jax.Array, column: jax.Array, row: jax.Array, *, stride: int = 1, padding: int = 0
) -> jax.Array:
    y = plain_conv(x, column, stride=(stride, 1), padding=(padding, 0))
    return plain_conv(y, row, stride=(1, stride), padding=(0, padding))


def plain_transpose(x: jax.Array, kernel: jax.Array, **options: Any) -> jax.Array:
    options = PLAIN | {"output_padding": 0, "groups": 1} | options
    window = transpose_window(x, kernel, **options)
    return definition(x, adjoint_kernel(kernel, options["groups"]), window)


class Pair(NamedTuple):
    """A variant as jaxconv computes it, and the definition of the same numbers."""

    ours: Callable[..., jax.Array]
    plain: Callable[..., jax.Array]


STANDARD = Pair(jaxconv.conv, plain_conv)
POINTWISE = Pair(jaxconv.pointwise_conv, plain_conv)
DEPTHWISE = Pair(jaxconv.depthwise_conv, plain_depthwise)
SEPARABLE = Pair(jaxconv.depthwise_separable_conv, plain_separable)
DILATED = Pair(jaxconv.dilated_conv, plain_conv)
SPATIAL = Pair(jaxconv.spatially_separable_conv, plain_spatially_separable)
TRANSPOSE = Pair(jaxconv.transpose_conv, plain_transpose)


class Case(NamedTuple):
    """One use of a variant."""

    kind: str
    pair: Pair
    x: tuple[int, ...]
    kernels: tuple[tuple[int, ...], ...]
    options: dict[str, Any]

    @property
    def functions(self) -> list[Callable[..., jax.Array]]:
        """Functions of x and the kernels: jaxconv's, the definition."""
        return [partial(function, **self.options) for function in self.pair]

    @property
    def name(self) -> str:
        shapes = [self.x, *self.kernels]
        arrays = " * ".join("x".join(map(str, shape)) for shape in shapes)
        options = "".join(f" {name}={value}" for name, value in self.options.items())
        return f"{self.kind}: {arrays}{options}"


SAME = {"padding": 1}
HALVE = {"stride": 2, "padding": 1}
SPREAD = {"padding": 2, "dilation": 2}
SHRINK = {"stride": 2, "padding": 1, "dilation": 2}

CASES = (
    # Those of S9Net, at batch 128.
    Case("standard", STANDARD, (128, 32, 32, 3), ((3, 3, 3, 32),), SAME),
    Case("standard", STANDARD, (128, 16, 16, 32), ((3, 3, 32, 40),), SAME),
    Case("standard", STANDARD, (128, 7, 7, 40), ((3, 3, 40, 40),), SAME),
    Case("standard", STANDARD, (128, 3, 3, 64), ((3, 3, 64, 64),), SAME),
    Case("pointwise", POINTWISE, (128, 32, 32, 32), ((1, 1, 32, 32),), {"padding": 1}),
    Case("pointwise", POINTWISE, (128, 1, 1, 64), ((1, 1, 64, 10),), {}),
    Case("depthwise", DEPTHWISE, (128, 32, 32, 32), ((3, 3, 1, 32),), SAME),
    Case(
        "separable",
        SEPARABLE,
        (128, 32, 32, 32),
        ((3, 3, 1, 32), (1, 1, 32, 32)),
        {"padding": 1, "pointwise_padding": 1},
    ),
    Case("strided dilated", DILATED, (128, 34, 34, 32), ((3, 3, 32, 32),), SHRINK),
    Case("strided dilated", DILATED, (128, 7, 7, 40), ((3, 3, 40, 40),), SHRINK),
    # Those of other networks.
    Case("standard", STANDARD, (32, 14, 14, 128), ((3, 3, 128, 128),), SAME),
    Case("standard", STANDARD, (4, 56, 56, 64), ((3, 3, 64, 64),), SAME),
    Case("standard", STANDARD, (4, 96, 96, 3), ((7, 7, 3, 32),), {"stride": 2, "padding": 3}),
    Case("standard", STANDARD, (32, 32, 32, 32), ((3, 3, 32, 64),), HALVE),
    Case("standard", STANDARD, (32, 32, 32, 16), ((4, 4, 16, 32),), {"stride": 4}),
    Case("standard", STANDARD, (32, 16, 16, 32), ((5, 5, 32, 32),), {"padding": 2}),
    Case("groups of 16", STANDARD, (32, 16, 16, 64), ((3, 3, 16, 64),), SAME | {"groups": 4}),
    Case("groups of 4", STANDARD, (32, 16, 16, 32), ((3, 3, 4, 32),), SAME | {"groups": 8}),
    Case("pointwise", POINTWISE, (32, 14, 14, 128), ((1, 1, 128, 256),), {}),
    Case("pointwise", POINTWISE, (32, 32, 32, 32), ((1, 1, 32, 64),), {"stride": 2}),
    Case("depthwise", DEPTHWISE, (32, 14, 14, 96), ((5, 5, 1, 96),), {"padding": 2}),
    Case("depthwise", DEPTHWISE, (32, 32, 32, 32), ((3, 3, 1, 32),), HALVE),
    Case("depthwise", DEPTHWISE, (32, 16, 16, 16), ((3, 3, 1, 32),), SAME),
    Case("depthwise", DEPTHWISE, (32, 32, 32, 32), ((3, 3, 1, 32),), {"padding": 2, "dilation": 2}),
    Case(
        "separable", SEPARABLE, (32, 14, 14, 64), ((3, 3, 1, 64), (1, 1, 64, 128)), {"padding": 1}
    ),
    Case("dilated", DILATED, (32, 16, 16, 32), ((3, 3, 32, 32),), SPREAD),
    Case("dilated", DILATED, (4, 48, 48, 32), ((3, 3, 32, 32),), {"padding": 4, "dilation": 4}),
    Case("spatially separable", SPATIAL, (32, 32, 32, 32), ((3, 1, 32, 32), (1, 3, 32, 32)), SAME),
    Case(
        "spatially separable",
        SPATIAL,
        (32, 14, 14, 64),
        ((7, 1, 64, 64), (1, 7, 64, 64)),
        {"padding": 3},
    ),
    Case("transpose", TRANSPOSE, (32, 16, 16, 32), ((3, 3, 32, 32),), SAME),
    Case("transpose", TRANSPOSE, (32, 16, 16, 32), ((2, 2, 16, 32),), {"stride": 2}),
    Case(
        "transpose", TRANSPOSE, (32, 16, 16, 32), ((3, 3, 16, 32),), HALVE | {"output_padding": 1}
    ),
    Case("transpose", TRANSPOSE, (32, 16, 16, 32), ((4, 4, 16, 32),), HALVE),
    Case("transpose", TRANSPOSE, (32, 7, 7, 64), ((4, 4, 32, 64),), HALVE),
    Case("depthwise", DEPTHWISE, (1, 56, 56, 96), ((7, 7, 1, 96),), {"padding": 3}),
    Case("depthwise", DEPTHWISE, (4, 56, 56, 96), ((7, 7, 1, 96),), {"padding": 3}),
    Case("depthwise", DEPTHWISE, (4, 28, 28, 192), ((7, 7, 1, 192),), {"padding": 3}),
    Case("depthwise", DEPTHWISE, (2, 28, 28, 32), ((9, 9, 1, 32),), {"padding": 4}),
    # Signals and volumes.
    Case("signal", STANDARD, (16, 1024, 32), ((9, 32, 64),), {"padding": 4}),
    Case("signal", STANDARD, (16, 1024, 32), ((3, 32, 32),), SPREAD),
    Case("signal", DEPTHWISE, (16, 1024, 64), ((7, 1, 64),), {"padding": 3}),
    Case("signal", TRANSPOSE, (16, 256, 64), ((4, 32, 64),), HALVE),
    Case("volume", STANDARD, (4, 16, 16, 16, 16), ((3, 3, 3, 16, 32),), SAME),
    Case("volume", STANDARD, (4, 16, 16, 16, 16), ((3, 3, 3, 16, 32),), HALVE),
    Case("volume", DEPTHWISE, (4, 16, 16, 16, 16), ((3, 3, 3, 1, 16),), SAME),
    Case("volume", TRANSPOSE, (4, 8, 8, 8, 32), ((2, 2, 2, 16, 32),), {"stride": 2}),
    # Small ones.
    Case("standard", STANDARD, (2, 8, 8, 4), ((3, 3, 4, 6),), SAME),
    Case("standard", STANDARD, (1, 32, 32, 3), ((3, 3, 3, 32),), SAME),
    Case("groups of 2", STANDARD, (2, 8, 8, 4), ((3, 3, 2, 4),), SAME | {"groups": 2}),
    Case("pointwise", POINTWISE, (2, 8, 8, 4), ((1, 1, 4, 6),), {}),
    Case("depthwise", DEPTHWISE, (2, 8, 8, 4), ((3, 3, 1, 4),), SAME),
    Case("separable", SEPARABLE, (2, 8, 8, 4), ((3, 3, 1, 4), (1, 1, 4, 6)), SAME),
    Case("dilated", DILATED, (2, 8, 8, 4), ((3, 3, 4, 6),), SPREAD),
    Case("strided dilated", DILATED, (2, 8, 8, 4), ((3, 3, 4, 6),), SHRINK),
    Case("spatially separable", SPATIAL, (2, 8, 8, 4), ((3, 1, 4, 4), (1, 3, 4, 6)), SAME),
    Case("transpose", TRANSPOSE, (2, 8, 8, 4), ((3, 3, 6, 4),), SAME),
    Case("transpose", TRANSPOSE, (2, 8, 8, 4), ((3, 3, 6, 4),), HALVE),
    Case("transpose", TRANSPOSE, (2, 8, 8, 4), ((2, 2, 6, 4),), {"stride": 2}),
)
