"""The one list that the suites walk: a new variant is a new row, and gets every test."""

from collections.abc import Callable
from typing import Any, NamedTuple

import dense
import numpy as np
import pytest
import reference
from flax import linen as nn

import jaxconv


class Sample(NamedTuple):
    """One use of a variant."""

    x: tuple[int, ...]  # [b, *space, c]
    kernels: tuple[tuple[int, ...], ...]
    options: dict[str, Any]

    def arrays(self, seed=0, dtype=np.float64):
        """x and the kernels, standard normal."""
        rng = np.random.default_rng(seed)
        return [rng.standard_normal(shape).astype(dtype) for shape in (self.x, *self.kernels)]


class Variant(NamedTuple):
    name: str
    function: Callable  # function(x, *kernels, **options)
    module: type[nn.Module]
    reference: Callable  # the same arguments, in NumPy
    dense: Callable  # the same arguments, as one dense convolution
    layer: Callable  # sample -> the module's arguments beside the options
    samples: tuple[Sample, ...]  # of images
    others: tuple[Sample, ...]  # of signals and volumes, with other borders


def _one_kernel(sample):
    (kernel,) = sample.kernels
    return {"features": kernel[-1], "kernel_size": kernel[:-2]}


def _separable(sample):
    depthwise, pointwise = sample.kernels
    multiplier = depthwise[-1] // sample.x[-1]
    return {"features": pointwise[-1], "kernel_size": depthwise[:-2], "multiplier": multiplier}


def _along_each_axis(sample):
    size = tuple(kernel[axis] for axis, kernel in enumerate(sample.kernels))
    mid_features = sample.kernels[0][-1]
    return {"features": sample.kernels[-1][-1], "kernel_size": size, "mid_features": mid_features}


def _transpose(sample):
    (kernel,) = sample.kernels
    features = kernel[-2] * sample.options.get("groups", 1)
    return {"features": features, "kernel_size": kernel[:-2]}


X = (2, 7, 8, 4)
LINE = (2, 9, 4)
VOLUME = (2, 4, 5, 3, 4)

