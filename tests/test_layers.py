"""BatchNorm against PyTorch and float64; Dropout against statistics; S9Net's shapes."""

import json
from functools import partial
from pathlib import Path

import chex
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxconv.linen.layers import BatchNorm, Dropout, GlobalAvgPool, ReLU
from jaxconv.models.s9 import S9Net
from jaxconv.ops.batch_norm import batch_norm
from jaxconv.ops.dropout import dropout, hash_bits

STORED = json.loads((Path(__file__).parent / "torch_results" / "training.json").read_text())
TORCH = {name: np.array(value) for name, value in STORED["batch_norm"].items()}
RNG = np.random.default_rng(0)
SCALE, BIAS = np.array([1.5, -0.5], np.float32), np.array([0.25, 2.0], np.float32)


def batch_norm_variables(channels, scale=1.0, bias=0.0):
    ones = jnp.ones(channels)
    return {
        "params": {"scale": ones * scale, "bias": ones * bias},
        "batch_stats": {"mean": 0 * ones, "var": ones},
    }


def train_batch_norm(x, variables=None, mask=None):
    """The output, and the running statistics after."""
    return _train_batch_norm(x, variables or batch_norm_variables(x.shape[-1]), mask)


@jax.jit
def _train_batch_norm(x, variables, mask):
    y, updated = BatchNorm().apply(variables, x, train=True, mask=mask, mutable=["batch_stats"])
    return y, updated["batch_stats"]


def reference(x, scale, bias, mask=None):
    """BatchNorm of the kept examples in float64: output, mean, unbiased variance."""
    x = np.asarray(x, np.float64)
    kept = x if mask is None else x[np.asarray(mask, bool)]
    mean, var = kept.mean(axis=(0, 1, 2)), kept.var(axis=(0, 1, 2))
    count = kept.size / kept.shape[-1]
    y = (x - mean) / np.sqrt(var + 1e-5) * scale + bias
    return y, mean, var * count / (count - 1)


def test_batch_norm_trains_and_evaluates_as_torch_does():
    x = jnp.asarray(TORCH["x"], jnp.float32)
    variables = batch_norm_variables(2, SCALE, BIAS)
    y, statistics = train_batch_norm(x, variables)
    np.testing.assert_allclose(y, TORCH["train"], atol=2e-6)
    _, statistics = train_batch_norm(2 * x, variables | {"batch_stats": statistics})
    np.testing.assert_allclose(statistics["mean"], TORCH["mean"], rtol=1e-6)
    np.testing.assert_allclose(statistics["var"], TORCH["var"], rtol=1e-6)
    y = BatchNorm().apply(variables | {"batch_stats": statistics}, x, train=False)
    np.testing.assert_allclose(y, TORCH["evaluation"], atol=2e-6)


def test_batch_norm_has_torch_gradients():
    def loss(params, x):
        y, _ = train_batch_norm(x, batch_norm_variables(2) | {"params": params})
        return jnp.sum(y**3)

    params = {"scale": jnp.asarray(SCALE), "bias": jnp.asarray(BIAS)}
    of_params, of_x = jax.grad(loss, argnums=(0, 1))(params, jnp.asarray(TORCH["x"], jnp.float32))
    np.testing.assert_allclose(of_params["scale"], TORCH["scale_gradient"], rtol=1e-5)
    np.testing.assert_allclose(of_params["bias"], TORCH["bias_gradient"], rtol=1e-5)
    np.testing.assert_allclose(of_x, TORCH["x_gradient"], atol=1e-5)


