"""Which examples a step sees, in which order and with which randomness, from either engine."""

import functools
import threading
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import STEPS, TRAIN, TinyRun

from jaxconv.training.epochs import (
    PADDING,
    empty_tally,
    epoch_order,
    make_device_epoch,
    make_host_epoch,
    make_streamed_epoch,
    steps_of,
)
from jaxconv.training.keys import run_keys
from jaxconv.training.parallel import OneDevice


@pytest.mark.parametrize(("count", "batch_size"), [(22, 8), (24, 8), (5, 8), (1, 1), (50_000, 512)])
def test_an_epoch_has_each_example_once(count, batch_size):
    order = epoch_order(count, batch_size, seed=0, epoch=0)
    assert order.shape == (steps_of(count, batch_size), batch_size)
    assert order.dtype == np.int32
    flat = order.ravel()
    assert sorted(flat[:count]) == list(range(count))
    assert (flat[count:] == PADDING).all()


def test_cifar10_at_batch_512_has_98_steps():
    assert steps_of(50_000, 512) == 98
    assert (epoch_order(50_000, 512, seed=0, epoch=0)[-1] != PADDING).sum() == 336


def test_the_order_follows_from_seed_and_epoch():
    orders = {
        (seed, epoch): tuple(epoch_order(100, 10, seed=seed, epoch=epoch).ravel())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(orders.values())) == 9
    assert orders[1, 2] == tuple(epoch_order(100, 10, seed=1, epoch=2).ravel())
    shared = np.mean(np.array(orders[0, 0]) == np.array(orders[0, 1]))
    assert shared < 0.1  # two shuffles of 100 agree in one place on average


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_no_two_keys_of_a_run_are_equal(seed):
    """Weights and augmentation had one in common when the one was folded and the other split."""
    keys, many = run_keys(seed), jnp.arange(50)
    fold = jax.vmap(jax.random.fold_in, (None, 0))
    steps, epochs = fold(keys.steps, many), fold(keys.augmentation, many)
    drawn = [
        jnp.stack([keys.weights, keys.steps, keys.augmentation, jax.random.key(seed)]),
        steps,
        jax.vmap(jax.random.split)(steps).ravel(),
        epochs,
        jax.vmap(lambda key: fold(key, many))(epochs).ravel(),
        jax.random.split(keys.weights, 100),  # a key for each parameter
    ]
    data = np.concatenate([jax.random.key_data(each) for each in drawn])
    assert len(np.unique(data, axis=0)) == len(data) == 2804


def test_the_keys_of_two_seeds_differ():
    ours, theirs = (np.stack([*map(jax.random.key_data, run_keys(seed))]) for seed in (0, 1))
    assert len(np.unique([*ours, *theirs], axis=0)) == 6


@pytest.mark.parametrize("streamed", [False, True])
def test_what_augmentation_follows_from_may_be_more_than_a_key(streamed):
    """A function of the run's key, the epoch and the example says what the step gets of them."""
    keys, zero, seen = run_keys(0), jnp.int32(0), []

    def key_of(key, epoch, example):
        return {"words": jax.random.key_data(key), "place": 100 * epoch + example}

    def step(state, batch, key):
        jax.debug.callback(lambda *found: seen.append(found), batch["key"], batch["label"])
        return state, {"loss_sum": jnp.float32(0), "correct": zero, "count": zero}

    images, labels = np.zeros((6, 2, 2, 1), np.uint8), np.arange(6, dtype=np.int32)
    options = {"batch_size": 6, "seed": 0, "key_of": key_of}
    run_epoch = (
        make_streamed_epoch(step, images, labels, layout=OneDevice(), **options)
        if streamed
        else make_device_epoch(step, images, labels, steps_per_call=1, **options)
    )
    [*_] = run_epoch(Seen(zero, jnp.zeros(1), jnp.ones(1)), empty_tally(), 3, 0)
    jax.effects_barrier()
    ((key, label),) = seen
    np.testing.assert_array_equal(key["place"], 300 + label)
    assert (np.asarray(key["words"]) == jax.random.key_data(keys.augmentation)[None]).all()


class Seen(NamedTuple):
    """A state that notes what each example (known by its label) was given."""

    step: jax.Array
    times: jax.Array  # [n]
    draw: jax.Array  # [n], from the example's own key


def noting_step(state, batch, key):
    place = batch["label"]
    kept = batch["mask"].astype(jnp.int32)
    draws = jax.vmap(jax.random.uniform)(batch["key"])
    seen = Seen(
        state.step + 1,
        state.times.at[place].add(kept),
        state.draw.at[place].add(jnp.where(batch["mask"], draws, 0)),
    )
    count = kept.sum()
    return seen, {"loss_sum": jnp.float32(0), "correct": count, "count": count}


def notes(*, count=22, batch_size=8, steps_per_call=1, seed=0, epoch=0, done=0):
    images, labels = np.zeros((count, 2, 2, 1), np.uint8), np.arange(count, dtype=np.int32)
    run_epoch = make_device_epoch(
        noting_step,
        images,
        labels,
        batch_size=batch_size,
        steps_per_call=steps_per_call,
        seed=seed,
    )
    state = Seen(jnp.int32(0), jnp.zeros(count, jnp.int32), jnp.zeros(count))
    *_, (state, tally) = run_epoch(state, empty_tally(), epoch, done)
    return jax.device_get((state, tally))


@pytest.mark.parametrize("steps_per_call", [1, 2, 3, 100])
def test_a_device_epoch_trains_each_example_once(steps_per_call):
    state, tally = notes(steps_per_call=steps_per_call)
    assert (state.times == 1).all()
    assert (state.step, tally.count, tally.correct, tally.bad_step) == (3, 22, 22, -1)


