"""Every refusal, by its message: one line that names what was given and what would do."""

import jax
import jax.numpy as jnp
import pytest
from variants import each_variant

from jaxconv import (
    Conv,
    DepthwiseConv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
    SpatiallySeparableConv,
    TransposeConv,
    conv,
    depthwise_conv,
    depthwise_separable_conv,
    pointwise_conv,
    spatially_separable_conv,
    transpose_conv,
)

X = (2, 5, 6, 4)
SHARED = {  # of every variant: changed options -> words of the message
    "zero stride": ({"stride": 0}, r"stride must be at least 1, got 0"),
    "negative stride in a pair": ({"stride": (1, -2)}, r"stride .* at least 1, got \(1, -2\)"),
    "negative padding": ({"padding": -1}, r"padding must be at least 0, got -1"),
    "padding by name": (
        {"padding": "SAME"},
        r"padding must be an int or a pair .* got 'SAME'.*'same'",
    ),
    "three numbers": ({"padding": (1, 2, 3)}, r"pair of ints, got \(1, 2, 3\)"),
    "a fraction": ({"stride": 1.5}, r"stride must be an int or a pair of ints, got 1.5"),
    "a truth value": ({"stride": True}, r"stride must be an int or a pair of ints, got True"),
}


def refuse(message, function, *shapes, **options):
    arrays = [jnp.zeros(shape) for shape in shapes]
    with pytest.raises(ValueError, match=message) as error:
        function(*arrays, **options)
    assert "\n" not in str(error.value)


@each_variant
@pytest.mark.parametrize(("options", "message"), SHARED.values(), ids=SHARED.keys())
def test_bad_option(variant, options, message):
    sample = variant.samples[0]
    refuse(message, variant.function, sample.x, *sample.kernels, **(sample.options | options))


@each_variant
def test_x_of_wrong_rank(variant):
    sample = variant.samples[0]
    refuse(r"\(8, 4\)|\(5, 4\)", variant.function, sample.x[2:], *sample.kernels)
    refuse(
        r"\(1, 2, 7, 8, 4\)|\(1, 2, 4, 5, 4\)", variant.function, (1, *sample.x), *sample.kernels
    )


@each_variant
def test_each_kernel_of_wrong_rank(variant):
    sample = variant.samples[0]
    for place, kernel in enumerate(sample.kernels):
        kernels = [*sample.kernels]
        kernels[place] = kernel[1:]
        words = str(kernel[1:]).replace("(", r"\(").replace(")", r"\)")
        refuse(words, variant.function, sample.x, *kernels)


@each_variant
def test_kernel_of_another_dtype(variant):
    x, *kernels = variant.samples[0].arrays()
    with pytest.raises(ValueError, match=r"one dtype, got bfloat16 and float32; convert"):
        variant.function(jnp.asarray(x, jnp.bfloat16), *(jnp.asarray(k) for k in kernels))


@each_variant
def test_an_error_under_jit_is_the_same_error(variant):
    sample = variant.samples[0]
    x, *kernels = sample.arrays()
    with pytest.raises(ValueError, match="stride must be at least 1"):
        jax.jit(lambda *arrays: variant.function(*arrays, stride=0))(x, *kernels)


