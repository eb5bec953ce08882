"""The Flax modules: their parameters, their agreement with the functions, the guide's snippets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax.errors import ScopeParamShapeError
from variants import VARIANTS, difference, each_use, each_variant, make_layer

from jaxconv import (
    Conv,
    DepthwiseConv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
    SpatiallySeparableConv,
    TransposeConv,
    transpose_conv,
)


def count(params):
    return sum(array.size for array in jax.tree.leaves(params))


def halves(params):
    """The parameters of each kernel, in the order of use."""
    names = ("depth", "column", "row", "depthwise", "pointwise")
    return [params] if "kernel" in params else [params[name] for name in names if name in params]


def shapes_of(layer, x_shape, dtype=jnp.float32):
    """(output, params) of a fresh layer, as shapes and dtypes: nothing is computed."""
    x = jax.ShapeDtypeStruct(x_shape, dtype)
    y, variables = jax.eval_shape(lambda x: layer.init_with_output(jax.random.key(0), x), x)
    assert set(variables) == {"params"}
    return y, variables["params"]


@each_use
def test_parameters_are_the_kernels_and_the_output_is_the_functions(variant, sample):
    x, *kernels = sample.arrays(dtype=np.float32)
    layer = make_layer(variant, sample)
    _, params = shapes_of(layer, sample.x)
    assert [half["kernel"].shape for half in halves(params)] == list(sample.kernels)
    assert len(jax.tree.leaves(params)) == len(kernels)
    for half, kernel in zip(halves(params), kernels, strict=True):
        half["kernel"] = kernel
    variables = {"params": params}
    expected = variant.function(x, *kernels, **sample.options)
    np.testing.assert_array_equal(layer.apply(variables, x), expected)


@pytest.mark.parametrize("multiplier", [None, 3])
def test_a_multiplier_stands_for_the_features(multiplier):
    x = jnp.ones((1, 5, 5, 4))
    y, params = shapes_of(DepthwiseConv(multiplier=multiplier), x.shape)
    assert (y.shape, params["kernel"].shape) == (
        (1, 3, 3, 4 * (multiplier or 1)),
        (3, 3, 1, 4 * (multiplier or 1)),
    )


def test_a_tuple_of_sizes_tells_that_x_has_no_batch():
    assert shapes_of(Conv(6, (3, 3)), (7, 8, 4))[0].shape == (5, 6, 6)
    assert shapes_of(Conv(6, (3,)), (7, 8, 4))[0].shape == (7, 6, 6)
    assert shapes_of(Conv(6, 3), (7, 8, 4))[0].shape == (7, 6, 6)


@pytest.mark.parametrize("module", [variant.module for variant in VARIANTS])
def test_an_int_never_mixes_the_examples_of_a_batch_of_signals(module):
    """[b, w, c] could be an image without its batch, whose weights these are."""
    layer = module(8) if module is not DepthwiseConv else module()
    variables = layer.init(jax.random.key(0), jnp.ones((3, 7, 8, 4)))
    with pytest.raises(ScopeParamShapeError):
        layer.apply(variables, jnp.ones((7, 8, 4)))


@pytest.mark.parametrize("module", [variant.module for variant in VARIANTS])
def test_a_tuple_takes_examples_one_by_one(module):
    tuples = {"axes": 2} if module is PointwiseConv else {"kernel_size": (3, 3)}
    layer = module(stride=2, **tuples, **({} if module is DepthwiseConv else {"features": 8}))
    x = jax.random.normal(jax.random.key(1), (3, 7, 8, 4))
    variables = layer.init(jax.random.key(0), x)
    expected = layer.apply(variables, x)
    each = jax.vmap(lambda x: layer.apply(variables, x))(x)
    np.testing.assert_allclose(each, expected, rtol=1e-5, atol=1e-6)


class Scaled(Conv):
    @nn.compact
    def __call__(self, x):
        gain = self.param("gain", nn.initializers.ones, (8, 8, 1))
        return super().__call__(x * gain[None])


def test_a_layer_may_have_other_parameters():
    layer, x = Scaled(8, 3, padding=1), jnp.ones((2, 8, 8, 4))
    y, variables = layer.init_with_output(jax.random.key(0), x)
    np.testing.assert_array_equal(layer.apply(variables, x), y)


def test_halves_have_one_rank_where_x_has_no_batch():
    layer = DepthwiseSeparableConv(8, (3, 3), padding=1, pointwise_padding=1)
    y, params = shapes_of(layer, (9, 9, 3))
    assert (y.shape, params["pointwise"]["kernel"].shape) == ((11, 11, 8), (1, 1, 3, 8))
    assert shapes_of(DepthwiseSeparableConv(8, (3,)), (9, 3))[0].shape == (7, 8)
    assert shapes_of(PointwiseConv(8, axes=2, stride=2), (9, 9, 3))[0].shape == (5, 5, 8)


@pytest.mark.parametrize("size", [(8, 9), (8, 9, 7), (2, 8, 9, 7)])
def test_a_whole_shape_may_stand_for_the_size_that_is_wanted(size):
    layer, x = TransposeConv(5, 3, stride=2, padding=1, output_padding=1), jnp.ones((2, 4, 5, 4))
    variables = layer.init(jax.random.key(0), x)
    assert layer.apply(variables, x).shape == (2, 8, 10, 5)
    assert layer.apply(variables, x, output_size=size).shape == (2, 8, 9, 5)


def test_the_size_that_is_wanted_may_be_symbolic():
    kernel = jnp.ones((3, 3, 5, 4))
    h, w = jax.export.symbolic_shape("h, w")
    x = jax.ShapeDtypeStruct((1, h, w, 4), jnp.float32)

    def to(*size):
        def double(x):
            return transpose_conv(x, kernel, stride=2, padding=1, output_size=size)

        return jax.export.export(jax.jit(double))(x)

    x_now = jnp.ones((1, 4, 5, 4))
    expected = transpose_conv(x_now, kernel, stride=2, padding=1, output_padding=1)
    np.testing.assert_array_equal(to(2 * h, 2 * w).call(x_now), expected)
    for size in ((32, 32), (3 * h, 2 * w), (2 * h + 1, 2 * w)):
        with pytest.raises(ValueError, match=r"^output_size must lie between \(2\*h - 1, 2\*w"):
            to(*size)


def test_a_transposed_module_takes_the_size_that_is_wanted():
    layer, x = TransposeConv(5, 3, stride=2, padding=1), jnp.ones((2, 4, 5, 4))
    variables = layer.init(jax.random.key(0), x)
    expected = transpose_conv(
        x, variables["params"]["kernel"], stride=2, padding=1, output_padding=(1, 0)
    )
    np.testing.assert_array_equal(layer.apply(variables, x, output_size=(8, 9)), expected)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("module", [variant.module for variant in VARIANTS])
def test_an_int_follows_the_axes_of_x(module, axes):
    layer = module(8) if module is not DepthwiseConv else module()
    y, params = shapes_of(layer, (2, *(7, 8, 9)[:axes], 4))
    assert y.ndim == axes + 2
    assert {kernel.ndim for kernel in jax.tree.leaves(params)} == {axes + 2}


@each_variant
def test_bias_is_one_number_for_each_feature_of_each_half(variant):
    sample = variant.samples[-1]
    x = sample.arrays(dtype=np.float32)[0]
    layer = make_layer(variant, sample, use_bias=True)
    _, shapes = shapes_of(layer, sample.x)
    groups = sample.options.get("groups", 1) if variant.name == "transpose" else None
    features = [shape[2] * groups if groups else shape[3] for shape in sample.kernels]
    assert count(shapes) == sum(map(np.prod, sample.kernels)) + sum(features)
    # The bias of the last half is added to the output, unscaled.
    params = jax.tree.map(lambda made: jnp.ones(made.shape), shapes)
    last = params
    while "bias" not in last:
        last = last[max(last)]  # pointwise after depthwise, row after column
    before = layer.apply({"params": params}, x)
    last["bias"] = last["bias"] + jnp.arange(features[-1], dtype=jnp.float32)
    after = layer.apply({"params": params}, x)
    rise = jnp.broadcast_to(jnp.arange(features[-1], dtype=jnp.float32), before.shape)
    np.testing.assert_allclose(after - before, rise, atol=1e-5)


@each_variant
def test_first_weights_are_uniform_as_in_pytorch(variant):
    # kaiming_uniform(a=sqrt 5) is uniform in +-1/sqrt(fan_in); fan_in is kh * kw * third axis
    sample = variant.samples[0]
    layer = make_layer(variant, sample, use_bias=True)
    keys = jax.random.split(jax.random.key(2), 200)
    params = jax.jit(jax.vmap(lambda key: layer.init(key, jnp.zeros(sample.x))["params"]))(keys)
    for half, shape in zip(halves(params), sample.kernels, strict=True):
        bound = np.prod(shape[:3]) ** -0.5
        for name in ("kernel", "bias"):
            numbers = np.asarray(half[name]).ravel()
            assert np.abs(numbers).max() <= bound
            assert np.abs(numbers).max() > 0.98 * bound
            assert abs(numbers.std() - bound / 3**0.5) < 0.05 * bound


@each_variant
def test_dtype_of_computation_and_of_parameters(variant):
    sample = variant.samples[0]
    wide, narrow = np.dtype(np.float32), np.dtype(jnp.bfloat16)
    y, params = shapes_of(make_layer(variant, sample, dtype=narrow, use_bias=True), sample.x)
    assert y.dtype == narrow
    assert {array.dtype for array in jax.tree.leaves(params)} == {wide}
    y, params = shapes_of(make_layer(variant, sample, param_dtype=narrow), sample.x, narrow)
    assert y.dtype == narrow
    assert {array.dtype for array in jax.tree.leaves(params)} == {narrow}


@each_variant
def test_kernel_init_is_used_for_every_kernel(variant):
    sample = variant.samples[0]
    layer = make_layer(variant, sample, kernel_init=nn.initializers.constant(0.5))
    params = layer.init(jax.random.key(0), jnp.zeros(sample.x))["params"]
    for kernel in jax.tree.leaves(params):
        np.testing.assert_array_equal(kernel, np.full_like(kernel, 0.5))


# The guide's PyTorch snippets: what each is here, its input, its output and its parameters.
SNIPPETS = {
    "standard": ([Conv(32)], (1, 5, 5, 3), (1, 3, 3, 32), 3 * 3 * 3 * 32),
    "pointwise to more channels": (
        [PointwiseConv(32, use_bias=True)],
        (1, 28, 28, 3),
        (1, 28, 28, 32),
        3 * 32 + 32,
    ),
    "pointwise to fewer channels": (
        [PointwiseConv(10, use_bias=True)],
        (1, 28, 28, 32),
        (1, 28, 28, 10),
        32 * 10 + 10,
    ),
    "the picture: 192 channels to 32": (
        [PointwiseConv(32)],
        (1, 28, 28, 192),
        (1, 28, 28, 32),
        192 * 32,
    ),
    "depthwise separable": (
        [DepthwiseSeparableConv(10, padding=1)],
        (1, 32, 32, 3),
        (1, 32, 32, 10),
        3 * 3 * 3 + 3 * 10,
    ),
    "depthwise separable, as two layers": (
        [DepthwiseConv(3, padding=1), PointwiseConv(10)],
        (1, 32, 32, 3),
        (1, 32, 32, 10),
        3 * 3 * 3 + 3 * 10,
    ),
    "dilated": ([DilatedConv(32)], (1, 7, 7, 3), (1, 3, 3, 32), 3 * 3 * 3 * 32),
    "spatially separable": (
        [SpatiallySeparableConv(32, mid_features=1)],
        (1, 5, 5, 3),
        (1, 3, 3, 32),
        3 * 3 + 3 * 32,
    ),
    "transpose": ([TransposeConv(1)], (1, 3, 3, 1), (1, 5, 5, 1), 3 * 3),
}


@pytest.mark.parametrize(("layers", "x", "y", "parameters"), SNIPPETS.values(), ids=SNIPPETS.keys())
def test_snippet_of_the_guide(layers, x, y, parameters):
    output, params = shapes_of(nn.Sequential(layers), x)
    assert output.shape == y
    assert count(params) == parameters


def test_every_variant_of_the_package_is_in_the_list():
    import jaxconv

    listed = {variant.function for variant in VARIANTS} | {variant.module for variant in VARIANTS}
    public = {getattr(jaxconv, name) for name in jaxconv.__all__ if name.lower().endswith("conv")}
    assert listed == public


def test_a_module_computes_what_two_dense_layers_would():
    # The separable module against its halves, with shared weights: names and order are right.
    x = VARIANTS[0].samples[0].arrays(dtype=np.float32)[0]
    layer = DepthwiseSeparableConv(5, padding=1, stride=2, multiplier=2, use_bias=True)
    params = layer.init(jax.random.key(3), x)["params"]
    halves = DepthwiseConv(8, padding=1, stride=2, use_bias=True), PointwiseConv(5, use_bias=True)
    y = halves[0].apply({"params": params["depthwise"]}, x)
    y = halves[1].apply({"params": params["pointwise"]}, y)
    assert difference(layer.apply({"params": params}, x), y) == 0
