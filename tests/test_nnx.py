"""The NNX modules: the Linen ones' numbers from the same parameters, in NNX's transformations."""

import subprocess
import sys
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict
from torch_results.drawn import s9_images, s9_state_dict
from variants import VARIANTS, each_use, each_variant, make_layer

import jaxconv
import jaxconv.nnx
from jaxconv.interop.torch import s9_variables
from jaxconv.models.rows import Row
from jaxconv.models.s9 import ROWS
from jaxconv.ops.dropout import dropout
from jaxconv.training.objective import classification_sums, mean_loss

RNG = np.random.default_rng(0)


def make_nnx_layer(variant, sample, rngs=None, **extra):
    """The NNX module of the same name and options as the Linen one."""
    arguments = dict(variant.layer(sample))
    arguments |= {"in_features": sample.x[-1], "out_features": arguments.pop("features")}
    if variant.name == "pointwise":
        arguments |= {"axes": len(sample.x) - 2}
    module = getattr(jaxconv.nnx, variant.module.__name__)
    return module(**arguments, **sample.options, **extra, rngs=rngs or nnx.Rngs(0))


def names_and_values(state):
    return {path: variable[...] for path, variable in nnx.to_flat_state(state)}


@each_use
def test_a_module_gives_the_linen_modules_numbers(variant, sample):
    x = sample.arrays(dtype=np.float32)[0]
    linen = make_layer(variant, sample, use_bias=True)
    variables = linen.init(jax.random.key(1), x)
    model = make_nnx_layer(variant, sample, use_bias=True)
    jaxconv.nnx.set_variables(model, variables)
    np.testing.assert_array_equal(model(x), linen.apply(variables, x))


@each_variant
def test_an_int_is_for_images_and_never_mixes_examples(variant):
    """[b, w, c] could be an image without its batch: its examples would be mixed in silence."""
    module = getattr(jaxconv.nnx, variant.module.__name__)
    layer = module(4, 8, stride=1, rngs=nnx.Rngs(0))
    assert layer(jnp.ones((2, 9, 9, 4))).ndim == 4
    for x in (jnp.ones((5, 9, 4)), jnp.ones((2, 5, 9, 9, 4)), jnp.ones((9, 4))):
        with pytest.raises(ValueError, match=r"^a layer whose kernel_size is an int takes images"):
            layer(x)


def test_a_tuple_tells_that_x_has_no_batch():
    rngs = nnx.Rngs(0)
    assert jaxconv.nnx.Conv(4, 8, (3, 3), rngs=rngs)(jnp.ones((9, 9, 4))).shape == (7, 7, 8)
    assert jaxconv.nnx.Conv(4, 8, (3,), rngs=rngs)(jnp.ones((5, 9, 4))).shape == (5, 7, 8)
    assert jaxconv.nnx.PointwiseConv(4, 8, axes=1, rngs=rngs)(jnp.ones((9, 4))).shape == (9, 8)


def test_a_transposed_module_takes_the_size_that_is_wanted():
    layer = jaxconv.nnx.TransposeConv(4, 5, stride=2, padding=1, output_padding=1, rngs=nnx.Rngs(0))
    x = jnp.ones((2, 4, 5, 4))
    assert layer(x).shape == (2, 8, 10, 5)
    assert layer(x, output_size=(2, 8, 9, 7)).shape == (2, 8, 9, 5)


@each_variant
def test_gradients_are_the_linen_modules(variant):
    sample = variant.samples[-1]
    x = sample.arrays(dtype=np.float32)[0]
    linen = make_layer(variant, sample, use_bias=True)
    variables = linen.init(jax.random.key(1), x)
    model = make_nnx_layer(variant, sample, use_bias=True)
    jaxconv.nnx.set_variables(model, variables)
    ours = nnx.jit(nnx.grad(lambda model: jnp.sum(model(x) ** 2)))(model)
    theirs = jax.jit(jax.grad(lambda v: jnp.sum(linen.apply(v, x) ** 2)))(variables)["params"]
    chex.assert_trees_all_close(names_and_values(ours), flatten_dict(theirs), rtol=1e-5)


