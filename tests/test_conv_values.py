"""What every variant computes: shapes, dtypes, values, transformations and laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from variants import VARIANTS, difference, each_use, each_variant

pytestmark = pytest.mark.usefixtures("no_case_is_small")

PRECISION = {np.float32: 1e-6, np.float64: 1e-14}


def expected_size(variant, sample, axis):
    """PyTorch's documented size formulas, along one axis."""
    axes = len(sample.x) - 2
    n, k = sample.x[1 + axis], max(kernel[axis] for kernel in sample.kernels)
    defaults = {"stride": 1, "dilation": 1, "output_padding": 0}
    defaults |= {"dilation": 2} if variant.name == "dilated" else {}
    s, d, extra = (
        reference.each(sample.options.get(name, default), axes)[axis]
        for name, default in defaults.items()
    )
    padding = sample.options.get("padding", 0)
    p = sum(reference.pads(padding, [k] * axes, [d] * axes)[axis])
    ring = sum(
        reference.pads(sample.options.get("pointwise_padding", 0), [1] * axes, [1] * axes)[axis]
    )
    if variant.name == "transpose":
        return (n - 1) * s - p + d * (k - 1) + extra + 1
    return (n + p - d * (k - 1) - 1) // s + 1 + ring


@each_use
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_shape_dtype_and_value_are_those_of_the_slow_reference(variant, sample, dtype):
    arrays = sample.arrays(dtype=dtype)
    expected = variant.reference(*arrays, **sample.options)
    with jax.enable_x64(dtype is np.float64):
        y = variant.function(*map(jnp.asarray, arrays), **sample.options)
    assert y.dtype == dtype
    assert y.shape[1:-1] == tuple(
        expected_size(variant, sample, axis) for axis in range(len(sample.x) - 2)
    )
    assert difference(y, expected) < PRECISION[dtype]


@each_use
def test_equals_one_dense_convolution(variant, sample):
    arrays = sample.arrays(seed=1)
    dense = variant.dense(*arrays, **sample.options)
    with jax.enable_x64(True):
        assert difference(variant.function(*arrays, **sample.options), dense) < 1e-14


@each_use
def test_jit_equals_eager_and_vmap_equals_batch(variant, sample):
    x, *kernels = sample.arrays(dtype=np.float32)

    def function(x, *kernels):
        return variant.function(x, *kernels, **sample.options)

    eager = function(x, *kernels)
    assert difference(jax.jit(function)(x, *kernels), eager) < 1e-6
    one_each = jax.vmap(function, in_axes=(0, *[None] * len(kernels)))(x[:, None], *kernels)
    assert difference(one_each[:, 0], eager) < 1e-6


@each_variant
def test_vmap_over_kernels_equals_a_loop(variant):
    sample = variant.samples[-1]
    many = [np.stack(both) for both in zip(*map(sample.arrays, (0, 1, 2)), strict=True)]
    many = [array.astype(np.float32) for array in many]

    @jax.jit
    def gradients(*arrays):
        def loss(*arrays):
            return jnp.sum(jnp.sin(variant.function(*arrays, **sample.options)))

        return jax.grad(loss, argnums=range(len(arrays)))(*arrays)

    together = jax.vmap(gradients)(*many)
    apart = [gradients(*arrays) for arrays in zip(*many, strict=True)]
    for given, expected in zip(together, zip(*apart, strict=True), strict=True):
        assert difference(given, np.stack(expected)) < 1e-5


@each_variant
def test_bfloat16_stays_bfloat16_and_sums_in_float32(variant):
    sample = variant.samples[0]
    arrays = [jnp.asarray(array, jnp.bfloat16) for array in sample.arrays()]
    y = variant.function(*arrays, **sample.options)
    assert y.dtype == jnp.bfloat16
    exact = variant.reference(*[np.asarray(a, np.float64) for a in arrays], **sample.options)
    # one rounding to 8 bits for each of the (at most two) convolutions, none on the way
    assert difference(y, exact) < 2**-8 * len(sample.kernels)


def test_a_long_bfloat16_sum_does_not_saturate():
    # a bfloat16 accumulator would stop at 256: 256 + 1 rounds back to 256
    for variant in VARIANTS:
        if variant.name in ("standard", "pointwise", "dilated"):
            x, kernel = jnp.ones((1, 3, 3, 2048)), jnp.ones((1, 1, 2048, 2))
        elif variant.name == "transpose":
            x, kernel = jnp.ones((1, 3, 3, 2048)), jnp.ones((1, 1, 2, 2048))
        else:
            continue
        y = variant.function(x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))
        np.testing.assert_array_equal(np.asarray(y, np.float32), 2048.0, err_msg=variant.name)


@each_variant
def test_an_empty_batch_gives_an_empty_output_and_zero_gradients(variant):
    sample = variant.samples[-1]
    x, *kernels = sample.arrays(dtype=np.float32)
    full = variant.function(x, *kernels, **sample.options)

    def total(*arrays):
        y = variant.function(*arrays, **sample.options)
        return jnp.sum(y), y.shape

    gradients, shape = jax.grad(total, argnums=range(len(sample.kernels) + 1), has_aux=True)(
        x[:0], *kernels
    )
    assert shape == (0, *full.shape[1:])
    assert gradients[0].shape == (0, *x.shape[1:])
    for gradient, kernel in zip(gradients[1:], kernels, strict=True):
        np.testing.assert_array_equal(gradient, np.zeros_like(kernel))