@pytest.mark.parametrize("mask", [None, [1, 1, 0, 1, 0, 1]])
def test_batch_norm_gradient_is_that_of_float64(mask):
    """Along drawn directions of x, scale and bias at once, by central differences."""
    primals = [RNG.normal(1.0, 2.0, shape) for shape in ((6, 3, 4, 5), (5,), (5,))]
    cotangent = RNG.normal(size=primals[0].shape)

    def ours(x, scale, bias):
        variables = {"params": {"scale": scale, "bias": bias}}
        variables |= {"batch_stats": {"mean": jnp.zeros(5), "var": jnp.ones(5)}}
        y, _ = train_batch_norm(x, variables, None if mask is None else jnp.asarray(mask))
        return jnp.sum(y * cotangent.astype(np.float32))

    def theirs(primals):
        return np.sum(reference(*primals, mask)[0] * cotangent)

    gradients = jax.grad(ours, argnums=(0, 1, 2))(*(p.astype(np.float32) for p in primals))
    for _ in range(10):
        direction = [RNG.normal(size=p.shape) for p in primals]
        sides = [
            theirs([p + h * d for p, d in zip(primals, direction, strict=True)])
            for h in (1e-5, -1e-5)
        ]
        along = sum(np.vdot(g, d) for g, d in zip(gradients, direction, strict=True))
        assert along == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=2e-4, abs=2e-4)


def plain_batch_norm(x, scale, bias):
    mean, var = x.mean((0, 1, 2), keepdims=True), x.var((0, 1, 2), keepdims=True)
    scale, bias = (each.reshape(1, 1, 1, -1) for each in (scale, bias))
    return (x - mean) * jax.lax.rsqrt(var + 1e-5) * scale + bias


def our_batch_norm(x, scale, bias):
    return batch_norm(x, scale, bias, jnp.zeros(5), jnp.ones(5), train=True)[0]


@pytest.mark.parametrize("of", [(0,), (1,), (2,), (0, 1, 2)])
def test_batch_norm_has_second_derivatives(of):
    """The gradient of the size of a gradient, as for a gradient penalty; to each argument alone."""
    given = [jnp.asarray(RNG.normal(1, 2, s), jnp.float32) for s in ((8, 3, 4, 5), (5,), (5,))]

    def penalty(norm, *arguments):
        def loss(*arguments):
            return jnp.sum(norm(*arguments) ** 3) / 100

        return sum(jnp.sum(each**2) for each in jax.grad(loss, of)(*arguments))

    ours, theirs = (
        jax.grad(partial(penalty, norm), argnums=of)(*given)
        for norm in (our_batch_norm, plain_batch_norm)
    )
    for mine, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("garbage", [np.nan, np.inf, np.finfo(np.float32).max])
def test_second_derivatives_know_nothing_of_what_is_masked(garbage):
    mask, weights = jnp.array([1, 1, 1, 0]), jnp.cos(jnp.arange(4 * 4 * 4 * 5.0))
    x = jnp.asarray(RNG.normal(1, 2, (4, 4, 4, 5)), jnp.float32)

    def penalty(x, scale, bias):
        def loss(*given):
            y = batch_norm(*given, jnp.zeros(5), jnp.ones(5), train=True, mask=mask)[0]
            kept = jnp.where(mask[:, None, None, None] > 0, y, 0)
            return jnp.vdot(weights, jnp.sin(kept))

        return sum(jnp.sum(jnp.sin(each)) for each in jax.grad(loss, (0, 1, 2))(x, scale, bias))

    given = (jnp.ones(5), jnp.zeros(5))
    expected = jax.grad(penalty, (0, 1, 2))(x, *given)
    found = jax.grad(penalty, (0, 1, 2))(x.at[3].set(garbage), *given)
    assert all(np.isfinite(each).all() for each in found)
    kept = [(of_x[:3], *others) for of_x, *others in (found, expected)]
    chex.assert_trees_all_close(*kept, rtol=1e-4, atol=1e-4)


