"""The moving average of the weights: what it is, and that it is what is looked at."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import SHAPE, Net, batch_of

from jaxconv.training.average import averaged, begin_average
from jaxconv.training.optim import one_cycle_sgd
from jaxconv.training.step import (
    TrainState,
    identity_augment,
    init_train_state,
    make_eval_step,
    make_train_step,
)

KEY = jax.random.key(3)
TX = one_cycle_sgd(20, max_lr=0.1, weight_decay=1e-3)
DECAY = 0.5  # reached after nine steps


@pytest.fixture(scope="module")
def states():
    """The states of a training with an average and of one without, step by step."""
    plain = make_train_step(Net(), TX, identity_augment)
    moving = averaged(plain, DECAY)
    fresh = jax.device_get(init_train_state(Net(), TX, jax.random.key(0), SHAPE))
    alone, both = jax.device_put(fresh), begin_average(jax.device_put(fresh))
    rows = [(fresh, jax.device_get(both))]
    for seed in range(12):
        batch = batch_of(8, seed=seed)
        alone, sums = plain(alone, batch, KEY)
        both, same_sums = moving(both, batch, KEY)
        chex.assert_trees_all_equal(sums, same_sums)
        rows.append(jax.device_get((alone, both)))
    return rows


def test_an_average_does_not_touch_what_is_trained(states):
    for alone, both in states:
        chex.assert_trees_all_equal(both._replace(average=None), alone)


def test_an_average_moves_towards_each_step_and_forgets_the_first_ones(states):
    """Parameters and BatchNorm's statistics alike, against the recurrence in float64."""
    average = jax.tree.map(np.float64, states[0][0].variables)
    chex.assert_trees_all_equal(states[0][1].average, states[0][0].variables)
    for number, (alone, both) in enumerate(states[1:], start=1):
        kept = min(DECAY, (1 + number) / (10 + number))
        average = jax.tree.map(lambda a, w, k=kept: k * a + (1 - k) * w, average, alone.variables)
        chex.assert_trees_all_close(both.average, average, rtol=1e-5, atol=1e-6)
    assert kept == DECAY
    stats = both.average["batch_stats"]["norm"]
    assert not np.allclose(stats["var"], both.batch_stats["norm"]["var"], rtol=1e-3)


def test_what_is_looked_at_is_the_average(states):
    _, both = states[-1]
    assert both.variables is both.average
    evaluate, batch = make_eval_step(Net()), batch_of(16, seed=99)
    named = TrainState(both.step, both.average["params"], both.average["batch_stats"], ())
    chex.assert_trees_all_equal(evaluate(both, batch), evaluate(named, batch))
    last = both._replace(average=None)
    assert evaluate(both, batch)["loss_sum"] != evaluate(last, batch)["loss_sum"]


def test_an_average_is_given_away_with_its_state():
    step = averaged(make_train_step(Net(), TX, identity_augment), DECAY)
    state = begin_average(init_train_state(Net(), TX, jax.random.key(0), SHAPE))
    after, _ = step(state, batch_of(8), KEY)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.average))
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)


def test_an_average_of_weights_that_rest_is_these_weights():
    def resting(state, batch, key):
        return state._replace(step=state.step + 1), {"count": jnp.int32(0)}

    state = begin_average(init_train_state(Net(), TX, jax.random.key(0), SHAPE))
    before = jax.device_get(state.average)
    for _ in range(3):
        state, _ = averaged(resting, 0.9)(state, batch_of(8), KEY)
    chex.assert_trees_all_close(state.average, before, rtol=1e-6)


def test_an_average_of_bfloat16_weights_moves_and_keeps_its_dtype():
    """In bfloat16 a thousandth of a difference would be lost."""
    fresh = init_train_state(Net(), TX, jax.random.key(0), SHAPE)
    narrow = jax.tree.map(lambda array: array.astype(jnp.bfloat16), fresh.params)
    state = begin_average(fresh._replace(params=narrow))

    def grow(state, batch, key):
        grown = jax.tree.map(lambda array: (array + 1).astype(array.dtype), state.params)
        return state._replace(params=grown, step=jnp.int32(10**6)), {}

    after, _ = averaged(grow, 0.999)(jax.tree.map(jnp.copy, state), None, None)
    chex.assert_trees_all_equal_shapes_and_dtypes(after.average, state.average)
    moved = jax.tree.map(jnp.subtract, after.average["params"], narrow)
    for leaf in jax.tree.leaves(moved):
        np.testing.assert_allclose(leaf, 1e-3, rtol=2e-2)
