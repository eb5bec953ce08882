"""Whole networks against PyTorch: S9 block by block, and one that holds every variant."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from torch_results.drawn import draw, draw_kernel, s9_images, s9_state_dict
from variants import difference

from jaxconv import (
    Conv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
    S9Net,
    SpatiallySeparableConv,
    TransposeConv,
)
from jaxconv.interop.torch import kernel_from_torch
from jaxconv.interop.torch import s9_state_dict as to_state_dict
from jaxconv.interop.torch import s9_variables as to_variables
from jaxconv.training.objective import classification_sums, mean_loss

STORED = Path(__file__).parent / "torch_results"
S9 = np.load(STORED / "s9.npz")
ZOO = np.load(STORED / "zoo.npz")


@pytest.fixture(scope="module", autouse=True)
def full_precision():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="module")
def evaluated():
    """Logits, block outputs and the image gradient of S9 in evaluation."""
    cotangent = draw("s9 cotangent", (2, 10))

    @jax.jit
    def run(variables, images):
        def total(images):
            logits, state = S9Net().apply(
                variables, images, train=False, capture_intermediates=True, mutable="intermediates"
            )
            return jnp.sum(logits * cotangent), (logits, state["intermediates"])

        gradient, (logits, outputs) = jax.grad(total, has_aux=True)(images)
        return logits, outputs, gradient

    return run(to_variables(s9_state_dict()), s9_images())


@pytest.mark.parametrize("number", range(1, 13))
def test_s9_block_gives_what_pytorch_gives(evaluated, number):
    output = evaluated[1][f"block{number}"]["__call__"][0]
    assert difference(output.mean(1), S9[f"block{number} over h"]) < 1e-5
    assert difference(output.mean(2), S9[f"block{number} over w"]) < 1e-5


def test_s9_logits_and_image_gradient_are_pytorchs(evaluated):
    logits, _, gradient = evaluated
    np.testing.assert_allclose(logits, S9["logits"], atol=1e-4)
    assert difference(gradient, S9["image gradient"]) < 1e-5


@pytest.fixture(scope="module")
def trained():
    """Logits, gradients and new statistics of one training step without dropout, by name.

    The batch is padded by an image of NaN, which must change nothing.
    """
    padded = np.concatenate([s9_images(), np.full((1, 32, 32, 3), np.nan, np.float32)])
    mask = np.array([True, True, False])

    @jax.jit
    def run(variables, images):
        def loss(params):
            logits, state = S9Net(dropout_rate=0.0).apply(
                {**variables, "params": params},
                images,
                train=True,
                mask=mask,
                mutable="batch_stats",
            )
            sums = classification_sums(logits, jnp.array([3, 7, 0]), mask)
            return mean_loss(sums), (logits[:2], state["batch_stats"])

        gradients, (logits, batch_stats) = jax.grad(loss, has_aux=True)(variables["params"])
        return logits, {"params": gradients, "batch_stats": batch_stats}

    logits, variables = run(to_variables(s9_state_dict()), padded)
    return logits, to_state_dict(variables)


def test_s9_training_logits_are_pytorchs(trained):
    np.testing.assert_allclose(trained[0], S9["train logits"], atol=1e-4)


def test_s9_parameter_gradients_are_pytorchs(trained):
    names = [name for name in S9.files if name.startswith("gradient ")]
    assert len(names) == 38  # 14 kernels, 12 scales, 12 biases
    for name in names:
        gradient = trained[1][name.removeprefix("gradient ")]
        probe = draw(f"probe {name.removeprefix('gradient ')}", gradient.shape)
        scale = np.linalg.norm(gradient) * np.linalg.norm(probe)
        assert abs(np.vdot(gradient, probe) - S9[name]) < 2e-6 * scale, name


def test_s9_running_statistics_after_a_step_are_pytorchs(trained):
    names = [name for name in S9.files if name.startswith("after ")]
    assert len(names) == 24
    for name in names:
        assert difference(trained[1][name.removeprefix("after ")], S9[name]) < 1e-5, name


class Zoo(nn.Module):
    """Every variant once, as `torch_results/networks.py` writes it in PyTorch."""

    @nn.compact
    def __call__(self, x):
        def layer(kind, *arguments, **options):
            return kind(*arguments, use_bias=True, **options)

        standard = {"stride": (2, 1), "padding": (1, 2), "groups": 2}
        x = jnp.tanh(layer(Conv, 6, (3, 5), name="standard", **standard)(x))
        x = jnp.tanh(layer(PointwiseConv, 8, name="pointwise")(x))
        separable = {"multiplier": 2, "padding": (1, 2), "pointwise_padding": 1}
        x = jnp.tanh(layer(DepthwiseSeparableConv, 9, name="separable", **separable)(x))
        dilated = {"stride": 2, "padding": 2, "dilation": (2, 3)}
        x = jnp.tanh(layer(DilatedConv, 8, (3, 2), name="dilated", **dilated)(x))
        spatial = {"mid_features": 3, "stride": (1, 2), "padding": (2, 0)}
        x = jnp.tanh(layer(SpatiallySeparableConv, 6, (5, 3), name="spatial", **spatial)(x))
        transpose = {"stride": (2, 3), "padding": 1, "output_padding": (1, 2)}
        transpose |= {"dilation": (1, 3), "groups": 2}
        x = jnp.tanh(layer(TransposeConv, 4, (3, 2), name="transpose", **transpose)(x))
        return layer(PointwiseConv, 5, name="head")(x).mean((1, 2))


PLACES = {  # PyTorch's layer: where its weight and bias live here
    "standard": ("standard",),
    "pointwise": ("pointwise",),
    "depthwise": ("separable", "depthwise"),
    "mix": ("separable", "pointwise"),
    "dilated": ("dilated",),
    "column": ("spatial", "column"),
    "row": ("spatial", "row"),
    "transpose": ("transpose",),
    "head": ("head",),
}


def test_the_network_with_every_variant_is_pytorchs():
    x = draw("zoo x", (2, 9, 12, 4), -2, 2)
    params = jax.eval_shape(Zoo().init, jax.random.key(0), x)["params"]
    for name, path in PLACES.items():
        place = params
        for step in path:
            place = place[step]
        kh, kw, second, first = place["kernel"].shape
        fan_in = second * kh * kw
        weight = draw_kernel(f"zoo {name}.weight", (first, second, kh, kw), fan_in)
        place["kernel"] = kernel_from_torch(weight)
        place["bias"] = draw_kernel(f"zoo {name}.bias", place["bias"].shape, 1)
    assert all(isinstance(array, np.ndarray) for array in jax.tree.leaves(params))

    def total(x):
        logits = Zoo().apply({"params": params}, x)
        return jnp.sum(logits * draw("zoo cotangent", (2, 5))), logits

    gradient, logits = jax.jit(jax.grad(total, has_aux=True))(x)
    np.testing.assert_allclose(logits, ZOO["logits"], atol=1e-5)
    assert difference(gradient, ZOO["x gradient"]) < 1e-5