VARIANTS = (
    Variant(
        "standard",
        jaxconv.conv,
        jaxconv.Conv,
        reference.conv,
        dense.conv,
        _one_kernel,
        (
            Sample(X, ((3, 3, 4, 3),), {}),
            Sample(X, ((3, 2, 4, 3),), {"stride": 2, "padding": (1, 0)}),
            Sample(
                X, ((3, 3, 2, 6),), {"stride": (2, 1), "padding": 1, "dilation": 2, "groups": 2}
            ),
            Sample(X, ((2, 2, 4, 3),), {"stride": 4, "padding": 3}),
            Sample(X, ((3, 3, 4, 5),), {"stride": 2, "padding": 1, "dilation": 2}),
        ),
        (
            Sample(LINE, ((3, 2, 6),), {"stride": 2, "padding": 1, "groups": 2}),
            Sample(LINE, ((4, 4, 3),), {"padding": "same", "dilation": 2}),
            Sample(VOLUME, ((2, 3, 2, 4, 3),), {"stride": (1, 2, 2), "padding": (1, 0, 1)}),
            Sample(VOLUME, ((2, 2, 2, 2, 4),), {"dilation": (1, 2, 1), "padding": 1, "groups": 2}),
            Sample(X, ((3, 2, 4, 3),), {"padding": ((0, 2), (3, 1)), "stride": (1, 2)}),
            Sample(X, ((3, 4, 4, 2),), {"padding": "same", "padding_mode": "reflect"}),
            Sample(X, ((3, 3, 2, 4),), {"padding": 2, "padding_mode": "circular", "groups": 2}),
            Sample(X, ((3, 3, 4, 2),), {"padding": (9, 1), "padding_mode": "replicate"}),
            Sample(X, ((3, 3, 4, 2),), {"padding": "valid", "stride": 2}),
        ),
    ),
    Variant(
        "pointwise",
        jaxconv.pointwise_conv,
        jaxconv.PointwiseConv,
        reference.pointwise_conv,
        dense.pointwise_conv,
        lambda sample: {"features": sample.kernels[0][-1]},
        (
            Sample(X, ((1, 1, 4, 6),), {}),
            Sample(X, ((1, 1, 4, 2),), {"stride": (3, 2), "padding": (0, 2)}),
        ),
        (
            Sample(LINE, ((1, 4, 3),), {"padding": ((1, 2),)}),
            Sample(VOLUME, ((1, 1, 1, 4, 3),), {"stride": 2}),
            Sample(X, ((1, 1, 4, 3),), {"padding": 1, "padding_mode": "replicate"}),
        ),
    ),
    Variant(
        "depthwise",
        jaxconv.depthwise_conv,
        jaxconv.DepthwiseConv,
        reference.depthwise_conv,
        dense.depthwise_conv,
        _one_kernel,
        (
            Sample(X, ((3, 3, 1, 4),), {"padding": 1}),
            Sample(X, ((3, 2, 1, 8),), {"stride": (1, 2), "padding": (2, 0)}),
            Sample(X, ((3, 3, 1, 4),), {"stride": 2, "padding": 2, "dilation": (2, 1)}),
        ),
        (
            Sample(LINE, ((3, 1, 8),), {"padding": 1, "stride": 2}),
            Sample(VOLUME, ((2, 3, 2, 1, 4),), {"padding": (1, 1, 0), "dilation": (2, 1, 1)}),
            Sample(X, ((3, 3, 1, 4),), {"padding": "same", "padding_mode": "circular"}),
        ),
    ),
    Variant(
        "depthwise_separable",
        jaxconv.depthwise_separable_conv,
        jaxconv.DepthwiseSeparableConv,
        reference.depthwise_separable_conv,
        dense.depthwise_separable_conv,
        _separable,
        (
            Sample(X, ((3, 3, 1, 4), (1, 1, 4, 5)), {"padding": 1, "pointwise_padding": 1}),
            Sample(X, ((3, 2, 1, 8), (1, 1, 8, 3)), {"stride": 2, "padding": (1, 0)}),
            Sample(X, ((3, 3, 1, 4), (1, 1, 4, 2)), {"dilation": 2, "pointwise_padding": (0, 2)}),
        ),
        (
            Sample(LINE, ((3, 1, 4), (1, 4, 5)), {"padding": 1, "pointwise_padding": 1}),
            Sample(VOLUME, ((2, 2, 2, 1, 4), (1, 1, 1, 4, 3)), {"stride": 2, "padding": 1}),
            Sample(X, ((3, 3, 1, 4), (1, 1, 4, 2)), {"padding": 2, "padding_mode": "reflect"}),
        ),
    ),
    Variant(
        "dilated",
        jaxconv.dilated_conv,
        jaxconv.DilatedConv,
        reference.dilated_conv,
        dense.dilated_conv,
        _one_kernel,
        (
            Sample(X, ((3, 3, 4, 3),), {}),
            Sample(X, ((3, 3, 4, 3),), {"dilation": 2, "stride": 2, "padding": 1}),
            Sample(X, ((2, 3, 4, 3),), {"dilation": (4, 3), "stride": (2, 3), "padding": (0, 4)}),
        ),
        (
            Sample(LINE, ((3, 4, 3),), {"stride": 2, "padding": 2}),
            Sample(VOLUME, ((2, 2, 2, 4, 3),), {"padding": 1, "groups": 1}),
            Sample(X, ((3, 3, 2, 4),), {"padding": "same", "groups": 2}),
        ),
    ),
    Variant(
        "spatially_separable",
        jaxconv.spatially_separable_conv,
        jaxconv.SpatiallySeparableConv,
        reference.spatially_separable_conv,
        dense.spatially_separable_conv,
        _along_each_axis,
        (
            Sample(X, ((3, 1, 4, 1), (1, 3, 1, 5)), {}),
            Sample(X, ((3, 1, 4, 2), (1, 2, 2, 3)), {"stride": (2, 3), "padding": (1, 2)}),
        ),
        (
            Sample(LINE, ((3, 4, 2),), {"stride": 2, "padding": 1}),
            Sample(
                VOLUME,
                ((2, 1, 1, 4, 3), (1, 3, 1, 3, 3), (1, 1, 2, 3, 2)),
                {"stride": (1, 2, 1), "padding": (1, 0, 2)},
            ),
            Sample(
                X, ((3, 1, 4, 2), (1, 4, 2, 3)), {"padding": "same", "padding_mode": "circular"}
            ),
        ),
    ),
    Variant(
        "transpose",
        jaxconv.transpose_conv,
        jaxconv.TransposeConv,
        reference.transpose_conv,
        dense.transpose_conv,
        _transpose,
        (
            Sample((2, 4, 5, 4), ((3, 3, 3, 4),), {}),
            Sample(
                (2, 4, 5, 4), ((3, 2, 3, 4),), {"stride": 2, "padding": 1, "output_padding": (1, 0)}
            ),
            Sample((2, 4, 5, 4), ((2, 3, 3, 4),), {"stride": 3, "padding": (2, 4)}),  # a crop
            Sample(
                (2, 3, 4, 4),
                ((3, 2, 2, 4),),
                {"stride": (2, 3), "dilation": (1, 4), "groups": 2, "output_padding": (1, 3)},
            ),
        ),
        (
            Sample((2, 5, 4), ((3, 3, 4),), {"stride": 2, "padding": 1, "output_padding": 1}),
            Sample((2, 5, 4), ((4, 3, 4),), {"stride": 3, "groups": 2}),
            Sample(
                (2, 2, 3, 2, 4),
                ((2, 3, 2, 3, 4),),
                {"stride": (2, 1, 2), "padding": (1, 0, 0), "dilation": (1, 2, 1)},
            ),
            Sample((2, 4, 5, 4), ((3, 3, 3, 4),), {"padding": ((0, 1), (2, 0)), "stride": 2}),
            Sample((2, 4, 5, 4), ((3, 3, 2, 4),), {"padding": "same", "padding_mode": "circular"}),
            Sample(
                (2, 4, 5, 4),
                ((3, 2, 3, 4),),
                {"stride": 2, "padding": 2, "output_padding": 1, "padding_mode": "reflect"},
            ),
            Sample((2, 3, 4, 4), ((3, 3, 3, 4),), {"padding": (1, 2), "padding_mode": "replicate"}),
        ),
    ),
)

each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)


def _each(samples):
    return pytest.mark.parametrize(
        ("variant", "sample"),
        [
            pytest.param(variant, sample, id=f"{variant.name}-{number}")
            for variant in VARIANTS
            for number, sample in enumerate(samples(variant))
        ],
    )


each_sample = _each(lambda variant: variant.samples)
each_use = _each(lambda variant: variant.samples + variant.others)


def make_layer(variant: Variant, sample: Sample, **extra) -> nn.Module:
    """The module that owns kernels of the sample's shapes."""
    return variant.module(**variant.layer(sample), **sample.options, **extra)


def difference(given, expected) -> float:
    """The largest difference, relative to the largest expected value."""
    given, expected = np.asarray(given, np.float64), np.asarray(expected, np.float64)
    assert given.shape == expected.shape
    return np.abs(given - expected).max(initial=0) / max(np.abs(expected).max(initial=0), 1e-30)
