"""Sums over pixels are those of NumPy, whatever the pieces that they are taken in."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.ops.xla.sums import sums_over_pixels

SHAPES = [(5, 3), (32, 3), (4, 7, 3), (16, 8, 8, 3), (3, 7, 5, 3), (0, 4, 4, 3), (2, 8, 4, 4, 3)]


@pytest.mark.parametrize("shape", [*SHAPES, (1, 56, 2, 3)])
def test_weighted_sum_over_pixels(shape):
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=shape), rng.normal(size=(shape[0], *[1] * (len(shape) - 1)))
    given = jnp.asarray(x), jnp.asarray(weights)
    totals = sums_over_pixels(lambda x, w: (x * w, x), *given)
    totals += sums_over_pixels(lambda x, w: [x * w], *given)
    axes = tuple(range(len(shape) - 1))
    weighted = (x * weights).sum(axes)
    for total, expected in zip(totals, [weighted, x.sum(axes), weighted], strict=True):
        np.testing.assert_allclose(total, expected, rtol=1e-5, atol=1e-4)
