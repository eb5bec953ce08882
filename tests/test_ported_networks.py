"""Public networks brought over from PyTorch: values, gradients and a step of training are its."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from ported_networks import NETWORKS, InvertedResidual
from torch_results.drawn import draw, draw_entry
from variants import difference

from jaxconv.interop.torch import torch_from_variables, variables_from_torch

STORED = np.load(Path(__file__).parent / "torch_results" / "ported.npz")
RATE = 0.05


def state_dict_of(name):
    shapes = json.loads(str(STORED[f"{name} state"]))
    return {entry: draw_entry(name, entry, tuple(shape)) for entry, shape in shapes.items()}


def data_of(name, x_shape):
    """x and what the network is to give for it."""
    target = draw(f"{name} target", STORED[f"{name} evaluation"].shape)
    return draw(f"{name} x", x_shape, -2, 2), target


def mean_square(y, target):
    assert y.shape == target.shape
    return jnp.mean((y - target) ** 2)


def require_pytorchs_step(name, loss, x_gradient, gradients, after, evaluation):
    """`gradients` and `after` are state dicts: of the parameters, and after a step of SGD."""
    state_dict = state_dict_of(name)
    np.testing.assert_allclose(loss, STORED[f"{name} loss"], rtol=1e-5)
    assert difference(x_gradient, STORED[f"{name} x gradient"]) < 1e-4
    parameters = [entry for entry in state_dict if entry.endswith(("weight", "bias"))]
    assert len(parameters) == len(STORED[f"{name} gradients"])
    for entry, stored in zip(parameters, STORED[f"{name} gradients"], strict=True):
        probe = draw(f"{name} probe {entry}", gradients[entry].shape)
        scale = np.linalg.norm(gradients[entry]) * np.linalg.norm(probe)
        assert abs(np.vdot(gradients[entry], probe) - stored) < 1e-5 * scale + 1e-7, entry
        stepped = state_dict[entry] - RATE * gradients[entry]
        np.testing.assert_allclose(after[entry], stepped, rtol=1e-5, atol=1e-6)
    running = [after[entry].ravel() for entry in state_dict if "running" in entry]
    stored = STORED[f"{name} running"]
    assert difference(np.concatenate([*running, np.zeros(0)]), stored) < 1e-5
    assert difference(evaluation, STORED[f"{name} evaluation"]) < 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_a_ported_network_trains_as_in_pytorch(name):
    network = NETWORKS[name]
    x, target = data_of(name, network.x)
    made = jax.eval_shape(lambda x: network.model.init(jax.random.key(0), x, train=False), x)
    state_dict = state_dict_of(name)
    variables = variables_from_torch(state_dict, made, network.rename)
    back = torch_from_variables(variables, network.rename)
    assert {entry: array.tobytes() for entry, array in back.items()} == {
        entry: array.tobytes() for entry, array in state_dict.items()
    }

    @jax.jit
    def step(variables, x):
        def loss_of(params, x):
            given = {**variables, "params": params}
            y, updated = network.model.apply(given, x, train=True, mutable=["batch_stats"])
            return mean_square(y, target), updated

        (loss, updated), (gradients, x_gradient) = jax.value_and_grad(
            loss_of, argnums=(0, 1), has_aux=True
        )(variables["params"], x)
        params = jax.tree.map(lambda p, g: p - RATE * g, variables["params"], gradients)
        after = {"params": params, **updated}
        evaluation = network.model.apply(after, x, train=False)
        return loss, x_gradient, {"params": gradients}, after, evaluation

    with jax.default_matmul_precision("highest"):
        loss, x_gradient, gradients, after, evaluation = step(variables, x)
    as_theirs = [torch_from_variables(each, network.rename) for each in (gradients, after)]
    require_pytorchs_step(name, loss, x_gradient, *as_theirs, evaluation)


def mobilenet_names(layer):
    """PyTorch's names of the layers as ours, and ours as PyTorch's: a function may be both."""
    names = ("expand", "expand_norm", "depthwise", "depthwise_norm", "project", "project_norm")
    places = ("conv.0.0", "conv.0.1", "conv.1.0", "conv.1.1", "conv.2", "conv.3")
    pairs = [*zip(places, names, strict=True), *zip(names, places, strict=True)]
    return dict(pairs)[layer]


def test_a_ported_nnx_block_trains_as_in_pytorch():
    name = "InvertedResidual"
    x, target = data_of(name, (2, 7, 8, 6))
    model = InvertedResidual(nnx.Rngs(0))
    state = variables_from_torch(state_dict_of(name), nnx.state(model), mobilenet_names)
    nnx.update(model, state)

    @nnx.jit
    def step(model, x):
        def loss_of(model, x):
            return mean_square(model(x), target)

        loss, (gradients, x_gradient) = nnx.value_and_grad(loss_of, argnums=(0, 1))(model, x)
        params = nnx.state(model, nnx.Param)
        nnx.update(model, jax.tree.map(lambda p, g: p - RATE * g, params, gradients))
        model.eval()
        return loss, x_gradient, gradients, model(x)

    with jax.default_matmul_precision("highest"):
        loss, x_gradient, gradients, evaluation = step(model, x)
    gradients = torch_from_variables(gradients, mobilenet_names)
    after = torch_from_variables(nnx.state(model), mobilenet_names)
    assert list(after) == list(state_dict_of(name))
    require_pytorchs_step(name, loss, x_gradient, gradients, after, evaluation)
