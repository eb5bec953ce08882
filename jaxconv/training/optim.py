"""SGD with momentum, Muon, and the schedules of their rates: one cycle, or a cosine."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax.contrib import MuonDimensionNumbers, scale_by_muon


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
        falling = (step - max(turn, 0)) / ((last - max(turn, 0)) or 1)
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


def muon(
    rates: Rates,
    *,
    kernel_scale: float,
    kernel_decay: float,
    weight_decay: float,
    nesterov: bool = False,
    decay_norm: bool = True,
) -> optax.GradientTransformationExtraArgs:
    """Muon for the kernels that mix channels, and `sgd` for all other parameters.

    Muon is SGD whose momentum is made orthogonal before the step: as a matrix of all numbers that
    go into an output channel by the output channels, whose singular values all become about 1. Its
    weight decay is decoupled: what it takes off a kernel is the rate times the kernel, and does not
    enter the momentum. The kernels are those [..., in, out] with in > 1; a depthwise kernel, whose
    channels do not meet, is not among them. Of a transposed convolution, [..., out, in], the two
    change places. The state is that of `sgd`, leaf by leaf.

    Args:
        rates: as `sgd`; its learning rate is that of the other parameters.
        kernel_scale: learning rate of Muon's kernels, over that of the others.
        kernel_decay: times the kernel, in every step of Muon.
        weight_decay, nesterov, decay_norm: as `sgd`; the decay is that of the other parameters.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), with
    Optax's Newton-Schulz iteration; Loshchilov and Hutter, "Decoupled weight decay" (2019). Differs
    in training the first layer and the head, too, and in having no factor sqrt(max(1, out/in)).
    """

    def others(params: Any) -> Any:
        may = jax.tree.map(lambda array: decay_norm or array.ndim > 1, params)
        return jax.tree.map(lambda mixes, may: may and not mixes, _mix_channels(params), may)

    def optimizer(learning_rate: Any, momentum: Any) -> optax.GradientTransformation:
        kernels = optax.chain(
            optax.stateless(lambda updates, _: _orthogonal(updates)),
            optax.add_decayed_weights(kernel_decay),
            optax.scale(kernel_scale),
        )
        return optax.chain(
            optax.trace(momentum, nesterov),
            optax.masked(kernels, _mix_channels),
            optax.scale_by_learning_rate(learning_rate),
        )

    injected = optax.inject_hyperparams(optimizer)(
        learning_rate=rates.learning_rate, momentum=rates.momentum
    )
    return optax.chain(optax.add_decayed_weights(weight_decay, others), injected)


def _mix_channels(params: Any) -> Any:
    return jax.tree.map(lambda array: array.ndim > 1 and array.shape[-2] > 1, params)


def _orthogonal(updates: Any) -> Any:
    """Of each kernel, as a matrix [... * in, out], the nearest whose singular values are all 1."""
    axes = jax.tree.map(lambda array: MuonDimensionNumbers(range(array.ndim - 1), -1), updates)
    iteration = scale_by_muon(beta=0.0, nesterov=False, weight_dimension_numbers=axes)
    return iteration.update(updates, iteration.init(updates))[0]


def one_cycle_sgd(
    total_steps: int, *, max_lr: float, weight_decay: float
) -> optax.GradientTransformationExtraArgs:
    """The optimizer of the documented recipe: `sgd` under `one_cycle`; every parameter decays."""
    return sgd(one_cycle(total_steps, max_lr=max_lr), weight_decay=weight_decay)


def current_rates(opt_state: Any) -> dict[str, float]:
    """`lr` and `momentum` of the last step, those that the state of an optimizer records.

    `sgd` and `muon` record both; any other does if `optax.inject_hyperparams` made it.
    """
    found = {}
    for _, recorded in optax.tree_utils.tree_get_all_with_path(opt_state, "hyperparams"):
        for name, hyperparameter in (("lr", "learning_rate"), ("momentum", "momentum")):
            if hyperparameter in recorded:
                found.setdefault(name, float(recorded[hyperparameter]))
    return found
