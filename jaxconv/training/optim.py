"""SGD as PyTorch runs it under OneCycleLR: learning rate and momentum cycle against each other."""

from typing import Any

import jax.numpy as jnp
import optax


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


def one_cycle_sgd(
    total_steps: int, *, max_lr: float, weight_decay: float
) -> optax.GradientTransformationExtraArgs:
    """SGD under OneCycleLR with its defaults; decay is added to the gradient before momentum.

    The learning rate goes max_lr/25 -> max_lr -> max_lr/250,000, momentum 0.95 -> 0.85 -> 0.95.
    Every parameter decays, those of BatchNorm too, as in PyTorch. `current_rates` reads both back.
    """
    learning_rate = cosine_cycle(total_steps, start=max_lr / 25, peak=max_lr, end=max_lr / 25 / 1e4)
    momentum = cosine_cycle(total_steps, start=0.95, peak=0.85, end=0.95)
    sgd = optax.inject_hyperparams(optax.sgd)(learning_rate=learning_rate, momentum=momentum)
    return optax.chain(optax.add_decayed_weights(weight_decay), sgd)


def current_rates(opt_state: Any) -> dict[str, float]:
    """`lr` and `momentum` of the last step, from the state of `one_cycle_sgd`."""
    rates = opt_state[1].hyperparams
    return {"lr": float(rates["learning_rate"]), "momentum": float(rates["momentum"])}