@each_use
def test_linear_in_x_and_in_each_kernel(variant, sample):
    first, second = sample.arrays(seed=1), sample.arrays(seed=2)
    with jax.enable_x64(True):
        for place in range(len(first)):

            def function(array, place=place):
                arrays = [*first[:place], array, *first[place + 1 :]]
                return variant.function(*arrays, **sample.options)

            mixed = function(2 * first[place] - 3 * second[place])
            assert (
                difference(mixed, 2 * function(first[place]) - 3 * function(second[place])) < 1e-13
            )


@each_use
def test_moves_with_its_input(variant, sample):
    # Away from the border: the picture stands in a wide frame of zeros and moves inside it.
    x, *kernels = sample.arrays(dtype=np.float32)
    axes = tuple(range(1, x.ndim - 1))
    steps = reference.each(sample.options.get("stride", 1), len(axes))
    framed = np.pad(x, ((0, 0), *[(16, 20)] * len(axes), (0, 0)))
    ones = [1] * len(axes)
    there, here = (ones, steps) if variant.name == "transpose" else (steps, ones)
    moved = np.roll(framed, there, axes)
    y = variant.function(framed, *kernels, **sample.options)
    assert np.abs(y).max() > 1
    expected = np.roll(y, here, axes)
    assert difference(variant.function(moved, *kernels, **sample.options), expected) < 1e-6


@each_use
def test_without_a_batch_it_is_one_of_a_batch(variant, sample):
    x, *kernels = sample.arrays(dtype=np.float32)
    alone = variant.function(x[1], *kernels, **sample.options)
    assert difference(alone, variant.function(x, *kernels, **sample.options)[1]) < 1e-6


@each_use
def test_a_bias_is_added_before_the_one_rounding(variant, sample):
    x, *kernels = (jnp.asarray(array, jnp.bfloat16) for array in sample.arrays())
    exact = [np.asarray(array, np.float64) for array in (x, *kernels)]
    expected = variant.reference(*exact, **sample.options)
    bias = jnp.asarray(np.random.default_rng(9).normal(size=expected.shape[-1]), jnp.bfloat16)
    y = variant.function(x, *kernels, bias=bias, **sample.options)
    assert y.dtype == jnp.bfloat16
    if len(kernels) == 1:  # else the middle is rounded too
        wide = variant.function(
            *(jnp.asarray(array, jnp.float32) for array in exact), **sample.options
        )
        once = (wide + bias.astype(jnp.float32)[(None,) * (wide.ndim - 1)]).astype(jnp.bfloat16)
        assert (np.asarray(y, np.float32) == np.asarray(once, np.float32)).mean() > 0.99
    assert difference(y, expected + np.asarray(bias, np.float64)) < 2**-8 * len(kernels)


@each_use
@pytest.mark.parametrize("dtype", [np.complex64, np.int32], ids=["complex", "integer"])
def test_complex_and_integer_numbers(variant, sample, dtype):
    def draw(seed):
        arrays = [np.round(3 * array) for array in sample.arrays(seed)]
        return [array.astype(dtype) for array in arrays]

    arrays = draw(1)
    if dtype is np.complex64:
        arrays = [real + 1j * other for real, other in zip(arrays, draw(2), strict=True)]
        arrays = [array.astype(dtype) for array in arrays]
    y = variant.function(*arrays, **sample.options)
    assert y.dtype == dtype
    np.testing.assert_allclose(
        y, variant.reference(*arrays, **sample.options), rtol=1e-5, atol=1e-3
    )


def test_stride_2_padding_1_is_not_same_padding():
    # SAME has the same shape here, and reads one pixel further right and down.
    x, kernel = np.random.default_rng(0).standard_normal((2, 8, 8, 3)), np.ones((3, 3, 3, 1))
    with jax.enable_x64(True):
        y = VARIANTS[0].function(x, kernel, stride=2, padding=1)
        lax_options = {"window_strides": (2, 2), "dimension_numbers": ("NHWC", "HWIO", "NHWC")}
        explicit = jax.lax.conv_general_dilated(x, kernel, padding=((1, 1), (1, 1)), **lax_options)
        same = jax.lax.conv_general_dilated(x, kernel, padding="SAME", **lax_options)
    assert difference(y, explicit) < 1e-14
    assert same.shape == y.shape
    assert difference(y[:, 1:, 1:], same[:, :-1, :-1]) > 0.1


def test_depthwise_output_channel_reads_one_input_channel():
    x, kernel = np.ones((1, 5, 5, 3), np.float32), np.ones((3, 3, 1, 6), np.float32)
    variant = next(variant for variant in VARIANTS if variant.name == "depthwise")
    jacobian = jax.jacrev(lambda x: variant.function(x, kernel).sum((0, 1, 2)))(x)
    reads = np.abs(jacobian).sum((1, 2, 3)) > 0
    np.testing.assert_array_equal(reads, np.repeat(np.eye(3, dtype=bool), 2, axis=0))
