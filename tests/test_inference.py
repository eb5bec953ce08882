"""`infer` gives what `S9Net.apply` gives, for any rows, weights and statistics, and does less."""

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxconv import (
    Conv,
    DepthwiseConv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
    S9Net,
    SpatiallySeparableConv,
    TransposeConv,
    load_pretrained,
)
from jaxconv.models.inference import fold, infer
from jaxconv.models.live import Grid, Reads, between, live_inputs, union, whole
from jaxconv.models.plan import make_plan
from jaxconv.models.rows import Row
from jaxconv.models.s9 import Block

TABLES = {
    "one row": [Row(Conv, 5)],
    "a stride first": [Row(DilatedConv, 6, {"stride": 2}), Row(Conv, 6, residual=True)],
    "a stride after a residual row": [
        Row(Conv, 6),
        Row(Conv, 6, residual=True),
        Row(Conv, 4, {"stride": 3, "kernel_size": 2, "padding": 0}),
    ],
    "residual rows in a row": [
        Row(PointwiseConv, 6, {"padding": 0}),
        Row(Conv, 6, residual=True),
        Row(DepthwiseConv, 6, residual=True),
        Row(DilatedConv, 4, {"stride": 2}),
    ],
    "a residual row first": [Row(Conv, 3, residual=True), Row(Conv, 4, {"stride": 2})],
    "depthwise with a multiplier": [
        Row(Conv, 4),
        Row(DepthwiseConv, 8, {"stride": 2, "dilation": 2, "padding": 3}),
        Row(DepthwiseSeparableConv, 6, {"multiplier": 2, "pointwise_padding": 1, "stride": 2}),
    ],
    "groups": [Row(Conv, 6), Row(Conv, 4, {"groups": 2}), Row(Conv, 6, {"stride": (2, 1)})],
    "spatially separable": [
        Row(SpatiallySeparableConv, 6, {"mid_features": 3}),
        Row(SpatiallySeparableConv, 4, {"stride": (2, 3), "kernel_size": (5, 3)}),
        Row(SpatiallySeparableConv, 4, residual=True),
    ],
    "transposed": [
        Row(Conv, 6, {"stride": 2}),
        Row(TransposeConv, 4, {"stride": 2, "groups": 2, "output_padding": 1}),
        Row(TransposeConv, 4, {"dilation": 2, "padding": 2}, residual=True),
        Row(Conv, 4, {"stride": 2, "dilation": 2}),
    ],
    "biases": [
        Row(Conv, 6, {"use_bias": True}),
        Row(DepthwiseSeparableConv, 6, {"use_bias": True, "pointwise_padding": 1}),
        Row(SpatiallySeparableConv, 6, {"use_bias": True}, residual=True),
        Row(TransposeConv, 5, {"use_bias": True, "stride": 2}),
    ],
    "padding of other kinds": [
        Row(Conv, 6, {"padding": "same"}),
        Row(Conv, 6, {"padding_mode": "reflect"}, residual=True),
        Row(Conv, 5, {"padding": ((2, 0), (1, 3)), "stride": 2}),
        Row(DepthwiseSeparableConv, 6, {"padding_mode": "circular", "pointwise_padding": 1}),
        Row(SpatiallySeparableConv, 4, {"padding_mode": "replicate"}),
        Row(Conv, 4, {"padding_mode": "reflect", "stride": 2, "dilation": 2, "padding": 2}),
        Row(TransposeConv, 4, {"stride": 2, "padding": ((1, 0), (0, 1))}),
    ],
    "transposed, with a folded border": [
        Row(Conv, 6, {"stride": 2}),
        Row(TransposeConv, 4, {"padding_mode": "reflect", "padding": ((2, 0), (1, 3))}),
        Row(TransposeConv, 4, {"padding_mode": "circular", "use_bias": True}, residual=True),
        Row(TransposeConv, 6, {"padding_mode": "replicate", "stride": 2, "groups": 2}),
        Row(TransposeConv, 4, {"padding_mode": "reflect", "dilation": 2, "use_bias": True}),
        Row(Conv, 4, {"stride": 2, "dilation": 2}),
    ],
    "much padding": [
        Row(Conv, 6, {"padding": 5}),
        Row(Conv, 4, {"padding": (4, 0), "stride": 4, "dilation": 3}),
        Row(DilatedConv, 4, {"padding": 4, "dilation": 4, "stride": 2}),
    ],
}

# Whose layers take all of their input.
READ_WHOLE = ("transposed", "transposed, with a folded border", "padding of other kinds")


def drawn(model, size=(32, 32), seed=0):
    """Variables with statistics, scales (some negative) and biases as training might leave them."""
    rng = np.random.default_rng(seed)
    images = jax.ShapeDtypeStruct((1, *size, 3), np.float32)
    made = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)

    def draw(path, leaf):
        name = path[-1].key
        if name == "var":
            return rng.uniform(0.3, 2, leaf.shape).astype(np.float32)
        spread = np.prod(leaf.shape[:3]) ** -0.5 if name == "kernel" else 1
        return (spread * rng.normal(size=leaf.shape)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, made)