def test_second_derivatives_of_batch_norm_hold_where_a_cotangent_is_zero():
    """As with a scale that begins at zero, or at the minimum of a sum of squares."""
    x, weights = (jnp.asarray(RNG.normal(1, 2, (8, 3, 4, 5)), jnp.float32) for _ in range(2))
    ones, zeros = jnp.ones(5), jnp.zeros(5)

    def residual(norm, branch, scale):
        return jnp.sum(weights * jnp.tanh(norm(x, scale, zeros)) @ branch)

    def square(norm, branch, scale):
        return jnp.sum((norm(x, scale, zeros) - plain_batch_norm(x, branch, zeros)) ** 2)

    for loss, branch in ((residual, zeros), (square, ones)):
        ours, theirs = (
            jax.hessian(partial(loss, norm), (0, 1))(branch, ones)
            for norm in (our_batch_norm, plain_batch_norm)
        )
        scale = max(np.abs(each).max() for each in jax.tree.leaves(theirs))
        chex.assert_trees_all_close(ours, theirs, rtol=1e-3, atol=1e-3 * scale)


@pytest.mark.parametrize("of", [jnp.float32, jnp.bfloat16])
def test_gradients_of_batch_norm_have_the_dtypes_of_what_they_are_of(of):
    with jax.enable_x64(True):
        for x in (jnp.ones((4, 2), jnp.bfloat16), jnp.ones((4, 2), jnp.float64)):
            given = (x, jnp.ones(2, of), jnp.zeros(2, of))
            gradients = jax.grad(
                lambda *given: batch_norm(*given, *given[1:], train=True)[0].sum(), (0, 1, 2)
            )(*given)
            assert [each.dtype for each in gradients] == [each.dtype for each in given]


@pytest.mark.parametrize("train", [True, False])
def test_batch_norm_refuses_other_channels_and_whole_numbers(train):
    ones = [jnp.ones(3)] * 4
    with pytest.raises(ValueError, match=r"^scale must be \[c\] of x .*, got \(3,\) and \(2, 1\)$"):
        batch_norm(jnp.ones((2, 1)), *ones, train=train)
    for number, name in enumerate(("scale", "bias", "mean", "var")):
        for other in (jnp.ones(1), jnp.float32(1)):
            given = [*ones[:number], other, *ones[number + 1 :]]
            with pytest.raises(ValueError, match=rf"^{name} must be \[c\] of x .* and \(2, 3\)$"):
                batch_norm(jnp.ones((2, 3)), *given, train=train)
    with pytest.raises(ValueError, match=r"^x must be floating point, got uint8; convert it"):
        batch_norm(jnp.ones((2, 3), jnp.uint8), *ones, train=train)
    with pytest.raises(ValueError, match=r"^scale must be \[c\] of x"):
        batch_norm(jnp.ones(3), *ones, train=train)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_running_statistics_keep_their_dtype(dtype):
    """Else they would change in the first step, and a loop of steps would be refused."""
    of_channel = [jnp.ones(2, dtype)] * 4
    with jax.enable_x64(True):
        for x in (jnp.ones((4, 2), dtype), jnp.ones((4, 2), jnp.float64)):
            y, mean, var = batch_norm(x, *of_channel, train=True)
            assert (y.dtype, mean.dtype, var.dtype) == (x.dtype, dtype, dtype)


