"""The schedules and the optimizer against PyTorch's, from stored numbers."""

import json
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from jaxconv.training.optim import (
    cosine_cycle,
    current_rates,
    muon,
    one_cycle,
    one_cycle_sgd,
    sgd,
    warmup_cosine,
)

STORED = json.loads((Path(__file__).parent / "torch_results" / "training.json").read_text())
MAX_LR, WEIGHT_DECAY = 0.1, 1e-4
TARGET, CURVATURE = jnp.array([0.0, 1.0, 4.0]), jnp.array([1.0, 3.0, 0.1])


def rates(total_steps, steps, max_lr=MAX_LR, schedule=one_cycle, **options):
    """[n, 2]: learning rate and momentum that the optimizer itself uses at each step."""
    tx = sgd(schedule(total_steps, max_lr=max_lr, **options), weight_decay=0.0)
    params = {"w": jnp.zeros(())}
    state = tx.init(params)
    update = jax.jit(lambda state, count: _at(tx, state, count, params))
    found = [current_rates(update(state, np.int32(step))) for step in steps]
    return np.array([[row["lr"], row["momentum"]] for row in found])


def _at(tx, state, count, params):
    """The state of `tx` after the update number `count`."""
    state = jax.tree.map(lambda leaf: count if leaf.dtype == jnp.int32 else leaf, state)
    return tx.update(params, state, params)[1]


def descend(total_steps, tx):
    """The parameter after each step, descending as the stored trajectory does."""

    @jax.jit
    def step(w, state):
        gradient = jax.grad(lambda w: jnp.sum((w - TARGET) ** 2 * CURVATURE))(w)
        updates, state = tx.update(gradient, state, w)
        return w + updates, state

    w = jnp.array([1.0, -2.0, 0.5])
    state, rows = tx.init(w), []
    for _ in range(total_steps):
        w, state = step(w, state)
        rows.append(w)
    return np.array(rows)


@pytest.mark.parametrize("total_steps", [9800, 98, 20, 7, 4])
def test_rates_are_those_of_one_cycle_lr(total_steps):
    stored = np.array(STORED["schedule"][str(total_steps)])
    found = rates(total_steps, stored[:, 0].astype(int))
    np.testing.assert_allclose(found, stored[:, 1:], rtol=2e-6, atol=1e-8)


def test_the_documented_rates():
    """RECIPE: 0.004 rises to 0.1 at step 2,939 of 9,800, and falls to 4e-7 at the last."""
    found = rates(9800, [0, 2938, 2939, 2940, 9799])
    np.testing.assert_allclose(found[[0, 2, 4], 0], [0.004, 0.1, 4e-7], rtol=1e-6)
    np.testing.assert_allclose(found[[0, 2, 4], 1], [0.95, 0.85, 0.95], rtol=1e-6)
    assert found[:, 0].argmax() == 2


def test_rates_scale_with_max_lr_and_momentum_does_not():
    steps = range(20)
    ours, tenfold = rates(20, steps), rates(20, steps, max_lr=1.0)
    np.testing.assert_allclose(tenfold[:, 0], 10 * ours[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(tenfold[:, 1], ours[:, 1])


@pytest.mark.parametrize("total_steps", [1, 2, 3, 4, 5])
def test_short_runs_stay_finite_and_end_where_long_ones_do(total_steps):
    found = rates(total_steps, range(total_steps))
    chex.assert_tree_all_finite(found)
    assert (found[:, 0] >= 3.9e-7).all()
    assert (found[:, 0] <= MAX_LR * 1.000001).all()
    assert (found[:, 1] >= 0.85 * 0.999999).all()
    assert (found[:, 1] <= 0.95 * 1.000001).all()
    if total_steps > 1:
        np.testing.assert_allclose(found[-1], [4e-7, 0.95], rtol=1e-6)


def test_rates_stay_at_their_end_beyond_the_last_step():
    np.testing.assert_array_equal(rates(20, [25, 1000]), rates(20, [19, 19]))


def test_a_constant_cycle_is_constant():
    schedule = cosine_cycle(50, start=0.3, peak=0.3, end=0.3)
    np.testing.assert_allclose(schedule(jnp.arange(60)), 0.3, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "weight_decay"),
    [("trajectory", WEIGHT_DECAY), ("trajectory_with_decay", 0.2)],
)
def test_steps_are_those_of_torch_sgd(name, weight_decay):
    stored = np.array(STORED[name])
    tx = one_cycle_sgd(len(stored), max_lr=MAX_LR, weight_decay=weight_decay)
    np.testing.assert_allclose(descend(len(stored), tx), stored, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("total_steps", [98, 20, 7])
def test_a_cosine_after_a_warm_up_is_that_of_torch(total_steps):
    stored = np.array(STORED["cosine"][str(total_steps)])
    found = rates(total_steps, range(total_steps), schedule=warmup_cosine, warmup=0.25)
    np.testing.assert_allclose(found, stored[:, 1:], rtol=2e-6, atol=1e-8)


def test_steps_of_nesterov_are_those_of_torch():
    stored = np.array(STORED["trajectory_of_nesterov"])
    schedule = warmup_cosine(len(stored), max_lr=MAX_LR, warmup=0.25)
    for nesterov in (True, False):
        found = descend(len(stored), sgd(schedule, weight_decay=0.2, nesterov=nesterov))
        close = np.allclose(found, stored, rtol=2e-6, atol=2e-6)
        assert close == nesterov


@pytest.mark.parametrize(("total_steps", "warmup"), [(7, 0.9), (20, 0.97), (4, 0.8)])
def test_a_fall_of_less_than_a_step_ends_where_others_do(total_steps, warmup):
    found = rates(total_steps, [total_steps - 1], warmup=warmup)
    np.testing.assert_allclose(found, [[4e-7, 0.95]], rtol=1e-5)


@pytest.mark.parametrize("total_steps", [1, 2, 3, 20])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.99])
@pytest.mark.parametrize("schedule", [one_cycle, warmup_cosine])
def test_any_share_of_warm_up_stays_below_the_peak_and_above_zero(schedule, warmup, total_steps):
    found = rates(total_steps, range(total_steps), schedule=schedule, warmup=warmup)
    assert (found[:, 0] > 0).all()
    assert (found[:, 0] <= MAX_LR * 1.000001).all()