@pytest.mark.parametrize(
    ("function", "shapes", "options", "message"),
    [
        (conv, (X, (3, 3, 5, 2)), {}, r"kernel \(3, 3, 5, 2\) reads 5 .* \(2, 5, 6, 4\)"),
        (conv, (X, (3, 3, 4, 2)), {"groups": 2}, r"kernel .* reads 4 channels in each of 2 groups"),
        (conv, (X, (3, 3, 4, 2)), {"groups": 3}, r"groups must divide .* groups=3 for 4 in and 2"),
        (conv, (X, (3, 3, 2, 3)), {"groups": 2}, r"groups must divide .* groups=2 for 4 in and 3"),
        (conv, (X, (3, 3, 4, 2)), {"groups": 0}, r"groups must be an int of at least 1, got 0"),
        (conv, (X, (3, 3, 4, 2)), {"groups": 1.0}, r"groups must be an int .* got 1.0"),
        (conv, (X, (3, 3, 4, 2)), {"dilation": 0}, r"dilation must be at least 1, got 0"),
        (conv, (X, (6, 3, 4, 2)), {}, r"output would be 0x4 .* \(2, 5, 6, 4\) .* \(6, 3, 4, 2\)"),
        (conv, (X, (3, 3, 4, 2)), {"dilation": 3}, r"output would be .* dilation=\(3, 3\)"),
        (conv, ((2, 0, 6, 4), (1, 1, 4, 2)), {}, r"only the batch may be empty.* \(2, 0, 6, 4\)"),
        (conv, (X, (3, 3, 4, 0)), {}, r"only the batch may be empty.* \(3, 3, 4, 0\)"),
        (
            pointwise_conv,
            (X, (3, 1, 4, 2)),
            {},
            r"pointwise kernel must be \[1, 1, .*\(3, 1, 4, 2\)",
        ),
        (pointwise_conv, (X, (1, 1, 3, 2)), {}, r"kernel \(1, 1, 3, 2\) reads 3 channels"),
        (depthwise_conv, (X, (3, 3, 4, 4)), {}, r"depthwise kernel must be .* \(3, 3, 4, 4\)"),
        (depthwise_conv, (X, (3, 3, 1, 6)), {}, r"depthwise kernel must be .* \(3, 3, 1, 6\)"),
        (
            depthwise_conv,
            ((2, 5, 6, 0), (3, 3, 1, 4)),
            {},
            r"only the batch may be empty|depthwise kernel must be",
        ),
        (
            depthwise_separable_conv,
            (X, (3, 3, 1, 4), (1, 1, 5, 2)),
            {},
            r"kernel \(1, 1, 5, 2\) reads 5 channels",
        ),
        (
            depthwise_separable_conv,
            (X, (3, 3, 1, 4), (1, 1, 4, 2)),
            {"pointwise_padding": -1},
            r"padding must be at least 0, got -1",
        ),
        (
            spatially_separable_conv,
            (X, (3, 3, 4, 2), (1, 3, 2, 2)),
            {},
            r"column \[kh, 1, .* row \[1, kw, .* \(3, 3, 4, 2\) and \(1, 3, 2, 2\)",
        ),
        (
            spatially_separable_conv,
            (X, (3, 1, 4, 2), (1, 3, 3, 2)),
            {},
            r"kernel \(1, 3, 3, 2\) reads 3 channels",
        ),
        (
            transpose_conv,
            (X, (3, 3, 4, 2)),
            {},
            r"kernel \(3, 3, 4, 2\) reads 2 channels, but x \(2, 5, 6, 4\)",
        ),
        (
            transpose_conv,
            (X, (3, 3, 2, 4)),
            {"output_padding": 2, "stride": 2},
            r"output_padding must be smaller than stride or dilation.*\(2, 2\).*stride=.*dilation=",
        ),
        (transpose_conv, (X, (3, 3, 2, 4)), {"output_padding": -1}, r"output_padding must be at l"),
        (transpose_conv, (X, (3, 3, 2, 4)), {"dilation": 0}, r"dilation must be at least 1"),
        (transpose_conv, (X, (3, 3, 2, 4)), {"groups": 3}, r"groups must divide .* 4 in and 6 out"),
        (transpose_conv, (X, (3, 3, 2, 4)), {"groups": None}, r"groups must be an int .* got None"),
        (transpose_conv, (X, (3, 3, 2, 4)), {"padding": 4}, r"output would be -1x0 .*padding="),
        (
            conv,
            (X, (3, 3, 4, 2)),
            {"padding": 2**31},
            r"padding .* below 2\*\*31, got 214748",
        ),
        (conv, (X, (3, 3, 4, 2)), {"padding": 2**30}, r"sizes must stay below 2\*\*31 pixels"),
        (conv, (X, (3, 3, 4, 2)), {"dilation": 2**30}, r"output would be"),
        (transpose_conv, (X, (3, 3, 2, 4)), {"stride": 2**40}, r"stride must be below 2\*\*31"),
        (transpose_conv, (X, (3, 3, 2, 4)), {"stride": 2**30}, r"sizes must stay below 2\*\*31"),
        (conv, (X, (3, 3, 0, 5)), {"groups": 5}, r"groups must divide .* groups=5 for 4 in and 5"),
        (
            conv,
            (X, (3, 3, 4, 2)),
            {"padding": "same", "stride": 2},
            r"stride of 1, got .*\(2, 2\)",
        ),
        (
            conv,
            (X, (3, 3, 4, 2)),
            {"padding": (1, (2, 0))},
            r"padding must .*\(1, \(2, 0\)\)",
        ),
        (
            conv,
            (X, (3, 3, 4, 2)),
            {"padding_mode": "mirror"},
            r"one of zeros, .* got 'mirror'",
        ),
        (
            conv,
            (X, (3, 3, 4, 2)),
            {"padding": 5, "padding_mode": "reflect"},
            r"below the size, got \(5, 5\) for 5 pixels",
        ),
        (
            conv,
            (X, (3, 3, 4, 2)),
            {"padding": 6, "padding_mode": "circular"},
            r"go round once, got \(6, 6\) for 5 pixels",
        ),
        *(
            (  # as of the convolution that it is the adjoint of, whose x has one row
                transpose_conv,
                (X, (3, 3, 2, 4)),
                {"padding": (3, 0), "padding_mode": mode},
                rf"{words}, got \(3, 3\) for 1 pixels",
            )
            for mode, words in (("reflect", "below the size"), ("circular", "go round once"))
        ),
        (
            transpose_conv,
            (X, (3, 3, 2, 4)),
            {"output_size": (8, 8)},
            r"\(7, 8\) and \(7, 8\)",
        ),
        (
            transpose_conv,
            (X, (3, 3, 2, 4)),
            {"output_size": (11, 13), "output_padding": 1, "stride": 2},
            r"output_size or output_padding",
        ),
    ],
)
def test_arguments_that_do_not_fit(function, shapes, options, message):
    refuse(message, function, *shapes, **options)