def test_batch_norm_and_dropout_have_forward_over_reverse():
    """Products of the Hessian with a vector, against reverse over reverse."""
    x, scale, bias = (jnp.asarray(RNG.normal(size=s), jnp.float32) for s in ((8, 3, 4, 5), 5, 5))

    def loss(x):
        y = our_batch_norm(x, scale, bias)
        return jnp.sum(dropout(y, jax.random.key(0), 0.3) ** 3)

    def twice_reversed(x, v):
        return jax.grad(lambda x: jnp.vdot(jax.grad(loss)(x), v))(x)

    v = jnp.cos(x)
    found = jax.jvp(jax.grad(loss), (x,), (v,))[1]
    np.testing.assert_allclose(found, twice_reversed(x, v), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("mean", [0, 1e3, -1e4])
def test_batch_norm_is_right_for_a_mean_that_is_large(mean):
    """Variance as mean(x^2) - mean(x)^2 in float32 would lose all its digits at 1e4."""
    x = (mean + RNG.normal(size=(32, 8, 8, 3))).astype(np.float32)
    y, statistics = train_batch_norm(x)
    expected, expected_mean, expected_var = reference(x, 1.0, 0.0)
    np.testing.assert_allclose(statistics["mean"], 0.1 * expected_mean, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * expected_var, rtol=1e-6)
    rounding = 1e-6 + 1e-7 * abs(mean)  # of x - mean in float32
    np.testing.assert_allclose(y, expected, atol=10 * rounding)


def test_masked_statistics_are_those_of_the_kept_examples():
    mask = np.array([1, 0, 1, 1, 0, 0, 1], bool)
    x = RNG.normal(3.0, 2.0, (7, 4, 4, 6)).astype(np.float32)
    x[~mask] = 1e3 * RNG.normal(size=x[~mask].shape)
    y, statistics = train_batch_norm(x, mask=mask)
    kept, kept_statistics = train_batch_norm(x[mask])
    np.testing.assert_allclose(y[mask], kept, atol=1e-5)
    chex.assert_trees_all_close(statistics, kept_statistics, rtol=1e-5)
    full = train_batch_norm(x, mask=np.ones(7))
    chex.assert_trees_all_equal(full, train_batch_norm(x))


def test_a_masked_first_example_that_is_large_does_not_blur_the_variance():
    x = RNG.normal(size=(8, 4, 4, 3)).astype(np.float32)
    x[0] = 1e4
    mask = np.arange(8) > 0
    _, expected_mean, expected_var = reference(x, 1.0, 0.0, mask)
    _, statistics = train_batch_norm(x, mask=mask)
    np.testing.assert_allclose(statistics["mean"], 0.1 * expected_mean, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * expected_var, rtol=1e-6)


@pytest.mark.parametrize(
    "outliers",
    [np.s_[0, 8, 8], np.s_[0, 0, 0], np.s_[:, ::8], np.s_[:, 0], np.s_[:1], np.s_[:, :, ::4]],
    ids=["the middle", "the first", "what is read first", "first rows", "an example", "columns"],
)
@pytest.mark.parametrize("size", [1e2, 1e5])
def test_no_outlier_blurs_the_variance(outliers, size):
    """Wherever it stands: pixels, rows, or everything that another number is taken from."""
    x = RNG.normal(size=(16, 16, 16, 3)).astype(np.float32)
    x[outliers] += size
    _, _, expected_var = reference(x, 1.0, 0.0)
    _, statistics = train_batch_norm(x)
    var = (np.asarray(statistics["var"], np.float64) - 0.9) / 0.1
    np.testing.assert_allclose(var, expected_var, rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, np.finfo(np.float32).max])
def test_masked_examples_may_hold_anything(bad):
    """Value, running statistics and gradients are those with zeros in their place."""
    mask = np.array([0, 1, 1, 0, 1, 1], bool)
    clean = RNG.normal(3.0, 2.0, (6, 3, 4, 5)).astype(np.float32)
    clean[~mask] = 0
    cotangent = RNG.normal(size=clean.shape).astype(np.float32) * mask[:, None, None, None]

    @jax.jit
    def passes(x):
        def loss(params, x):
            variables = batch_norm_variables(5) | {"params": params}
            y, statistics = train_batch_norm(x, variables, mask)
            kept = jnp.where(mask[:, None, None, None], y, 0)
            return jnp.sum(kept * cotangent), (kept, statistics)

        params = batch_norm_variables(5)["params"]
        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x)

    dirty = clean.copy()
    dirty[~mask] = bad
    chex.assert_trees_all_equal(passes(dirty), passes(clean))
    chex.assert_tree_all_finite(passes(dirty))


def test_a_nan_in_a_kept_example_is_not_hidden_by_batch_norm():
    y, statistics = train_batch_norm(jnp.ones((4, 2, 2, 3)).at[1, 0, 0, 0].set(jnp.nan))
    assert np.isnan(y[..., 0]).all()
    assert np.isnan([statistics["mean"][0], statistics["var"][0]]).all()
    chex.assert_tree_all_finite(y[..., 1:])


