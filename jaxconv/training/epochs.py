"""Which examples each step sees, and how they get there: on the device or from the host."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.typing import ArrayLike

from jaxconv.training.keys import example_key, run_keys
from jaxconv.training.objective import Sums
from jaxconv.training.parallel import OneDevice, make_layout
from jaxconv.training.step import TrainState

PADDING = -1


@struct.dataclass
class Tally:
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


# (key of the augmentation, epoch, example), the two numbers traced -> what `augment` takes of it
KeyOf = Callable[[jax.Array, ArrayLike, ArrayLike], Any]

# (state, tally, epoch, steps done in it) -> the same after each call
RunEpoch = Callable[[TrainState, Tally, int, int], Iterator[tuple[TrainState, Tally]]]


def epoch_order(
    count: int, batch_size: int, *, seed: int, epoch: int, width: int | None = None
) -> np.ndarray:
    """The examples of an epoch, shuffled by (seed, epoch): int32 [steps, width].

    A row holds `batch_size` examples, the last one what is left; up to `width`, which is
    `batch_size` unless given, it is filled with `PADDING`.
    """
    order = np.random.default_rng((seed, epoch)).permutation(count).astype(np.int32)
    steps = steps_of(count, batch_size)
    padded = np.full(steps * batch_size, PADDING, np.int32)
    padded[:count] = order
    more = (width or batch_size) - batch_size
    return np.pad(padded.reshape(steps, -1), ((0, 0), (0, more)), constant_values=PADDING)


def make_device_epoch(
    train_step: Callable,
    images: np.ndarray | jax.Array,
    labels: np.ndarray | jax.Array,
    *,
    batch_size: int,
    steps_per_call: int,
    seed: int,
    layout: OneDevice | None = None,
    key_of: KeyOf = example_key,
    teacher: np.ndarray | jax.Array | None = None,
) -> RunEpoch:
    """Epochs over data that lies on the device: images uint8 [n, h, w, c], labels int32 [n].

    Each example's augmentation follows from (seed, epoch, example) alone, by `key_of`, and
    `steps_per_call` steps run in one call, without the host in between. Each of several devices
    holds all data. Of a `teacher`, logits [views, n, k], the batches of an epoch have those of view
    `epoch % views`.
    """
    layout = layout or make_layout()
    data = layout.everywhere((images, labels, teacher))
    keys = run_keys(seed)
    width = layout.padded(batch_size)
    train_step = layout.spread(train_step)

    def one_step(state, tally, row, data, epoch):
        picked = jnp.maximum(row, 0)
        images, labels, teacher = data
        batch = {
            "image": images[picked],
            **_targets(labels, teacher, epoch, picked),
            "mask": row != PADDING,
            "key": jax.vmap(key_of, (None, None, 0))(keys.augmentation, epoch, picked),
        }
        new_state, sums = train_step(state, batch, keys.steps)
        return new_state, _add(tally, sums, state.step)

    def call(state, tally, rows, steps, data, epoch):
        if steps_per_call == 1:  # convolutions in a loop miss XLA's fast paths on CPU
            return one_step(state, tally, rows[0], data, epoch)

        def body(i, carry):
            state, tally = carry
            return one_step(state, tally, rows[i], data, epoch)

        return jax.lax.fori_loop(0, steps, body, (state, tally))

    call = jax.jit(call, donate_argnums=0)

    def run_epoch(state, tally, epoch, done):
        state, tally = layout.state((state, tally))
        order = epoch_order(len(labels), batch_size, seed=seed, epoch=epoch, width=width)
        for start in range(done, len(order), steps_per_call):
            rows = order[start : start + steps_per_call]
            steps = np.int32(len(rows))
            filled = np.pad(rows, ((0, steps_per_call - len(rows)), (0, 0)), mode="edge")
            state, tally = call(state, tally, filled, steps, data, np.int32(epoch))
            yield state, tally

    return run_epoch


def _targets(labels: Any, teacher: Any, epoch: Any, picked: Any) -> dict[str, Any]:
    """What a batch holds of what its images should be taken for; NumPy's arrays, or JAX's."""
    targets = {"label": labels[picked]}
    if teacher is not None:
        targets["teacher"] = teacher[epoch % len(teacher), picked]
    return targets


def make_host_epoch(
    train_step: Callable,
    images: np.ndarray,
    labels: np.ndarray,
    augment: Callable[[np.ndarray, int, np.ndarray], np.ndarray],
    *,
    batch_size: int,
    seed: int,
    prefetch: int = 4,
    layout: OneDevice | None = None,
    teacher: np.ndarray | None = None,
) -> RunEpoch:
    """Epochs over batches that `augment(images, epoch, examples)` prepares on the host.

    A thread prepares up to `prefetch` batches ahead, so that the device need not wait. Of several
    processes each reads and prepares its own part of a batch. `teacher` as in `make_device_epoch`.
    """

    def prepare(row, epoch):
        picked = np.maximum(row, 0)
        return {
            "image": augment(images[picked], epoch, picked),
            **_targets(labels, teacher, epoch, picked),
            "mask": row != PADDING,
        }

    order = {"count": len(labels), "batch_size": batch_size, "seed": seed}
    return _prepared(train_step, prepare, prefetch, layout or make_layout(), **order)


def make_streamed_epoch(
    train_step: Callable,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    layout: OneDevice,
    key_of: KeyOf = example_key,
    teacher: np.ndarray | None = None,
) -> RunEpoch:
    """The epochs of `make_device_epoch` for several processes, none of which needs all the data.

    Each sends its part of a batch to its devices, where the step augments it: the same examples,
    with the same keys.
    """
    augment_key = run_keys(seed).augmentation

    def prepare(row, epoch):
        picked = np.maximum(row, 0)
        return {
            "image": images[picked],
            **_targets(labels, teacher, epoch, picked),
            "mask": row != PADDING,
            "example": picked,
            "epoch": np.full(len(row), epoch, np.int32),
        }

    def step(state, batch, key):
        named = {name: batch[name] for name in batch if name not in ("epoch", "example")}
        keys = jax.vmap(key_of, (None, 0, 0))(augment_key, batch["epoch"], batch["example"])
        return train_step(state, named | {"key": keys}, key)

    order = {"count": len(labels), "batch_size": batch_size, "seed": seed}
    return _prepared(jax.jit(step, donate_argnums=0), prepare, 4, layout, **order)


def _prepared(
    train_step: Callable,
    prepare: Callable[[np.ndarray, int], dict[str, np.ndarray]],
    prefetch: int,
    layout: OneDevice,
    *,
    count: int,
    batch_size: int,
    seed: int,
) -> RunEpoch:
    """Epochs over batches that `prepare(row, epoch)` makes of places in the data set."""
    if prefetch < 1:
        raise ValueError(f"{prefetch=}: expected at least one batch to be prepared ahead")
    run_key = run_keys(seed).steps
    train_step, add = layout.spread(train_step), jax.jit(_add)
    width = layout.padded(batch_size)

    def run_epoch(state, tally, epoch, done):
        state, tally = layout.state((state, tally))
        order = epoch_order(count, batch_size, seed=seed, epoch=epoch, width=width)[done:]
        rows = [layout.part(row) for row in order]
        with ThreadPoolExecutor(1) as pool:
            waiting = [pool.submit(prepare, row, epoch) for row in rows[:prefetch]]
            for number in range(len(rows)):
                batch = layout.batch(waiting.pop(0).result())
                if number + prefetch < len(rows):
                    waiting.append(pool.submit(prepare, rows[number + prefetch], epoch))
                step = np.int32(epoch * steps_of(count, batch_size) + done + number)
                state, sums = train_step(state, batch, run_key)
                tally = add(tally, sums, step)
                yield state, tally

    return run_epoch


def steps_of(count: int, batch_size: int) -> int:
    """Steps of an epoch, the last short batch among them."""
    return -(-count // batch_size)
