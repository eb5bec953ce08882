"""SGD with momentum, and the schedules of its two rates: one cycle, or a cosine after a warm-up."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class Rates(NamedTuple):
    """Each a function of the steps done before."""

    learning_rate: optax.Schedule
    momentum: optax.Schedule


def cosine_cycle(
    total_steps: int, *, start: float, peak: float, end: float, rise: float = 0.3
) -> optax.Schedule:
    """A half cosine from `start` to `peak`, then another to `end`, as OneCycleLR places them.

    Args:
        total_steps: steps of the run, N >= 1.
        start: value at step 0.
        peak: value at step rise*N - 1.
        end: value at step N - 1 and after it.
        rise: share of the steps spent between `start` and `peak`.

    Source: Smith and Topin, "Super-convergence" (2018); torch.optim.lr_scheduler.OneCycleLR.
    Differs in short runs, where PyTorch divides by zero: a phase without a step is left out.
    """
    turn = rise * total_steps - 1
    last = total_steps - 1

    def schedule(step):
        rising = step / turn if turn > 0 else jnp.ones_like(step, jnp.float32)
        falling = (step - max(turn, 0)) / max(last - max(turn, 0), 1)
        return jnp.where(
            rising < 1, _half_cosine(start, peak, rising), _half_cosine(peak, end, falling)
        )

    return schedule


def _half_cosine(first, last, share):
    weight = 0.5 - 0.5 * jnp.cos(jnp.pi * jnp.clip(share, 0.0, 1.0))
    return first * (1 - weight) + last * weight


def one_cycle(
    total_steps: int, *, max_lr: float, warmup: float = 0.3, momentum: float | None = None
) -> Rates:
    """PyTorch's OneCycleLR with its defaults: the rates cycle against each other.

    The learning rate goes max_lr/25 -> max_lr -> max_lr/250,000, momentum 0.95 -> 0.85 -> 0.95.

    Args:
        total_steps: steps of the run, at least 1.
        max_lr: peak of the learning rate, after the share `warmup` of the steps.
        warmup: share of the steps, in [0, 1).
        momentum: a constant one, instead of the cycle.
    """

    def cycle(start: float, peak: float, end: float) -> optax.Schedule:
        return cosine_cycle(total_steps, start=start, peak=peak, end=end, rise=warmup)

    cycled = cycle(0.95, 0.85, 0.95) if momentum is None else optax.constant_schedule(momentum)
    return Rates(cycle(max_lr / 25, max_lr, max_lr / 25 / 1e4), cycled)


def warmup_cosine(
    total_steps: int, *, max_lr: float, warmup: float = 0.05, momentum: float = 0.9
) -> Rates:
    """A linear rise to `max_lr`, then half a cosine to 0; momentum is constant.

    Args:
        total_steps: steps of the run, N >= 1; the rate would be 0 at step N.
        max_lr: peak of the learning rate, after the share `warmup` of the steps.
        warmup: share of the steps, in [0, 1); of W steps, step i has max_lr * (i + 1) / (W + 1).
        momentum: in [0, 1).

    Source: Loshchilov and Hutter, "SGDR" (2017), without restarts; Goyal et al., "Accurate, large
    minibatch SGD" (2017), for the warm-up.
    """
    steps = int(warmup * total_steps)
    first = max_lr / (steps + 1)
    rate = optax.warmup_cosine_decay_schedule(first, max_lr, steps, total_steps)
    return Rates(rate, optax.constant_schedule(momentum))


def sgd(
    rates: Rates, *, weight_decay: float, nesterov: bool = False, decay_norm: bool = True
) -> optax.GradientTransformationExtraArgs:
    """SGD with momentum, as PyTorch runs it; `current_rates` reads its rates back.

    Args:
        rates: of `one_cycle` or `warmup_cosine`.
        weight_decay: times the parameter, added to the gradient before momentum.
        nesterov: whether a step looks ahead along the momentum.
        decay_norm: whether all parameters decay, or only those of more than one axis: kernels, not
            BatchNorm's scale and bias nor the bias of any layer.
    """
    injected = optax.inject_hyperparams(optax.sgd)(
        learning_rate=rates.learning_rate, momentum=rates.momentum, nesterov=nesterov
    )
    kernels = None if decay_norm else _have_axes
    return optax.chain(optax.add_decayed_weights(weight_decay, kernels), injected)


def _have_axes(params: Any) -> Any:
    return jax.tree.map(lambda array: array.ndim > 1, params)


def one_cycle_sgd(
    total_steps: int, *, max_lr: float, weight_decay: float
) -> optax.GradientTransformationExtraArgs:
    """The optimizer of the documented recipe: `sgd` under `one_cycle`; every parameter decays."""
    return sgd(one_cycle(total_steps, max_lr=max_lr), weight_decay=weight_decay)


def current_rates(opt_state: Any) -> dict[str, float]:
    """`lr` and `momentum` of the last step, from the state of `sgd`."""
    rates = opt_state[1].hyperparams
    return {"lr": float(rates["learning_rate"]), "momentum": float(rates["momentum"])}