def test_a_batch_of_padding_alone_leaves_the_running_statistics():
    x = RNG.normal(size=(4, 2, 2, 3)).astype(np.float32)
    variables = batch_norm_variables(3) | {"batch_stats": {"mean": jnp.ones(3), "var": jnp.ones(3)}}
    y, statistics = train_batch_norm(x, variables, mask=np.zeros(4))
    chex.assert_trees_all_equal(statistics, variables["batch_stats"])
    chex.assert_tree_all_finite(y)


@pytest.mark.parametrize("space", [(), (9,), (3, 2, 4)])
def test_batch_norm_takes_any_number_of_axes_of_space(space):
    """As the same pixels in a row: values, statistics, gradients; with and without training."""
    x = RNG.normal(2.0, 3.0, (5, *space, 4)).astype(np.float32)
    mask = np.array([1, 1, 0, 1, 1])

    @partial(jax.jit, static_argnums=1)
    def passes(x, train):
        def loss(x):
            y, updated = BatchNorm().apply(
                batch_norm_variables(4, 1.5, 0.5),
                x,
                train=train,
                mask=mask,
                mutable=["batch_stats"],
            )
            return jnp.sum(y**3), (y.reshape(5, -1, 1, 4), updated)

        gradient, rest = jax.grad(loss, has_aux=True)(x)
        return gradient.reshape(5, -1, 1, 4), *rest

    for train in (True, False):
        ours, flat = passes(x, train), passes(x.reshape(5, -1, 1, 4), train)
        chex.assert_trees_all_close(ours, flat, rtol=1e-5, atol=1e-5)


def test_batch_norm_of_an_ensemble_is_that_of_each_member():
    x = RNG.normal(size=(3, 6, 4, 5, 2)).astype(np.float32)
    masks = RNG.random((3, 6)) < 0.6

    @jax.jit
    def passes(x, mask):
        def loss(x):
            y, statistics = train_batch_norm(x, mask=mask)
            return jnp.sum(y**3), (y, statistics)

        return jax.grad(loss, has_aux=True)(x)

    together = jax.vmap(passes)(x, masks)
    for number, member in enumerate(zip(x, masks, strict=True)):
        alone = passes(*member)
        picked = jax.tree.map(lambda array, number=number: array[number], together)
        chex.assert_trees_all_close(picked, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("symbols", ["b, 3, 4, 2", "b, h, w, 2"])
def test_batch_norm_is_exported_for_any_batch(symbols):
    x = RNG.normal(size=(5, 3, 4, 2)).astype(np.float32)

    def passes(x):
        def loss(x):
            y, statistics = train_batch_norm(x, batch_norm_variables(2))
            return jnp.sum(y**3), (y, statistics)

        return jax.grad(loss, has_aux=True)(x)

    shape = jax.export.symbolic_shape(symbols)
    exported = jax.export.export(jax.jit(passes))(jax.ShapeDtypeStruct(shape, x.dtype))
    chex.assert_trees_all_close(exported.call(x), jax.jit(passes)(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (2, 0, 4, 3)])
def test_an_empty_batch_has_no_statistics(shape):
    with pytest.raises(ValueError, match=r"^a batch to take statistics of must not be empty, got"):
        train_batch_norm(jnp.zeros(shape), batch_norm_variables(3))
    variables = batch_norm_variables(3)
    assert BatchNorm().apply(variables, jnp.zeros(shape), train=False).shape == shape


def test_a_mask_has_one_entry_an_example():
    with pytest.raises(ValueError, match=r"^mask must be \[b\], one entry an example of x .*\(2,"):
        train_batch_norm(jnp.zeros((3, 4, 4, 3)), mask=np.ones(2))


def test_batch_norm_of_a_constant_is_its_bias():
    y, statistics = train_batch_norm(jnp.full((4, 2, 2, 3), 7.0))
    np.testing.assert_array_equal(y, 0)
    np.testing.assert_allclose(statistics["var"], 0.9)


def test_batch_norm_of_one_value_a_channel_stays_finite():
    y, statistics = train_batch_norm(jnp.array([[[[3.0, 4.0]]]]))
    chex.assert_tree_all_finite((y, statistics))


def test_batch_norm_of_bfloat16_computes_in_float32():
    x = jnp.asarray(100 + RNG.normal(size=(64, 8, 8, 2)), jnp.bfloat16)
    y, statistics = train_batch_norm(x)
    expected, _, expected_var = reference(x.astype(jnp.float32), 1.0, 0.0)
    assert y.dtype == jnp.bfloat16
    assert statistics["var"].dtype == jnp.float32
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * expected_var, rtol=1e-5)
    np.testing.assert_allclose(y.astype(jnp.float32), expected, rtol=2**-8, atol=1e-5)