@each_variant
def test_first_weights_and_dtypes_are_the_linen_modules(variant):
    sample = variant.samples[0]
    x = jnp.zeros(sample.x, jnp.bfloat16)
    options = {"use_bias": True, "dtype": jnp.bfloat16, "param_dtype": jnp.float32}
    model = make_nnx_layer(variant, sample, **options)
    made = flatten_dict(make_layer(variant, sample, **options).init(jax.random.key(0), x)["params"])
    ours = names_and_values(nnx.state(model))
    chex.assert_trees_all_equal_shapes_and_dtypes(ours, made)
    assert model(x).dtype == jnp.bfloat16
    for path, kernel in ours.items():
        if path[-1] == "kernel":
            bound = np.prod(kernel.shape[:-1]) ** -0.5
            for each in (kernel, ours[*path[:-1], "bias"]):
                assert np.abs(each).max() <= bound
            assert np.abs(kernel).max() > 0.5 * bound


@pytest.mark.parametrize("variant", VARIANTS[3:5], ids=lambda variant: variant.name)
def test_an_ensemble_under_vmap_is_its_members(variant):
    sample = variant.samples[0]
    x = sample.arrays(dtype=np.float32)[0]
    make = nnx.split_rngs(splits=3)(nnx.vmap(partial(make_nnx_layer, variant, sample)))
    ensemble = make(nnx.Rngs(0))
    together = nnx.vmap(lambda model, x: model(x), in_axes=(0, None))(ensemble, x)
    graph, state = nnx.split(ensemble)
    for number in range(3):
        picked = jax.tree.map(lambda array, number=number: array[number], state)
        alone = nnx.merge(graph, picked)(x)
        np.testing.assert_allclose(together[number], alone, rtol=1e-5, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_options_may_be_lists():
    """As a config file gives them; NNX would take a list for a part of the module."""
    x = jnp.ones((1, 7, 8, 4))
    options = {"stride": [2, 1], "padding": [1, 0], "dilation": [1, 2]}
    model = jaxconv.nnx.Conv(4, 6, [3, 2], rngs=nnx.Rngs(0), **options)
    assert nnx.jit(lambda model, x: model(x))(model, x).shape == (1, 4, 6, 6)
    assert set(nnx.state(model)) == {"kernel"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m, r: m.Conv(4, 6, groups=5, rngs=r), r"divide .* groups=5 for 4 in and 6 out"),
        (lambda m, r: m.Conv(4, 0, rngs=r), r"features must be an int of at least 1, got 0"),
        (lambda m, r: m.Conv(0, 4, rngs=r), r"input channels must be an int .* 1, got 0"),
        (lambda m, r: m.DepthwiseConv(4, 6, rngs=r), r"multiple of its 4 input .* features=6"),
        (lambda m, r: m.Dropout(1.0), r"must be in \[0, 1\), got 1.0"),
        (lambda m, r: m.Dropout(0.5)(jnp.ones(3)), r"got no rngs; pass nnx.Rngs"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_made(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make(jaxconv.nnx, nnx.Rngs(0))
    assert "\n" not in str(error.value)


def test_batch_norm_trains_and_evaluates_as_the_linen_one():
    x = RNG.normal(2.0, 3.0, (6, 4, 5, 3)).astype(np.float32)
    mask = np.array([1, 1, 0, 1, 0, 1])
    linen, model = jaxconv.BatchNorm(momentum=0.8, epsilon=1e-3), None
    variables = linen.init(jax.random.key(0), x, train=False)
    model = jaxconv.nnx.BatchNorm(3, momentum=0.8, epsilon=1e-3)
    y, updated = linen.apply(variables, x, train=True, mask=mask, mutable=["batch_stats"])
    np.testing.assert_allclose(model(x, mask=mask), y, atol=1e-6)
    chex.assert_trees_all_close(
        names_and_values(nnx.state(model, nnx.BatchStat)),
        flatten_dict(updated["batch_stats"]),
        rtol=1e-6,
    )
    before = nnx.state(model)
    y = linen.apply(variables | updated, x, train=False)
    for evaluated in (nnx.view(model, use_running_average=True)(x), model(x, True)):
        np.testing.assert_allclose(evaluated, y, atol=1e-6)
    model.eval()
    np.testing.assert_allclose(model(x), y, atol=1e-6)
    chex.assert_trees_all_equal(nnx.state(model), before)


def test_dropout_draws_a_new_mask_in_each_call_and_none_in_evaluation():
    x = jnp.ones((16, 8, 8, 4))
    layer = jaxconv.nnx.Dropout(0.5, rngs=nnx.Rngs(dropout=3))
    drop = nnx.jit(lambda layer, x: layer(x))
    first, second = drop(layer, x), drop(layer, x)
    assert 0.4 < (first == second).mean() < 0.6
    stream = nnx.Rngs(dropout=3).dropout.fork()
    np.testing.assert_array_equal(first, dropout(x, stream(), 0.5))
    np.testing.assert_array_equal(second, dropout(x, stream(), 0.5))
    np.testing.assert_array_equal(layer(x, deterministic=True), x)
    np.testing.assert_array_equal(nnx.view(layer, deterministic=True)(x), x)
    layer.eval()
    np.testing.assert_array_equal(layer(x), x)
    given = layer(x, deterministic=False, rngs=nnx.Rngs(7))
    np.testing.assert_array_equal(given, dropout(x, nnx.Rngs(7).dropout(), 0.5))


@pytest.fixture(scope="module")
def variables():
    return jax.tree.map(jnp.asarray, s9_variables(s9_state_dict()))


def test_s9_has_the_names_of_the_linen_one(variables):
    model = nnx.eval_shape(lambda: jaxconv.nnx.S9Net(rngs=nnx.Rngs(0)))
    for kind, collection in ((nnx.Param, "params"), (nnx.BatchStat, "batch_stats")):
        ours = {path: v.shape for path, v in nnx.to_flat_state(nnx.state(model, kind))}
        assert ours == {path: a.shape for path, a in flatten_dict(variables[collection]).items()}


@pytest.mark.parametrize("blocks", [5, pytest.param(12, marks=pytest.mark.slow)])
def test_s9_trains_and_evaluates_as_the_linen_one(variables, blocks):
    """One step of both in one program, with an image of padding; then logits in evaluation."""
    options = {"dropout_rate": 0.0, "rows": ROWS[:blocks]}
    variables = first_blocks(variables, blocks)
    images = np.concatenate([s9_images(), np.full((1, 32, 32, 3), np.inf, np.float32)])
    labels, mask = jnp.array([3, 7, 0]), jnp.array([1, 1, 0])
    linen, tx = jaxconv.S9Net(**options), optax.sgd(0.1, momentum=0.9)
    model = jaxconv.nnx.S9Net(**options, rngs=nnx.Rngs(0))
    jaxconv.nnx.set_variables(model, variables)
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)

    def loss_of(logits):
        return mean_loss(classification_sums(logits, labels, mask))

    def linen_step(variables):
        def loss(params):
            given = variables | {"params": params}
            logits, updated = linen.apply(
                given, images, train=True, mask=mask, mutable=["batch_stats"]
            )
            return loss_of(logits), updated

        params = variables["params"]
        gradients, updated = jax.grad(loss, has_aux=True)(params)
        updates, _ = tx.update(gradients, tx.init(params))
        return {"params": optax.apply_updates(params, updates), **updated}

    @nnx.jit
    def both(model, optimizer, variables):
        gradients = nnx.grad(lambda model: loss_of(model(images, mask=mask)))(model)
        optimizer.update(model, gradients)
        variables = linen_step(variables)
        model.eval()
        logits = linen.apply(variables, images[:2], train=False)
        return variables, logits, model(images[:2])

    after, logits, ours = both(model, optimizer, variables)
    np.testing.assert_allclose(ours, logits, rtol=1e-5, atol=1e-5)
    state = names_and_values(nnx.state(model, (nnx.Param, nnx.BatchStat)))
    expected = {path[1:]: array for path, array in flatten_dict(after).items()}
    chex.assert_trees_all_close(state, expected, rtol=1e-5, atol=1e-6)
    before = {path[1:]: array for path, array in flatten_dict(variables).items()}
    assert all(np.abs(state[path] - before[path]).max() > 0 for path in before)


def first_blocks(variables, blocks):
    """Those of a shorter network: its last convolution reads fewer channels."""
    names = {"head", *(f"block{number}" for number in range(1, blocks + 1))}
    cut = {c: {n: v for n, v in tree.items() if n in names} for c, tree in variables.items()}
    features = cut["params"][f"block{blocks}"]["norm"]["scale"].size
    cut["params"]["head"] = {"kernel": variables["params"]["head"]["kernel"][:, :, :features]}
    return cut


def test_s9_in_training_drops_out_and_keeps_its_dtype(variables):
    model = nnx.eval_shape(lambda: jaxconv.nnx.S9Net(7, dtype=jnp.bfloat16, rngs=nnx.Rngs(0)))
    images = jax.ShapeDtypeStruct((3, 32, 32, 3), jnp.float32)
    logits = nnx.eval_shape(lambda model, images: model(images), model, images)
    assert (logits.shape, logits.dtype) == ((3, 7), jnp.float32)
    assert sum(1 for path, _ in nnx.to_flat_state(nnx.state(model)) if path[-1] == "count") == 12


def test_s9_takes_any_rows_and_a_width():
    """Of each convolution one, as the Linen network does."""
    rows = [Row(variant.module, 12, {"padding": 0}) for variant in VARIANTS]
    rows[0] = Row(jaxconv.Conv, 6)  # the depthwise one wants a multiple of what comes in
    images = jnp.zeros((1, 12, 12, 3))
    linen = jaxconv.S9Net(rows=rows, width=0.5)
    made = jax.eval_shape(lambda: linen.init(jax.random.key(0), images, train=False))
    model = nnx.eval_shape(lambda: jaxconv.nnx.S9Net(rows=rows, width=0.5, rngs=nnx.Rngs(0)))
    ours = {path: v.shape for path, v in nnx.to_flat_state(nnx.state(model, nnx.Param))}
    assert ours == {path: a.shape for path, a in flatten_dict(made["params"]).items()}
    with pytest.raises(ValueError, match="needs rows and a width above 0, got 0 rows and width=1"):
        jaxconv.nnx.S9Net(rows=[], rngs=nnx.Rngs(0))
    model = jaxconv.nnx.S9Net(rows=[Row(jaxconv.Conv, 4, residual=True)], rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"makes \(12, 12, 4\) of \(12, 12, 3\)"):
        model(images)


def test_variables_that_do_not_fit_are_all_listed(variables):
    model = nnx.eval_shape(lambda: jaxconv.nnx.S9Net(rngs=nnx.Rngs(0)))
    changed = jax.tree.map(lambda array: array, variables)
    del changed["batch_stats"]["block4"]["norm"]["mean"]
    changed["params"]["tail"] = {"kernel": np.zeros(3)}
    changed["params"]["head"]["kernel"] = np.zeros((64, 10))
    with pytest.raises(
        ValueError,
        match=r"^not the variables of this S9Net: missing block4/norm/mean; unexpected "
        r"tail/kernel; head/kernel has shape \(64, 10\), expected \(1, 1, 64, 10\)$",
    ):
        jaxconv.nnx.set_variables(model, changed)


def test_importing_the_package_leaves_nnx_modules_alone():
    program = "import sys, jaxconv; sys.exit('jaxconv.nnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0
