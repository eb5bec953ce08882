"""The optimizer and the training step that a config names."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import optax
from flax import linen as nn

from jaxconv.cli.config.types import Config
from jaxconv.training.average import averaged
from jaxconv.training.mixing import make_mix, unmixed
from jaxconv.training.objective import make_objective
from jaxconv.training.optim import muon, one_cycle, sgd, warmup_cosine
from jaxconv.training.step import make_train_step


class Phase(NamedTuple):
    """Which ingredients an epoch has, of those that may end before the run does."""

    dropout: bool
    mixing: bool


def phase_of(config: Config, epoch: int) -> Phase:
    """The phase of an epoch, counted from 0."""
    dropout = config.dropout_rate > 0 and _lasts(config.dropout_epochs, epoch)
    mixing = max(config.mix.mixup, config.mix.cutmix) > 0 and _lasts(config.mix.epochs, epoch)
    return Phase(dropout, mixing)


def phase_starts(config: Config) -> tuple[int, ...]:
    """The first epoch of each phase of a run."""
    ends = {config.dropout_epochs, config.mix.epochs}
    starts = sorted({0} | {end for end in ends if end is not None and end < config.epochs})
    phases = {phase_of(config, start): start for start in reversed(starts)}
    return tuple(sorted(phases.values()))


def _lasts(epochs: int | None, epoch: int) -> bool:
    return epochs is None or epoch < epochs


def build_optimizer(config: Config, total_steps: int) -> optax.GradientTransformationExtraArgs:
    """The config's optimizer for a run of so many steps."""
    given = config.optimizer
    make_rates = {"one_cycle": one_cycle, "cosine": warmup_cosine}[given.schedule]
    options = {"warmup": given.warmup_share, "momentum": given.momentum}
    told = {name: value for name, value in options.items() if value is not None}
    rates = make_rates(total_steps, max_lr=config.max_lr, **told)
    options = {
        "weight_decay": config.weight_decay,
        "nesterov": given.nesterov,
        "decay_norm": given.decay_norm,
    }
    if given.muon_lr is None:
        return sgd(rates, **options)
    scale = given.muon_lr / config.max_lr
    return muon(rates, kernel_scale=scale, kernel_decay=given.muon_decay, **options)


def build_step(
    config: Config, model: nn.Module, tx: optax.GradientTransformation, augment: Callable, at: Phase
) -> Callable:
    """The step of a phase: `(state, batch, key) -> (state, sums)`."""
    trained = model if at.dropout else model.clone(dropout_rate=0.0)
    given = config.mix
    mix = make_mix(mixup=given.mixup, cutmix=given.cutmix) if at.mixing else unmixed
    taught = config.distill.teacher is not None
    objective = make_objective(
        label_smoothing=config.label_smoothing,
        teacher_weight=config.distill.weight if taught else 0.0,
        temperature=config.distill.temperature,
    )
    step = make_train_step(trained, tx, augment, mix=mix, objective=objective)
    return averaged(step, config.ema_decay) if config.ema_decay else step