@pytest.mark.parametrize("steps_per_call", [1, 2])
def test_a_device_epoch_goes_on_where_it_was(steps_per_call):
    state, tally = notes(steps_per_call=steps_per_call, done=1)
    left = epoch_order(22, 8, seed=0, epoch=0)[1:].ravel()
    assert set(np.flatnonzero(state.times)) == set(left) - {PADDING}
    assert tally.count == 14


def test_an_augmentation_follows_from_seed_epoch_and_example():
    """Not from the batch size, the place in the batch or the steps of a call."""
    draw = notes()[0].draw
    assert len(np.unique(draw)) == 22
    for other in ({"batch_size": 5}, {"batch_size": 22}, {"steps_per_call": 3}):
        np.testing.assert_array_equal(notes(**other)[0].draw, draw)
    for other in ({"seed": 1}, {"epoch": 1}):
        assert (notes(**other)[0].draw != draw).all()


@functools.cache
def one_step_a_call(engine):
    return TinyRun(engine, steps_per_call=1)


def train(run, epochs=2):
    now = run.fresh(), empty_tally()
    for epoch in range(epochs):
        *_, now = run.run_epoch(*now, epoch, 0)
    return jax.device_get(now)


@pytest.mark.parametrize(
    ("engine", "steps_per_call"), [("device", 2), ("device", STEPS), ("everything", 2)]
)
def test_steps_in_one_call_are_the_steps_one_by_one(engine, steps_per_call):
    """Up to rounding: inside a loop XLA fuses, and so rounds, another way; 6 steps of it."""
    (state, tally), (other, other_tally) = (
        train(run)
        for run in (one_step_a_call(engine), TinyRun(engine, steps_per_call=steps_per_call))
    )
    assert other.step == state.step == 2 * STEPS
    assert (other_tally.count, other_tally.correct) == (tally.count, tally.correct)
    np.testing.assert_allclose(other_tally.loss_sum, tally.loss_sum, rtol=1e-5)
    for ours, theirs in zip(jax.tree.leaves(other), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps_per_call", [1, 2])
def test_the_first_step_with_a_loss_that_is_not_finite_is_kept(steps_per_call):
    def step(state, batch, key):
        loss = jnp.where(state.step % 5 == 4, jnp.nan, 1.0).astype(jnp.float32)
        zero = jnp.int32(0)
        return state._replace(step=state.step + 1), {
            "loss_sum": loss,
            "correct": zero,
            "count": zero,
        }

    run_epoch = make_device_epoch(
        step,
        np.zeros((20, 1, 1, 1), np.uint8),
        np.zeros(20, np.int32),
        batch_size=1,
        steps_per_call=steps_per_call,
        seed=0,
    )
    state = Seen(jnp.int32(0), jnp.zeros(1), jnp.zeros(1))
    *_, (_, tally) = run_epoch(state, empty_tally(), 0, 0)
    assert tally.bad_step == 4


def host_epoch(augment, *, count=22, prefetch=4):
    """A host epoch whose step notes the batches that it gets."""
    batches = []

    def step(state, batch, key):
        batches.append(batch)
        kept = np.int32(batch["mask"].sum())
        return state + 1, {"loss_sum": np.float32(0), "correct": kept, "count": kept}

    images = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((2, 2, 1), np.uint8)
    labels = np.arange(count, dtype=np.int32)
    run_epoch = make_host_epoch(
        step, images, labels, augment, batch_size=8, seed=0, prefetch=prefetch
    )
    return run_epoch, batches


def test_a_host_epoch_prepares_one_batch_ahead_at_least():
    with pytest.raises(ValueError, match="prefetch=0: expected at least one batch"):
        host_epoch(lambda images, epoch, indices: images, prefetch=0)


@pytest.mark.parametrize("prefetch", [1, 2, 50])
@pytest.mark.parametrize("done", [0, 2])
def test_a_host_epoch_sees_what_a_device_epoch_sees(prefetch, done):
    calls = []

    def augment(images, epoch, examples):
        calls.append((epoch, tuple(examples)))
        assert (images[:, 0, 0, 0] == examples).all()
        return images.astype(np.float32) + epoch

    run_epoch, batches = host_epoch(augment, prefetch=prefetch)
    *_, (state, tally) = run_epoch(0, empty_tally(), 5, done)
    order = epoch_order(22, 8, seed=0, epoch=5)[done:]
    assert (state, len(batches), tally.count) == (3 - done, 3 - done, (order != PADDING).sum())
    for batch, row in zip(batches, order, strict=True):
        picked = np.maximum(row, 0)
        np.testing.assert_array_equal(batch["label"], picked)
        np.testing.assert_array_equal(batch["mask"], row != PADDING)
        np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], picked + 5.0)
    assert calls == [(5, tuple(np.maximum(row, 0))) for row in order]


def test_a_host_epoch_passes_on_what_augmentation_raises():
    def augment(images, epoch, examples):
        raise ValueError("no such pixel")

    run_epoch, _ = host_epoch(augment)
    with pytest.raises(ValueError, match="no such pixel"):
        next(run_epoch(0, empty_tally(), 0, 0))


def test_a_host_epoch_that_is_left_leaves_no_thread():
    before = threading.active_count()
    run_epoch, batches = host_epoch(lambda images, epoch, examples: images, count=800)
    steps = run_epoch(0, empty_tally(), 0, 0)
    next(steps)
    assert threading.active_count() == before + 1
    steps.close()
    assert threading.active_count() == before
    assert len(batches) == 1


def test_an_epoch_of_the_host_counts_each_image_once():
    _, tally = train(TinyRun("albumentations"), epochs=1)
    assert tally.count == TRAIN
    assert tally.bad_step == -1
