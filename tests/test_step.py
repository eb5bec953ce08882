"""One step: pure, donated, compiled once; padding changes nothing."""

import functools
import logging

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from tiny import SHAPE, Net, batch_of

from jaxconv.training.objective import make_objective
from jaxconv.training.step import (
    TrainState,
    identity_augment,
    init_train_state,
    make_eval_step,
    make_predict_step,
    make_train_step,
)

KEY = jax.random.key(3)
TX = optax.sgd(1.0)  # the step in the parameters is minus the gradient


@pytest.fixture(scope="module")
def train_step():
    return make_train_step(Net(), TX, identity_augment)


@pytest.fixture(scope="module")
def eval_step():
    return make_eval_step(Net())


@functools.cache
def initial(network):
    return jax.device_get(init_train_state(network(), TX, jax.random.key(0), SHAPE))


def fresh(network=Net, step=0):
    return jax.device_put(initial(network)._replace(step=np.int32(step)))


def gradient(train_step, batch, step=0):
    before = jax.device_get(fresh(step=step).params)
    after, _ = train_step(fresh(step=step), batch, KEY)
    return jax.tree.map(np.subtract, before, after.params)


def test_a_state_is_arrays_only():
    state = fresh()
    assert TrainState._fields == ("step", "params", "batch_stats", "opt_state", "average")
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
    assert state.step.dtype == jnp.int32
    assert set(state.variables) == {"params", "batch_stats"}


def test_a_step_is_a_function_of_its_arguments(train_step):
    first, second = (train_step(fresh(), batch_of(8), KEY) for _ in range(2))
    chex.assert_trees_all_equal(first, second)
    chex.assert_trees_all_equal_shapes_and_dtypes(first[0], fresh())
    assert first[0].step == 1


def test_a_step_takes_over_its_state(train_step):
    state = fresh()
    train_step(state, batch_of(8), KEY)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


def test_metrics_are_sums(train_step, eval_step):
    for metrics in (
        train_step(fresh(), batch_of(5, 8), KEY)[1],
        eval_step(fresh(), batch_of(5, 8)),
    ):
        assert set(metrics) == {"loss_sum", "correct", "count"}
        assert metrics["count"] == 5
        assert 0 <= metrics["correct"] <= 5
        assert metrics["loss_sum"].dtype == jnp.float32
        assert metrics["correct"].dtype == metrics["count"].dtype == jnp.int32


def test_randomness_is_a_function_of_key_and_step(train_step):
    batch = batch_of(8)
    losses = [
        float(train_step(fresh(step=step), batch, key)[1]["loss_sum"])
        for step, key in ((0, KEY), (1, KEY), (0, jax.random.key(4)), (1, KEY))
    ]
    assert len(set(losses)) == 3
    assert losses[1] == losses[3]


def test_a_padded_batch_has_the_gradient_of_the_short_one(train_step):
    """Up to the order of summation: float32 sums over 8 examples, of which 3 add zero."""
    short = batch_of(5)
    padded = jax.tree.map(lambda part, noise: noise.at[:5].set(part), short, batch_of(5, 8, seed=1))
    chex.assert_trees_all_close(
        gradient(train_step, padded), gradient(train_step, short), rtol=1e-5, atol=1e-7
    )
    after = [train_step(fresh(), batch, KEY) for batch in (padded, short)]
    chex.assert_trees_all_close(after[0][0].batch_stats, after[1][0].batch_stats, rtol=1e-6)
    chex.assert_trees_all_close(after[0][1], after[1][1], rtol=1e-6)


def test_what_the_padding_holds_changes_no_bit(train_step):
    batch = batch_of(5, 8)
    other = dict(
        batch, image=batch["image"].at[5:].multiply(100), label=batch["label"].at[5:].set(0)
    )
    chex.assert_trees_all_equal(gradient(train_step, batch), gradient(train_step, other))