def images_of(batch, size=(32, 32), seed=1):
    shape = (batch, *size, 3)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def applied(model, variables, images):
    return jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, images)


def assert_same(given, expected, tolerance=1e-5):
    assert given.shape == expected.shape
    scale = np.abs(expected).max()
    np.testing.assert_allclose(given / scale, expected / scale, rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def network():
    model = S9Net()
    return model, drawn(model), jax.jit(lambda v, x: model.apply(v, x, train=False))


def test_the_pretrained_network_within_1e_5():
    variables, _ = load_pretrained()
    images = images_of(20)
    expected = applied(S9Net(), variables, images)
    np.testing.assert_allclose(infer(fold(variables), images), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 16, 33])
def test_s9_with_drawn_statistics_at_any_batch_size(network, batch):
    _, variables, apply = network
    images = images_of(batch)
    given = infer(fold(variables), images)
    assert given.dtype == jnp.float32
    assert_same(given, apply(variables, images))


def test_a_batch_of_none(network):
    assert infer(fold(network[1]), images_of(0)).shape == (0, 10)


@pytest.mark.parametrize("size", [(37, 52)])
def test_other_image_sizes(network, size):
    model, variables, _ = network
    images = images_of(2, size)
    expected = applied(model, variables, images)
    assert_same(infer(fold(variables, image_size=size), images), expected)


@pytest.mark.parametrize("name", TABLES)
def test_other_rows(name):
    model, size = S9Net(num_classes=4, rows=TABLES[name]), (11, 14)
    variables, images = drawn(model, size), images_of(3, size)
    expected = applied(model, variables, images)
    assert_same(infer(fold(variables, model, image_size=size), images), expected)


def test_a_narrow_network_of_another_number_of_classes():
    model = S9Net(num_classes=3, width=0.3)
    variables, images = drawn(model), images_of(2)
    assert_same(infer(fold(variables, model), images), applied(model, variables, images))


def test_the_gradient_in_the_images(network):
    _, variables, apply = network
    images, folded = images_of(18), fold(variables)
    weights = np.random.default_rng(3).normal(size=(18, 10)).astype(np.float32)
    given = jax.jit(jax.grad(lambda x: jnp.sum(infer(folded, x) * weights)))(images)
    expected = jax.grad(lambda x: jnp.sum(apply(variables, x) * weights))(images)
    assert_same(given, expected, tolerance=2e-5)


def test_vmap_over_images_and_over_networks():
    model, size = S9Net(rows=TABLES["residual rows in a row"]), (11, 14)
    images = images_of(6, size).reshape(2, 3, *size, 3)
    both = [drawn(model, size, seed) for seed in (0, 5)]
    expected = np.stack([[applied(model, v, x) for x in images] for v in both])

    def each(variables, images):
        return infer(fold(variables, model, image_size=size), images)

    over_images = jax.vmap(each, in_axes=(None, 0))
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *both)
    assert_same(over_images(both[0], images), expected[0])
    assert_same(jax.vmap(over_images, in_axes=(0, None))(stacked, images), expected)


def test_folding_inside_a_compiled_step(network):
    _, variables, apply = network
    images = images_of(2)
    assert_same(
        jax.jit(lambda v, x: infer(fold(v), x))(variables, images), apply(variables, images)
    )


def test_export_with_a_symbolic_batch(network):
    _, variables, apply = network
    folded = fold(variables)
    shape = jax.ShapeDtypeStruct(jax.export.symbolic_shape("b, 32, 32, 3"), jnp.float32)
    exported = jax.export.export(jax.jit(lambda x: infer(folded, x)), platforms=["cpu", "cuda"])
    loaded = jax.export.deserialize(exported(shape).serialize())
    for batch in (1, 20):
        images = images_of(batch)
        assert_same(loaded.call(images), apply(variables, images))


def test_bfloat16_is_no_further_from_float32_than_apply(network):
    _, variables, apply = network
    half, images = S9Net(dtype=jnp.bfloat16), images_of(8)
    exact = apply(variables, images)
    folded = fold(variables, half)
    assert {kernel.dtype for block in folded.blocks for kernel in block.kernels} == {
        jnp.dtype(jnp.bfloat16)
    }
    given = infer(folded, images)
    assert given.dtype == jnp.float32
    of_apply = np.abs(applied(half, variables, images) - exact).mean()
    assert 0 < np.abs(given - exact).mean() < of_apply
    with jax.numpy_dtype_promotion("strict"):
        np.testing.assert_array_equal(infer(fold(variables, half), images), given)


@pytest.mark.parametrize("batch", [8, 33])
def test_bfloat16_is_finite(network, batch):
    """XLA of jax 0.12 gave NaN on a CPU where it fused several convolutions."""
    _, variables, apply = network
    images = images_of(batch)
    given, exact = applied(S9Net(dtype=jnp.bfloat16), variables, images), apply(variables, images)
    np.testing.assert_allclose(given, exact, rtol=0, atol=0.03 * np.abs(exact).max())