@pytest.mark.parametrize("schedule", [one_cycle, warmup_cosine])
def test_a_momentum_that_is_given_is_constant(schedule):
    options = {"schedule": schedule, "momentum": 0.8}
    found = rates(20, range(20), **options)
    np.testing.assert_allclose(found[:, 1], 0.8, rtol=1e-6)
    np.testing.assert_array_equal(found[:, 0], rates(20, range(20), schedule=schedule)[:, 0])


def test_the_stored_steps_tell_decay_before_momentum_from_decay_after():
    """The comparison above could fail: with a decay of 0.2 the two orders part."""
    w, trace, rows = np.array([1.0, -2.0, 0.5]), np.zeros(3), []
    for lr, momentum in rates(8, range(8)):
        trace = momentum * trace + 2 * (w - np.asarray(TARGET)) * np.asarray(CURVATURE)
        w = w - lr * (trace + 0.2 * w)
        rows.append(w)
    assert np.abs(np.array(rows) - np.array(STORED["trajectory_with_decay"])).max() > 1e-2


def test_every_parameter_decays_those_of_batch_norm_too():
    tx = one_cycle_sgd(10, max_lr=MAX_LR, weight_decay=0.5)
    params = {"conv": {"kernel": jnp.ones(3)}, "norm": {"scale": jnp.ones(2), "bias": jnp.ones(2)}}
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    chex.assert_trees_all_close(updates, jax.tree.map(lambda w: -0.004 * 0.5 * w, params))


def test_norms_and_biases_may_be_left_out_of_the_decay():
    tx = sgd(one_cycle(10, max_lr=MAX_LR), weight_decay=0.5, decay_norm=False)
    params = {
        "conv": {"kernel": jnp.ones((1, 1, 2, 2)), "bias": jnp.ones(2)},
        "norm": {"scale": jnp.ones(2), "bias": jnp.ones(2)},
    }
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    decayed = {name for name, value in flatten_dict(updates, sep="/").items() if value.any()}
    assert decayed == {"conv/kernel"}


def kernels_of(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()
    }


SHAPES = {
    "conv": (3, 3, 8, 5),
    "pointwise": (1, 1, 6, 12),
    "dense": (7, 4),
    "signal": (3, 2, 9),
    "depthwise": (3, 3, 1, 8),
    "bias": (5,),
}
MIXING = ("conv", "pointwise", "dense", "signal")


def muon_of(schedule, **options):
    options = {"kernel_scale": 1.0, "kernel_decay": 0.0, "weight_decay": 0.0} | options
    return muon(schedule, **options)


def test_a_step_of_muon_is_the_orthogonal_factor_of_the_momentum():
    """In the singular vectors of the gradient, by NumPy: diagonal, all about 1."""
    gradients, schedule = kernels_of(SHAPES), warmup_cosine(10, max_lr=1.0, warmup=0.0)
    tx = muon_of(schedule, kernel_scale=0.5)
    updates, _ = tx.update(gradients, tx.init(gradients), gradients)
    for name in MIXING:
        matrix = np.asarray(gradients[name]).reshape(-1, SHAPES[name][-1])
        u, values, vt = np.linalg.svd(matrix, full_matrices=False)
        step = -2 * u.T @ np.asarray(updates[name]).reshape(matrix.shape) @ vt.T
        np.testing.assert_allclose(step, np.diag(np.diag(step)), atol=2e-5)
        assert 0.65 < np.diag(step).min() <= np.diag(step).max() < 1.25
        assert values.max() / values.min() > 1.5  # which those of the gradient are not