def test_initialising_batch_norm_leaves_the_running_statistics_fresh():
    variables = BatchNorm().init(jax.random.key(0), jnp.full((2, 2, 2, 3), 9.0), train=True)
    chex.assert_trees_all_equal(variables, batch_norm_variables(3))


def test_relu_and_pooling():
    x = jnp.asarray(RNG.normal(size=(2, 3, 5, 4)), jnp.float32)
    np.testing.assert_array_equal(ReLU().apply({}, x), np.maximum(x, 0))
    pooled = GlobalAvgPool().apply({}, x)
    np.testing.assert_allclose(pooled, np.asarray(x).mean((1, 2), keepdims=True), atol=1e-6)
    many = jnp.ones((1, 64, 64, 1), jnp.bfloat16)  # 4096 ones: a bfloat16 sum would stop at 256
    assert GlobalAvgPool().apply({}, many) == jnp.ones((1, 1, 1, 1), jnp.bfloat16)


def bits(shape, seed):
    return np.asarray(hash_bits(shape, jax.random.key_data(jax.random.key(seed))))


def assert_fair(share, count):
    """`share` of `count` coin flips lies within five standard deviations of one half."""
    assert abs(np.asarray(share) - 0.5).max() < 5 * 0.5 / count**0.5


@pytest.mark.parametrize("shape", [(128, 16, 16, 32), (7, 5, 3, 129), (2**20,)])
def test_each_bit_is_fair(shape):
    ones = [(bits(shape, 0) >> k & 1).mean() for k in range(32)]
    assert_fair(ones, np.prod(shape))


def test_bits_differ_from_their_neighbours_along_every_axis():
    hashed = bits((64, 16, 16, 64), 1)
    for axis in range(4):
        for distance in (1, 2):
            ahead = np.roll(hashed, -distance, axis)
            same = [(~(hashed ^ ahead) >> k & 1).mean() for k in (0, 7, 15, 24, 30, 31)]
            assert_fair(same, hashed.size)


def test_bits_of_different_seeds_are_independent():
    """Seeds next to each other, in either word: steps, layers and epochs differ so."""
    shape = (2**18,)
    words = [(0, 0), (0, 1), (1, 0), (1, 1), (2**31, 0), (0, 2**31)]
    hashed = [np.asarray(hash_bits(shape, jnp.array(pair, jnp.uint32))) for pair in words]
    for i, first in enumerate(hashed):
        for second in hashed[:i]:
            assert_fair([(~(first ^ second) >> k & 1).mean() for k in range(32)], 2**18)


def test_values_are_spread_evenly():
    """Chi-square over 1024 bins of the leading bits, and of the trailing ones."""
    hashed = bits((2**20,), 2)
    for part in (hashed >> 22, hashed & 1023):
        counts = np.bincount(part, minlength=1024)
        chi_square = ((counts - 1024) ** 2 / 1024).sum()
        assert abs(chi_square - 1023) < 5 * (2 * 1023) ** 0.5


def test_no_position_repeats_another():
    assert len(np.unique(bits((2**20,), 3))) > 0.9997 * 2**20  # 2^40 pairs, 2^32 values