def test_the_multiply_adds_of_s9_follow_from_its_rows():
    plan = make_plan(S9Net(), (32, 32))
    sizes = {
        layer.path: tuple(grid.length for grid in layer.outputs)
        for block in plan.blocks
        for layer in block.layers
    }
    assert sizes["block2/conv/depthwise"] == (16, 16)
    assert sizes["block2/conv/pointwise"] == (17, 17)
    assert (sizes["block5/conv"], sizes["block8/conv"]) == ((8, 8), (3, 3))
    assert plan.multiply_adds + 640 == 9_992_576


@pytest.mark.parametrize("name", [*TABLES, "s9"])
def test_live_positions_are_those_with_a_gradient(name):
    """And no more of them than a grid must have: the hull of those that a logit depends on."""
    model = S9Net() if name == "s9" else S9Net(rows=TABLES[name])
    size = (32, 32) if name == "s9" else (11, 14)
    variables = jax.tree.map(lambda a: np.abs(a) + 0.1, drawn(model, size))
    images = np.abs(images_of(1, size))
    _, seen = model.apply(
        variables,
        images,
        train=False,
        mutable=["intermediates"],
        capture_intermediates=lambda module, _: isinstance(module, Block),
    )
    maps = {name: found["__call__"][0] for name, found in seen["intermediates"].items()}

    def logits(added):
        def add(call, args, kwargs, context):
            y = call(*args, **kwargs)
            return y + added[context.module.name] if context.module.name in added else y

        with nn.intercept_methods(add):
            return model.apply(variables, images, train=False).sum()

    gradients = jax.jit(jax.grad(logits))({name: jnp.zeros_like(y) for name, y in maps.items()})
    for block in make_plan(model, size).blocks:
        read = np.abs(np.asarray(gradients[block.name])).sum(axis=(0, 3)) > 0
        for axis, grid in enumerate(block.layers[-1].live):
            found = np.flatnonzero(read.any(axis=1 - axis))
            assert set(found) <= set(grid.positions), (block.name, axis)
            if name == "s9":
                assert set(found) == set(grid.positions), (block.name, axis)
            elif name not in (
                "transposed",
                "padding of other kinds",
            ):  # whose inputs are read whole
                assert {grid.first, grid.last} <= set(found), (block.name, axis)


def test_a_grid_of_reads_reads_what_the_whole_map_reads():
    rng = random.Random(0)
    for _ in range(500):
        reads = Reads(
            kernel_size=rng.randint(1, 4),
            stride=rng.randint(1, 4),
            low=rng.randint(-3, 6),
            dilation=rng.randint(1, 4),
            input_dilation=rng.choice([1, 1, 2, 3]),
        )
        size = rng.randint(1, 12)
        step = rng.randint(1, 3)
        outputs = Grid(rng.randint(0, 3), step if reads.input_dilation == 1 else 1, 5)
        inputs = live_inputs(outputs, reads, size)
        if rng.random() < 0.3:
            inputs = union(inputs, whole(size))
        stride, (low, high), dilation = between(inputs, outputs, reads)
        smaller = Reads(reads.kernel_size, stride, low, dilation, reads.input_dilation)
        for (j, o), i in itertools.product(enumerate(outputs.positions), range(reads.kernel_size)):
            found = smaller.position(j, i, inputs.length)
            expected = reads.position(o, i, size)
            assert (found if found is None else inputs.positions[found]) == expected
        extent = (outputs.length - 1) * stride + dilation * (reads.kernel_size - 1) + 1
        assert low + (inputs.length - 1) * reads.input_dilation + 1 + high == extent


def test_what_does_not_fit_is_refused_in_one_line(network):
    _, variables, _ = network
    with pytest.raises(ValueError, match=r"images \(1, 40, 32, 3\): expected \[b, 32, 32, 3\]; f"):
        infer(fold(variables), images_of(1, (40, 32)))
    other = S9Net(rows=[Row(Conv, 4)])
    with pytest.raises(ValueError, match=r"params/block1/conv/kernel is \(3, 3, 3, 4\), expected"):
        fold(drawn(other))
    with pytest.raises(ValueError, match=r"params/block1/conv/depthwise/kernel is none, expected"):
        fold(variables, S9Net(rows=[Row(DepthwiseSeparableConv, 4)]))


ON_FOUR_DEVICES = """
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from jaxconv import load_pretrained
from jaxconv.models.inference import fold, infer
folded = fold(load_pretrained().variables)
x = np.random.default_rng(0).normal(size=(64, 32, 32, 3)).astype(np.float32)
run = jax.jit(infer)
expected = run(folded, x)
for kind in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((4,), ("data",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        spread = jax.device_put(x, NamedSharding(mesh, P("data")))
        placed = jax.device_put(folded, NamedSharding(mesh, P()))
        given = run(placed, spread)
        assert len(given.sharding.device_set) == 4
        np.testing.assert_allclose(given, expected, atol=1e-5)
        assert "all-gather" not in run.lower(placed, spread).compile().as_text()
"""


def test_a_batch_spread_over_devices_stays_where_it_is():
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = subprocess.run(
        [sys.executable, "-c", ON_FOUR_DEVICES],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
