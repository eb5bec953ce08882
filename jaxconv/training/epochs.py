"""Which examples each step sees, and how they get there: on the device or from the host."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.training.objective import Sums
from jaxconv.training.step import TrainState

PADDING = -1


class Tally(NamedTuple):
    """Sums over the steps of an epoch so far."""

    loss_sum: jax.Array  # [] float32
    correct: jax.Array  # [] int32
    count: jax.Array  # [] int32
    bad_step: jax.Array  # [] int32, the first step whose loss was not finite, or -1


def empty_tally() -> Tally:
    zero = jnp.zeros((), jnp.int32)
    return Tally(jnp.zeros((), jnp.float32), zero, zero, zero - 1)


def _add(tally: Tally, sums: Sums, step: jax.Array) -> Tally:
    bad = (tally.bad_step < 0) & ~jnp.isfinite(sums["loss_sum"])
    return Tally(
        tally.loss_sum + sums["loss_sum"],
        tally.correct + sums["correct"],
        tally.count + sums["count"],
        jnp.where(bad, step, tally.bad_step),
    )


# (state, tally, epoch, steps done in it) -> the same after each call
RunEpoch = Callable[[TrainState, Tally, int, int], Iterator[tuple[TrainState, Tally]]]


def epoch_order(count: int, batch_size: int, *, seed: int, epoch: int) -> np.ndarray:
    """The examples of an epoch, shuffled by (seed, epoch): int32 [steps, batch_size].

    The last batch is filled up with `PADDING`.
    """
    order = np.random.default_rng((seed, epoch)).permutation(count).astype(np.int32)
    steps = -(-count // batch_size)
    padded = np.full(steps * batch_size, PADDING, np.int32)
    padded[:count] = order
    return padded.reshape(steps, batch_size)


def make_device_epoch(
    train_step: Callable,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int,
    steps_per_call: int,
    seed: int,
) -> RunEpoch:
    """Epochs over data that lies on the device: images uint8 [n, h, w, c], labels int32 [n].

    Each example's augmentation follows from (seed, epoch, example) alone, and `steps_per_call`
    steps run in one call, without the host in between.
    """
    images, labels = jax.device_put((np.asarray(images), np.asarray(labels)))
    run_key, augment_key = jax.random.split(jax.random.key(seed))

    def one_step(state, tally, row, images, labels, epoch_key):
        picked = jnp.maximum(row, 0)
        batch = {
            "image": images[picked],
            "label": labels[picked],
            "mask": row != PADDING,
            "key": jax.vmap(jax.random.fold_in, (None, 0))(epoch_key, picked),
        }
        new_state, sums = train_step(state, batch, run_key)
        return new_state, _add(tally, sums, state.step)

    def call(state, tally, rows, steps, images, labels, epoch):
        epoch_key = jax.random.fold_in(augment_key, epoch)
        if steps_per_call == 1:  # convolutions in a loop miss XLA's fast paths on CPU
            return one_step(state, tally, rows[0], images, labels, epoch_key)

        def body(i, carry):
            return one_step(*carry, rows[i], images, labels, epoch_key)

        return jax.lax.fori_loop(0, steps, body, (state, tally))

    call = jax.jit(call, donate_argnums=0)

    def run_epoch(state, tally, epoch, done):
        order = epoch_order(len(labels), batch_size, seed=seed, epoch=epoch)
        for start in range(done, len(order), steps_per_call):
            rows = order[start : start + steps_per_call]
            steps = np.int32(len(rows))
            filled = np.pad(rows, ((0, steps_per_call - len(rows)), (0, 0)), mode="edge")
            state, tally = call(state, tally, filled, steps, images, labels, np.int32(epoch))
            yield state, tally

    return run_epoch


def make_host_epoch(
    train_step: Callable,
    images: np.ndarray,
    labels: np.ndarray,
    augment: Callable[[np.ndarray, int, np.ndarray], np.ndarray],
    *,
    batch_size: int,
    seed: int,
    prefetch: int = 4,
) -> RunEpoch:
    """Epochs over batches that `augment(images, epoch, examples)` prepares on the host.

    A thread prepares up to `prefetch` batches ahead, so that the device need not wait.
    """
    run_key, _ = jax.random.split(jax.random.key(seed))
    add = jax.jit(_add)

    def prepare(row, epoch):
        picked = np.maximum(row, 0)
        return {
            "image": augment(images[picked], epoch, picked),
            "label": labels[picked],
            "mask": row != PADDING,
        }

    def run_epoch(state, tally, epoch, done):
        order = epoch_order(len(labels), batch_size, seed=seed, epoch=epoch)[done:]
        with ThreadPoolExecutor(1) as pool:
            waiting = [pool.submit(prepare, row, epoch) for row in order[:prefetch]]
            for number in range(len(order)):
                batch = waiting.pop(0).result()
                if number + prefetch < len(order):
                    waiting.append(pool.submit(prepare, order[number + prefetch], epoch))
                step = np.int32(epoch * steps_of(len(labels), batch_size) + done + number)
                state, sums = train_step(state, batch, run_key)
                tally = add(tally, sums, step)
                yield state, tally

    return run_epoch


def steps_of(count: int, batch_size: int) -> int:
    """Steps of an epoch, the last short batch among them."""
    return -(-count // batch_size)