def drop(x, rate, seed=0, train=True):
    rngs = {"dropout": jax.random.key(seed)}
    return Dropout(rate).apply({}, x, train=train, rngs=rngs)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.999])
def test_dropout_zeroes_its_share_of_elements_and_scales_the_rest(rate):
    x = jnp.ones((64, 16, 16, 32))
    y = np.asarray(drop(x, rate))
    zeros = (y == 0).mean()
    assert abs(zeros - rate) < 5 * (rate * (1 - rate) / y.size) ** 0.5
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)


def test_dropout_is_element_wise():
    """Not by channel, by example or by pixel: each slice has its share of zeros."""
    y = np.asarray(drop(jnp.ones((64, 16, 16, 32)), 0.5)) == 0
    for axes in [(1, 2, 3), (0, 3), (0, 1, 2)]:
        share = y.mean(axis=axes)
        assert_fair(share, y.size / share.size)


def test_dropout_has_one_mask_forward_and_backward():
    x = jnp.asarray(RNG.normal(size=(8, 6, 6, 5)), jnp.float32)
    y, pull = jax.vjp(lambda x: drop(x, 0.3), x)
    (gradient,) = pull(jnp.ones_like(x))
    np.testing.assert_allclose(gradient, np.where(y == 0, 0, 1 / 0.7), rtol=1e-6)


def test_dropout_depends_on_its_key_alone():
    x = jnp.ones((16, 8, 8, 4))
    np.testing.assert_array_equal(drop(x, 0.5), drop(x, 0.5))
    np.testing.assert_array_equal(drop(x, 0.5), jax.jit(lambda x: drop(x, 0.5))(x))
    assert_fair((drop(x, 0.5) == drop(x, 0.5, seed=1)).mean(), x.size)


@pytest.mark.parametrize("words", [(0, 1), (1, 0), (1, 1)])
def test_dropout_uses_both_words_of_its_key(words):
    """Else masks would repeat after 2**16 keys or so, instead of 2**32."""
    x = jnp.ones((16, 8, 8, 4))
    first, second = (dropout(x, jnp.array(pair, jnp.uint32), 0.5) for pair in ((0, 0), words))
    assert_fair((first == second).mean(), x.size)


def test_dropout_does_nothing_in_evaluation_or_at_rate_0():
    x = jnp.asarray(RNG.normal(size=(4, 3)), jnp.float32)
    np.testing.assert_array_equal(Dropout(0.5).apply({}, x, train=False), x)
    np.testing.assert_array_equal(Dropout(0.0).apply({}, x, train=True), x)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2, float("nan")])
def test_a_rate_outside_its_range_is_refused(rate):
    with pytest.raises(ValueError, match=r"must be in \[0, 1\), got"):
        Dropout(rate).apply({}, jnp.ones(3), train=False)


def test_dropout_takes_one_key_and_no_whole_numbers():
    keys = jax.random.split(jax.random.key(0), 4)
    for several in (keys, jax.random.key_data(keys)):
        with pytest.raises(ValueError, match=r"^dropout takes one key, got \(4.*; use jax.vmap"):
            dropout(jnp.ones(3), several, 0.5)
    for words in (jnp.array([7, 99]), jnp.array([5], jnp.uint32)):
        with pytest.raises(ValueError, match=r"^the key must be of jax.random, or at least two ui"):
            dropout(jnp.ones(3), words, 0.5)
    with pytest.raises(ValueError, match=r"^x must be floating point, got int32; convert it"):
        dropout(jnp.arange(3), keys[0], 0.5)


def test_dropout_of_symbolic_sizes_is_that_of_the_sizes():
    x, key = jnp.ones((3, 4, 5)), jax.random.key(0)
    shape = jax.export.symbolic_shape("b, h, w")

    def half(x):
        return dropout(x, key, np.float32(0.5))

    exported = jax.export.export(jax.jit(half))(jax.ShapeDtypeStruct(shape, x.dtype))
    np.testing.assert_array_equal(exported.call(x), half(x))