def test_a_batch_of_padding_alone_leaves_parameters_alone(train_step):
    zero = jax.tree.map(jnp.zeros_like, fresh().params)
    chex.assert_trees_all_equal(gradient(train_step, batch_of(0, 8)), zero)


def test_evaluation_uses_running_statistics_and_no_dropout(eval_step):
    state, batch = fresh(), batch_of(8)
    one_by_one = [
        eval_step(state, jax.tree.map(lambda part, i=i: part[i : i + 1], batch)) for i in range(8)
    ]
    added = jax.tree.map(lambda *parts: sum(parts), *one_by_one)
    chex.assert_trees_all_close(eval_step(state, batch), added, rtol=1e-6)
    chex.assert_trees_all_equal(eval_step(state, batch), eval_step(state, batch))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(state))


def test_prediction_gives_the_probabilities_that_evaluation_counts(eval_step):
    state, batch = fresh(), batch_of(8)
    p = make_predict_step(Net())(state, batch["image"])
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    metrics = eval_step(state, batch)
    loss = -np.log(np.asarray(p)[np.arange(8), batch["label"]]).sum()
    np.testing.assert_allclose(metrics["loss_sum"], loss, rtol=1e-5)
    assert metrics["correct"] == (p.argmax(axis=1) == batch["label"]).sum()


def test_label_smoothing_is_part_of_the_training_loss():
    steps = [
        make_train_step(
            Plain(), TX, identity_augment, objective=make_objective(label_smoothing=share)
        )
        for share in (0, 0.5)
    ]
    losses = [float(step(fresh(Plain), batch_of(8), KEY)[1]["loss_sum"]) for step in steps]
    assert losses[0] != losses[1]


class Plain(nn.Module):
    """A classifier that knows nothing of masks and keeps no statistics."""

    @nn.compact
    def __call__(self, images, *, train):
        return nn.Dense(4)(images.reshape(len(images), -1))


def test_any_linen_classifier_can_be_trained():
    step = make_train_step(Plain(), TX, identity_augment)
    state, metrics = step(fresh(Plain), batch_of(5, 8), KEY)
    assert (state.step, metrics["count"], state.batch_stats) == (1, 5, {})


def test_an_augmentation_gets_the_keys_of_its_examples():
    """Those in the batch where there are some, else keys that differ by example and step."""
    seen = []

    def augment(keys, images):
        jax.debug.callback(lambda words: seen.append(np.asarray(words)), jax.random.key_data(keys))
        return images

    step = make_train_step(Plain(), TX, augment)
    keys = jax.random.split(jax.random.key(9), 8)
    for batch, number in ((batch_of(8) | {"key": keys}, 0), (batch_of(8), 0), (batch_of(8), 1)):
        step(fresh(Plain, number), batch, KEY)
    jax.effects_barrier()
    np.testing.assert_array_equal(seen[0], jax.random.key_data(keys))
    assert len(np.unique(np.concatenate(seen), axis=0)) == 24


def test_a_step_compiles_once(caplog):
    """For any step number, the short batch, a restored state and the next epoch."""
    traces = []

    def augment(keys, images):
        traces.append(images.shape)
        return images

    step = make_train_step(Net(), TX, augment)
    evaluate = make_eval_step(Net())
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        state, _ = step(fresh(), batch_of(8), KEY)
        evaluate(state, batch_of(8))
        compiled = caplog.text.count("Finished XLA compilation of jit(train_step)")
        for batch in (batch_of(8, seed=1), batch_of(3, 8)):
            state, _ = step(state, batch, KEY)
            evaluate(state, batch)
        restored = jax.device_put(jax.tree.map(np.array, state))
        state, _ = step(restored, batch_of(8), KEY)
        step(state, jax.device_get(batch_of(8)), KEY)
    assert len(traces) == compiled == 1
    assert caplog.text.count("Finished XLA compilation of jit(train_step)") == 1
    assert caplog.text.count("Finished XLA compilation of jit(eval_step)") == 1
