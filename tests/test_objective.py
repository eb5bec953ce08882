"""Loss and counts against a float64 computation by hand, and at their edges."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.training.objective import classification_sums, mean_loss

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(scale=3, size=(16, 10)).astype(np.float32)
LABELS = RNG.integers(0, 10, 16).astype(np.int32)
MASK = RNG.random(16) < 0.7


def expected_loss(logits, labels, label_smoothing):
    """Cross-entropy of each example in float64, written out."""
    logits = np.asarray(logits, np.float64)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    target = np.full(p.shape, label_smoothing / p.shape[1])
    target[np.arange(len(labels)), labels] += 1 - label_smoothing
    return -(target * np.log(p)).sum(axis=1)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.9])
def test_sums_over_the_kept_examples(label_smoothing):
    sums = classification_sums(LOGITS, LABELS, MASK, label_smoothing=label_smoothing)
    loss = expected_loss(LOGITS, LABELS, label_smoothing)[MASK]
    np.testing.assert_allclose(sums["loss_sum"], loss.sum(), rtol=1e-6)
    assert sums["correct"] == (LOGITS.argmax(axis=1) == LABELS)[MASK].sum()
    assert sums["count"] == MASK.sum()
    np.testing.assert_allclose(mean_loss(sums), loss.mean(), rtol=1e-6)


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float32])
def test_a_mask_may_be_of_any_kind(dtype):
    chex.assert_trees_all_equal(
        classification_sums(LOGITS, LABELS, MASK.astype(dtype)),
        classification_sums(LOGITS, LABELS, MASK),
    )


def test_sums_of_parts_add_up():
    whole = classification_sums(LOGITS, LABELS, MASK)
    parts = [classification_sums(LOGITS[i::3], LABELS[i::3], MASK[i::3]) for i in range(3)]
    added = jax.tree.map(lambda *values: sum(values), *parts)
    chex.assert_trees_all_close(added, whole, rtol=1e-6)
    chex.assert_trees_all_equal_shapes_and_dtypes(added, whole)


def test_sums_are_float32_and_int32_whatever_comes_in():
    sums = classification_sums(jnp.asarray(LOGITS, jnp.bfloat16), LABELS.astype(np.uint8), MASK)
    assert sums["loss_sum"].dtype == jnp.float32
    assert sums["correct"].dtype == sums["count"].dtype == jnp.int32
    rounded = np.asarray(jnp.asarray(LOGITS, jnp.bfloat16), np.float64)
    np.testing.assert_allclose(
        sums["loss_sum"], expected_loss(rounded, LABELS, 0)[MASK].sum(), rtol=1e-6
    )


@pytest.mark.parametrize("count", [0, 4])
def test_no_example_gives_a_mean_loss_of_0(count):
    sums = classification_sums(LOGITS[:count], LABELS[:count], np.zeros(count, bool))
    chex.assert_trees_all_equal(sums, {"loss_sum": 0.0, "correct": 0, "count": 0})
    assert mean_loss(sums) == 0


def test_the_loss_of_a_large_logit_is_finite_and_right():
    logits = np.array([[1e4, 0, -1e4], [-1e30, 1e30, 0], [88.8, 88.8, 88.8]], np.float32)
    sums = classification_sums(logits, np.array([1, 1, 0]), np.ones(3))
    np.testing.assert_allclose(sums["loss_sum"], 1e4 + 0 + np.log(3), rtol=1e-6)


def test_a_tie_is_won_by_the_first_class():
    sums = classification_sums(np.zeros((3, 4), np.float32), np.array([0, 1, 3]), np.ones(3))
    assert sums["correct"] == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_padding_may_hold_anything(bad):
    """What the mask leaves out reaches neither the sums nor the gradient."""
    logits = LOGITS.copy()
    logits[~MASK] = bad
    labels = np.where(MASK, LABELS, 0)
    chex.assert_trees_all_equal(
        classification_sums(logits, labels, MASK), classification_sums(LOGITS, labels, MASK)
    )

    def loss(logits):
        return mean_loss(classification_sums(logits, labels, MASK, label_smoothing=0.1))

    np.testing.assert_array_equal(jax.grad(loss)(logits), jax.grad(loss)(LOGITS))


def test_a_nan_in_a_kept_example_is_not_hidden():
    logits = LOGITS.copy()
    logits[np.flatnonzero(MASK)[0], 3] = np.nan
    assert np.isnan(classification_sums(logits, LABELS, MASK)["loss_sum"])


def test_the_gradient_is_that_of_the_mean_over_kept_examples():
    def loss(logits):
        return mean_loss(classification_sums(logits, LABELS, MASK, label_smoothing=0.1))

    target = 0.9 * np.eye(10)[LABELS] + 0.1 / 10
    expected = (jax.nn.softmax(LOGITS) - target) * MASK[:, None] / MASK.sum()
    np.testing.assert_allclose(jax.grad(loss)(LOGITS), expected, atol=1e-7)