def test_dropout_keeps_bfloat16():
    assert drop(jnp.ones((4, 4), jnp.bfloat16), 0.1).dtype == jnp.bfloat16


class Chain(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.Sequential([BatchNorm(train=train), nn.relu, Dropout(0.5, train=train)])(x)


def test_layers_in_a_sequence_are_told_when_they_are_made():
    x = jnp.asarray(RNG.normal(size=(16, 4, 4, 3)), jnp.float32)
    variables = Chain().init(jax.random.key(0), x, False)
    evaluated = Chain().apply(variables, x, False)
    np.testing.assert_allclose(evaluated, nn.relu(x), atol=1e-4)
    rngs = {"dropout": jax.random.key(1)}
    trained, updated = Chain().apply(variables, x, True, rngs=rngs, mutable=["batch_stats"])
    assert 0.6 < (trained == 0).mean() < 0.9
    assert jax.tree.leaves(updated)[0].any()
    for layer, given in ((BatchNorm(), {}), (Dropout(train=True), {"train": True})):
        with pytest.raises(ValueError, match=r"[Pp]arameter"):
            layer.init(jax.random.key(0), x, **given)


class TwoDropouts(nn.Module):
    @nn.compact
    def __call__(self, x):
        return Dropout(0.5)(x, train=True), Dropout(0.5)(x, train=True)


def test_layers_of_one_network_draw_masks_of_their_own():
    first, second = TwoDropouts().apply(
        {}, jnp.ones((16, 8, 8, 16)), rngs={"dropout": jax.random.key(0)}
    )
    assert_fair((first == second).mean(), first.size)


def s9_variables():
    """Shapes and dtypes only: nothing is computed."""
    images = jnp.zeros((1, 32, 32, 3))
    return jax.eval_shape(lambda key: S9Net().init(key, images, train=False), jax.random.key(0))


def test_s9_has_the_documented_parameters():
    variables = s9_variables()
    counts = {"kernels": 0, "norms": 0}
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"]):
        counts["norms" if "norm" in jax.tree_util.keystr(path) else "kernels"] += leaf.size
    assert counts == {"kernels": 192_320, "norms": 1_056}
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["batch_stats"])) == 1_056
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("train", [False, True])
def test_s9_maps_images_to_float32_logits(dtype, train):
    def apply(variables, images):
        return S9Net(num_classes=7, dtype=dtype).apply(
            variables,
            images,
            train=train,
            rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats", "intermediates"],
            capture_intermediates=True,
        )

    variables = s9_variables()
    variables["params"]["head"]["kernel"] = jax.ShapeDtypeStruct((1, 1, 64, 7), jnp.float32)
    images = jax.ShapeDtypeStruct((3, 32, 32, 3), jnp.float32)
    logits, updated = jax.eval_shape(apply, variables, images)
    assert (logits.shape, logits.dtype) == ((3, 7), jnp.float32)
    sizes = {1: (32, 32), 2: (34, 32), 3: (16, 32), 5: (16, 40), 6: (7, 40), 9: (3, 40)}
    for number, (size, channels) in (sizes | {12: (3, 64)}).items():
        block = updated["intermediates"][f"block{number}"]["__call__"][0]
        assert (block.shape, block.dtype) == ((3, size, size, channels), dtype)
    chex.assert_trees_all_equal_shapes_and_dtypes(updated["batch_stats"], variables["batch_stats"])


def test_a_loop_carries_no_array_of_the_masks():
    """What does not depend on the seed XLA computes once, keeps, and reads again in every step."""
    x, words = jnp.ones((4, 8, 8, 16)), jax.random.key_data(jax.random.key(0))

    def run(x):
        return jax.lax.fori_loop(0, 3, lambda step, x: dropout(x, words + step, 0.5), x)

    program = jax.jit(run).lower(x).compile().as_text()
    (loop,) = [line for line in program.splitlines() if " while(" in line]
    assert "f32[4,8,8,16]" in loop
    assert "u32[4,8,8,16]" not in loop
