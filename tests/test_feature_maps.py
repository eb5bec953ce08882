"""Feature maps are what the layers give; Grad-CAM is its formula, worked out by hand."""

import jax
import numpy as np
import pytest
import tiny

from jaxconv.models.feature_maps import feature_maps, grad_cam
from jaxconv.models.s9 import S9Net
from jaxconv.ops.standard import conv


@pytest.fixture(scope="module")
def network():
    """S9Net with statistics that are not those of a fresh network, and four images."""
    model = S9Net(dropout_rate=0.0)
    images = jax.random.normal(jax.random.key(1), (4, 32, 32, 3))
    variables = model.init(jax.random.key(0), images, train=False)
    _, updated = model.apply(variables, images, train=True, mutable=["batch_stats"])
    return model, {**variables, **updated}, images


def test_feature_maps_are_the_outputs_of_the_layers(network):
    model, variables, images = network
    names = ["block1/conv", "block3", "block12", "pool"]
    maps = feature_maps(model, variables, images, layers=names)
    assert {name: array.shape for name, array in maps.items()} == {
        "block1/conv": (4, 32, 32, 32),
        "block3": (4, 16, 16, 32),
        "block12": (4, 3, 3, 64),
        "pool": (4, 1, 1, 64),
    }
    kernel = variables["params"]["block1"]["conv"]["kernel"]
    np.testing.assert_allclose(maps["block1/conv"], conv(images, kernel, padding=1), atol=1e-5)
    np.testing.assert_allclose(maps["pool"], maps["block12"].mean((1, 2), keepdims=True), atol=1e-5)


@pytest.mark.parametrize("classes", [None, np.array([3, 1, 4, 1])])
def test_above_the_last_maps_grad_cam_is_the_head_at_each_place(network, classes):
    """The head is linear and pooling a mean, so ds/dA_k is head[k, class] / places everywhere."""
    model, variables, images = network
    heat = grad_cam(model, variables, images, layer="block12", classes=classes)
    maps = np.asarray(feature_maps(model, variables, images, layers=["block12"])["block12"])
    head = np.asarray(variables["params"]["head"]["kernel"])[0, 0]
    logits = maps.mean((1, 2)) @ head
    chosen = logits.argmax(axis=1) if classes is None else classes
    evidence = np.einsum("bhwk,kb->bhw", maps, head[:, chosen]) / 9
    np.testing.assert_allclose(heat, np.maximum(evidence, 0), atol=1e-5)
    assert classes is None or (evidence < 0).any(), "the ReLU has something to do"


def test_below_a_relu_grad_cam_averages_gradients_that_differ_from_place_to_place():
    """tiny.Net is conv -> ReLU -> BatchNorm -> mean -> dense: its gradient fits on one line."""
    model, images = tiny.Net(), jax.random.normal(jax.random.key(2), (3, *tiny.SHAPE))
    variables = model.init(jax.random.key(3), images, train=False)
    maps = np.asarray(feature_maps(model, variables, images, layers=["conv"])["conv"])
    classes = np.array([2, 0, 3])
    heat = grad_cam(model, variables, images, layer="conv", classes=classes)
    head = np.asarray(variables["params"]["head"]["kernel"])[:, classes].T  # [b, k]
    slope = 1 / np.sqrt(1 + 1e-5)  # of a fresh BatchNorm
    gradients = (maps > 0) * slope * head[:, None, None] / maps[0, ..., 0].size
    weights = gradients.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(heat, np.maximum((weights * maps).sum(axis=3), 0), atol=1e-6)


def test_a_layer_that_is_not_there_is_named(network):
    model, variables, images = network
    for name in ("block13", "block1/head", "block"):
        with pytest.raises(ValueError, match=f"the model calls no layer '{name}'; see"):
            grad_cam(model, variables, images, layer=name)