def test_output_padding_up_to_the_larger_of_stride_and_dilation_is_accepted():
    x, kernel = jnp.ones((1, 3, 3, 1)), jnp.ones((2, 2, 1, 1))
    shape = transpose_conv(x, kernel, stride=(3, 1), dilation=(1, 3), output_padding=2).shape
    assert shape == (1, (3 - 1) * 3 + 1 + 2 + 1, (3 - 1) + 3 + 2 + 1, 1)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (DepthwiseConv(6), r"multiple of its 4 input channels, got features=6"),
        (DepthwiseConv(8, multiplier=3), r"got features=8 and multiplier=3; give one of them"),
        (DepthwiseConv(multiplier=0), r"multiplier must be an int of at least 1, got 0"),
        (DepthwiseSeparableConv(6, multiplier=1.5), r"multiplier must be an int .* got 1\.5"),
        (SpatiallySeparableConv(6, mid_features=0), r"features must be an int .* got 0"),
        (Conv(6, (3, 3, 3, 3)), r"kernel_size must be .* one to three ints, got \(3, 3, 3, 3\)"),
        (Conv(6, "33"), r"kernel_size must be an int or one to three ints, got '33'"),
        (Conv(6, 1.5), r"kernel_size must be an int or one to three ints, got 1\.5"),
        (Conv(6, 0), r"kernel_size must be at least 1, got 0"),
        (Conv(0), r"features must be an int of at least 1, got 0"),
        (Conv(6.0), r"features must be an int of at least 1, got 6\.0"),
        (PointwiseConv(True), r"features must be an int of at least 1, got True"),
        (DilatedConv(-3), r"features must be an int of at least 1, got -3"),
        (Conv(6, groups=0), r"groups must be an int of at least 1, got 0"),
        (Conv(6, groups=5), r"groups must divide .* groups=5 for 4 in and 6 out"),
        (Conv(7, groups=2), r"groups must divide .* groups=2 for 4 in and 7 out"),
        (TransposeConv(6, groups=5), r"groups must divide .* groups=5 for 4 in and 6 out"),
    ],
)
def test_a_module_refuses_in_the_same_words(layer, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: layer.init(jax.random.key(0), jnp.zeros(X)))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 5, 6, 0), r"input channels must be an int of at least 1, got 0"),
        ((5, 4), r"one to three axes of space, got shape \(5, 4\)"),
        ((1, 2, 3, 4, 5, 6), r"one to three axes of space, got shape \(1, 2, 3, 4, 5, 6\)"),
    ],
)
def test_a_module_refuses_an_x_that_is_no_map(shape, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: Conv(6).init(jax.random.key(0), jnp.zeros(shape)))
