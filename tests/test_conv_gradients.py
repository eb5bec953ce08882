"""Gradients of every variant: against differences, twice, in bfloat16, and the adjoint law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from variants import VARIANTS, difference, each_use, each_variant

from jaxconv import conv, depthwise_conv, transpose_conv

pytestmark = pytest.mark.usefixtures("no_case_is_small")


def pull_back(variant, sample):
    """A jitted (arrays, cotangent) -> gradients of sum(output * cotangent)."""

    @jax.jit
    def gradients(arrays, cotangent):
        _, pullback = jax.vjp(lambda *args: variant.function(*args, **sample.options), *arrays)
        return pullback(cotangent)

    return gradients


@each_use
def test_gradients_equal_differences_of_the_slow_reference(variant, sample):
    # Linear in each argument, so a difference quotient of any step is exact.
    arrays = sample.arrays(seed=3)
    y = variant.reference(*arrays, **sample.options)
    cotangent = np.random.default_rng(4).standard_normal(y.shape)
    with jax.enable_x64(True):
        gradients = pull_back(variant, sample)(arrays, cotangent)
        gradients = [np.asarray(gradient) for gradient in gradients]
    directions = sample.arrays(seed=5)
    for place, (gradient, direction) in enumerate(zip(gradients, directions, strict=True)):
        assert gradient.dtype == np.float64
        moved = list(arrays)
        moved[place] = arrays[place] + direction
        rise = np.sum((variant.reference(*moved, **sample.options) - y) * cotangent)
        np.testing.assert_allclose(np.sum(gradient * direction), rise, rtol=1e-11)


@each_variant
def test_gradient_of_a_gradient_equals_differences(variant):
    sample = variant.samples[-1]
    arrays, directions = sample.arrays(seed=6), sample.arrays(seed=7)

    def loss(arrays):
        return jnp.sum(jnp.sin(variant.function(*arrays, **sample.options)))

    def slope(arrays):  # of the loss, along the directions
        return sum(map(jnp.vdot, jax.grad(loss)(arrays), directions))

    def moved(step):
        return [a + step * d for a, d in zip(arrays, directions, strict=True)]

    step = 1e-4
    with jax.enable_x64(True):
        gradient = jax.jit(jax.grad(loss))
        above, below = gradient(moved(step)), gradient(moved(-step))
        second = jax.jit(jax.grad(slope))(arrays)
        for place in range(len(arrays)):
            differences = (above[place] - below[place]) / (2 * step)
            assert difference(second[place], differences) < 1e-5


@each_variant
def test_bfloat16_gradients_stay_bfloat16(variant):
    sample = variant.samples[0]
    arrays = [jnp.asarray(array, jnp.bfloat16) for array in sample.arrays()]
    y = jnp.asarray(variant.reference(*arrays, **sample.options), jnp.bfloat16)
    gradients = pull_back(variant, sample)
    wide = [array.astype(jnp.float32) for array in arrays]
    exact = gradients(wide, y.astype(jnp.float32))
    for gradient, expected in zip(gradients(arrays, y), exact, strict=True):
        assert gradient.dtype == jnp.bfloat16
        assert difference(gradient, expected) < 2**-8 * len(sample.kernels)


@pytest.mark.parametrize("function", [conv, depthwise_conv, transpose_conv])
def test_a_bfloat16_kernel_gradient_does_not_saturate(function):
    # 4,096 ones: a bfloat16 accumulator would stop at 256
    x, kernel = jnp.ones((1, 64, 64, 1), jnp.bfloat16), jnp.ones((1, 1, 1, 1), jnp.bfloat16)
    gradient = jax.grad(lambda kernel: function(x, kernel).astype(jnp.float32).sum())(kernel)
    assert float(gradient[0, 0, 0, 0]) == 4096


@each_use
def test_forward_mode_equals_differences(variant, sample):
    # Linear in each argument, so that one step in all of them at once differs by known terms.
    arrays, directions = sample.arrays(seed=3), sample.arrays(seed=5)
    with jax.enable_x64(True):
        _, tangent = jax.jvp(
            lambda *args: variant.function(*args, **sample.options), arrays, directions
        )
    expected = 0
    for place, direction in enumerate(directions):
        moved = [*arrays[:place], direction, *arrays[place + 1 :]]
        expected = expected + variant.reference(*moved, **sample.options)
    assert difference(tangent, expected) < 1e-14


@st.composite
def windows(draw):
    """Sizes and options along both axes, channels and groups, for which conv has an output."""
    axes = []
    for _ in range(2):
        kernel, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        padding, stride = draw(st.integers(0, 5)), draw(st.integers(1, 4))
        least = max(1, dilation * (kernel - 1) + 1 - 2 * padding)
        size = draw(st.integers(least, least + 4))
        extra = (size + 2 * padding - dilation * (kernel - 1) - 1) % stride
        axes.append((size, kernel, stride, padding, dilation, extra))
    size, kernel, stride, padding, dilation, extra = zip(*axes, strict=True)
    groups, per_group, features = (draw(st.integers(1, 3)) for _ in range(3))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (2, *size, groups * per_group), (*kernel, per_group, groups * features), options, extra


def output_shape(x_shape, kernel_shape, options):
    b, h, w, _ = x_shape
    columns = zip(
        (h, w),
        kernel_shape,
        options["stride"],
        options["padding"],
        options["dilation"],
        strict=False,
    )
    return (
        b,
        *((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in columns),
        kernel_shape[3],
    )


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(windows())
def test_transpose_conv_is_the_adjoint_of_conv_with_the_same_kernel(window):
    # <conv(x), y> == <x, transpose_conv(y)>; output_padding says which input size was meant
    x_shape, kernel_shape, options, extra = window
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal(x_shape), rng.standard_normal(kernel_shape)
    y = rng.standard_normal(output_shape(x_shape, kernel_shape, options))

    @jax.jit
    def both(x, y, kernel):
        back = transpose_conv(y, kernel, output_padding=extra, **options)
        return conv(x, kernel, **options), back

    with jax.enable_x64(True):
        forward, back = map(np.asarray, both(x, y, kernel))
    assert back.shape == x.shape
    scale = np.abs(x).sum() * np.abs(y).max() * np.abs(kernel).max()
    assert abs(np.vdot(forward, y) - np.vdot(x, back)) <= 1e-13 * scale


def test_transpose_conv_is_the_input_gradient_of_conv():
    x, kernel = VARIANTS[0].samples[2].arrays(seed=8)
    options = VARIANTS[0].samples[2].options
    with jax.enable_x64(True):
        y, pullback = jax.vjp(lambda x: conv(x, kernel, **options), x)
        (gradient,) = pullback(y)
        back = transpose_conv(y, kernel, output_padding=(0, 0), **options)
    assert difference(back, gradient[:, : back.shape[1], : back.shape[2]]) < 1e-14