def test_muon_leaves_the_other_parameters_to_sgd():
    params, gradients = kernels_of(SHAPES), kernels_of(SHAPES, seed=1)
    schedule, options = one_cycle(10, max_lr=MAX_LR), {"weight_decay": 0.3, "decay_norm": False}
    found = []
    for tx in (
        sgd(schedule, nesterov=True, **options),
        muon_of(schedule, nesterov=True, **options),
    ):
        state = tx.init(params)
        for _ in range(3):
            updates, state = tx.update(gradients, state, params)
        found.append(updates)
    for name in SHAPES:
        equal = np.allclose(found[0][name], found[1][name], rtol=1e-6)
        assert equal == (name not in MIXING), name


def test_decay_of_muon_takes_its_share_of_a_kernel_and_nothing_else():
    params, rates_ = kernels_of(SHAPES), warmup_cosine(10, max_lr=0.4, warmup=0.0)
    zeros = jax.tree.map(jnp.zeros_like, params)
    tx = muon_of(rates_, kernel_scale=0.5, kernel_decay=0.25)
    updates, _ = tx.update(zeros, tx.init(params), params)
    for name, value in params.items():
        share = 0.4 * 0.5 * 0.25 if name in MIXING else 0.0
        np.testing.assert_allclose(updates[name], -share * value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("decay_norm", [True, False])
def test_the_decay_of_the_others_does_not_reach_the_kernels_of_muon(decay_norm):
    params, rates_ = kernels_of(SHAPES), warmup_cosine(10, max_lr=0.4, warmup=0.0)
    zeros = jax.tree.map(jnp.zeros_like, params)
    tx = muon_of(rates_, weight_decay=0.3, decay_norm=decay_norm)
    updates, _ = tx.update(zeros, tx.init(params), params)
    for name, value in params.items():
        decays = name not in MIXING and (decay_norm or value.ndim > 1)
        share = 0.4 * 0.3 if decays else 0.0
        np.testing.assert_allclose(updates[name], -share * value, rtol=1e-5, atol=1e-7)


def test_muon_learns_at_its_own_rate_along_the_schedule():
    gradients, schedule = kernels_of(SHAPES), warmup_cosine(4, max_lr=0.4, warmup=0.0)
    tx = muon_of(schedule, kernel_scale=0.25)
    state = tx.init(gradients)
    norms = []
    for _ in range(4):
        updates, state = tx.update(gradients, state, gradients)
        norms.append(float(jnp.linalg.norm(updates["conv"])))
    expected = [0.5 + 0.5 * np.cos(np.pi * step / 4) for step in range(4)]
    np.testing.assert_allclose(np.array(norms) / norms[0], expected, rtol=1e-5)
    assert current_rates(state)["momentum"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("tx", "expected"),
    [
        (optax.adamw(1e-3), {}),
        (optax.sgd(0.1, momentum=0.9), {}),
        (optax.inject_hyperparams(optax.adamw)(1e-3), {"lr": 1e-3}),
        (optax.inject_hyperparams(optax.adamw)(optax.constant_schedule(0.5)), {"lr": 0.5}),
    ],
)
def test_rates_of_other_optimizers_are_those_that_they_record(tx, expected):
    params = {"momentum": np.ones(3, np.float32), "learning_rate": np.float32(7)}
    assert current_rates(tx.init(params)) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", [one_cycle, warmup_cosine])
def test_states_of_all_choices_have_one_structure(schedule):
    """So that a checkpoint can be read without knowing how its network was trained."""
    leaves = [
        [
            jax.tree_util.keystr(path)
            for path, _ in jax.tree_util.tree_leaves_with_path(tx.init({"w": jnp.ones((2, 2))}))
        ]
        for tx in (
            one_cycle_sgd(10, max_lr=MAX_LR, weight_decay=0.0),
            sgd(schedule(5, max_lr=1.0), weight_decay=0.1, nesterov=True, decay_norm=False),
            muon_of(schedule(5, max_lr=1.0), kernel_decay=0.1),
        )
    ]
    assert leaves[0] == leaves[1] == leaves[2]


def test_the_state_holds_arrays_only_and_the_rates_of_the_last_step():
    tx = one_cycle_sgd(10, max_lr=MAX_LR, weight_decay=0.0)
    w = jnp.zeros(3)
    state = tx.init(w)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
    _, state = tx.update(w, state, w)
    assert current_rates(state) == pytest.approx({"lr": 0.004, "momentum": 0.95})
