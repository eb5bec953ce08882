"""What any function of images sees, against the extent of its gradient; and what is not guessed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxconv
from jaxconv.models.receptive_field import receptive_field

KERNEL = jnp.ones((3, 3, 2, 2))


def branches(images):
    x = jaxconv.conv(images, KERNEL, stride=2, padding=1)
    wide = jaxconv.dilated_conv(x, KERNEL, padding=2)
    up = jaxconv.transpose_conv(x, KERNEL, stride=2, padding=1, output_padding=1)
    return jax.nn.relu(x + wide) + jaxconv.conv(up, KERNEL, stride=2, padding=1)


def pooled(images):
    x = nn.max_pool(jaxconv.depthwise_conv(images, jnp.ones((3, 5, 1, 2))), (2, 2), strides=(2, 3))
    return jaxconv.spatially_separable_conv(x, jnp.ones((5, 1, 2, 2)), jnp.ones((1, 3, 2, 2)))


def measured(network, size=48):
    """Rows and columns that one position in the middle depends on, and its neighbours' distance."""
    images = jnp.arange(size * size * 2.0).reshape(1, size, size, 2)
    h, w = network(images).shape[1:3]

    def seen(row, column):
        gradient = jax.grad(lambda x: network(x)[0, row, column].sum())(images)
        dependent = np.asarray(gradient)[0].any(axis=-1)
        return [np.flatnonzero(dependent.any(axis=1 - axis)) for axis in (0, 1)]

    here, next_one = seen(h // 2, w // 2), seen(h // 2 + 1, w // 2 + 1)
    field = tuple(int(np.ptp(rows)) + 1 for rows in here)
    return field, tuple(int(b[0] - a[0]) for a, b in zip(here, next_one, strict=True))


@pytest.mark.parametrize("network", [branches, lambda x: jaxconv.conv(x, KERNEL)])
def test_the_field_and_the_jump_are_those_of_the_gradient(network):
    assert receptive_field(network, (48, 48, 2)) == measured(network)


def test_each_axis_has_its_own():
    # The gradient of a maximum shows one pixel of each window alone: worked out by hand.
    assert receptive_field(pooled, (48, 48, 2)) == ((12, 12), (2, 3))


def test_linen_modules_and_flat_outputs():
    model = jaxconv.S9Net()
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), jnp.ones((1, 32, 32, 3))
    )
    variables = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), variables)

    def network(images):
        return model.apply(variables, images, train=False)

    assert receptive_field(network, (32, 32, 3)) == ((105, 105), (8, 8))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (lambda x: x[:, ::-1], "moves pixels in a way that is not followed"),
        (lambda x: jnp.ones((1, 4, 4, 1)), "does not depend on the images"),
        (lambda x: (x, x), "returns 2 arrays, expected one"),
    ],
)
def test_what_cannot_be_told_is_refused(network, words):
    with pytest.raises(ValueError, match=words):
        receptive_field(network, (8, 8, 2))
