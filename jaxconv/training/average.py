"""An exponential moving average of the weights, which is then the network that training gives."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxconv.training.step import TrainState


def begin_average(state: TrainState) -> TrainState:
    """`state` with an average of its variables, which so far are all that there is to it.

    It has at least float32: in bfloat16 a share of a thousandth would move nothing.
    """

    def begin(array: jax.Array) -> jax.Array:
        return jnp.array(array, jnp.promote_types(array.dtype, jnp.float32))  # a copy

    return state._replace(average=jax.tree.map(begin, state.variables))


def averaged(train_step: Callable, decay: float) -> Callable:
    """`train_step`, which now moves the state's average towards what each step has made.

    Parameters and BatchNorm's running statistics are averaged alike, so that the averaged network
    is whole: its statistics are neither those of the last weights nor computed anew over the data.

    Args:
        train_step: (state, batch, key) -> (state, sums), as `make_train_step` returns.
        decay: the share of the average that stays, in (0, 1); after t steps (1 + t) / (10 + t) at
            most, so that the initial weights are soon forgotten.

    Source: timm's ModelEma, which averages all of a state dict, buffers too; the growing decay is
    that of tf.train.ExponentialMovingAverage.
    """

    def step(state: TrainState, batch: Any, key: Any) -> tuple[TrainState, Any]:
        after, sums = train_step(state._replace(average=None), batch, key)
        done = after.step.astype(jnp.float32)
        moved = 1 - jnp.minimum(decay, (1 + done) / (10 + done))
        average = optax.incremental_update(after.variables, state.average, moved)
        return after._replace(average=average), sums

    return jax.jit(step, donate_argnums=0)
