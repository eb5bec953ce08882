"""A run small enough to do many times: 8x8 images, a small network with all that S9Net has."""

import copy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxconv.augment.device import make_device_augment, make_device_normalize, visit
from jaxconv.augment.host import make_host_augment
from jaxconv.augment.pipeline import parse_pipeline
from jaxconv.linen.convolutions import Conv
from jaxconv.linen.layers import BatchNorm, Dropout
from jaxconv.training.average import averaged, begin_average
from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.epochs import (
    make_device_epoch,
    make_host_epoch,
    make_streamed_epoch,
    steps_of,
)
from jaxconv.training.evaluation import make_evaluate
from jaxconv.training.loop import Course, SaveEvery, fit, go_on
from jaxconv.training.mixing import make_mix
from jaxconv.training.objective import make_objective
from jaxconv.training.optim import muon, one_cycle, sgd
from jaxconv.training.step import (
    identity_augment,
    init_train_state,
    make_eval_step,
    make_train_step,
)

TRAIN, TEST, BATCH, EPOCHS, SEED = 22, 13, 8, 4, 7
STEPS = steps_of(TRAIN, BATCH)  # 3 an epoch, the last one of 6 examples
SHAPE = (8, 8, 3)
PIPELINE = (
    ("HorizontalFlip", {"p": 0.5}),
    ("Rotate", {"limit": 15, "border_mode": 4, "p": 0.5}),
    ("Normalize", {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}),
)


class Net(nn.Module):
    """conv -> ReLU -> BatchNorm -> Dropout -> mean -> dense: logits [b, 4]."""

    features: int = 8

    @nn.compact
    def __call__(self, images, *, train, mask=None):
        x = nn.relu(Conv(self.features, padding=1, name="conv")(images))
        x = BatchNorm(name="norm")(x, train=train, mask=mask)
        x = Dropout(0.2, name="dropout")(x, train=train)
        return nn.Dense(4, name="head")(x.mean((1, 2)))


def examples(count, seed):
    """Images whose brightness tells their label, with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count).astype(np.int32)
    noise = rng.integers(0, 60, (count, *SHAPE))
    return (50 * labels[:, None, None, None] + noise).astype(np.uint8), labels


class TinyRun:
    """All that `fit` needs, compiled once and used by many runs of either engine.

    The engine "everything" is that of the device, with all that a recipe may add.
    """

    def __init__(
        self, engine="device", *, steps_per_call=1, images=None, max_lr=0.1, layout=None, tx=None
    ):
        everything = engine == "everything"
        if everything:
            pipeline = parse_pipeline((("AlternatingFlip", {}), *PIPELINE))
        else:
            pipeline = parse_pipeline(PIPELINE, engine=engine)
        self.model, self.steps_per_call = Net(), steps_per_call
        rates, decay = one_cycle(EPOCHS * STEPS, max_lr=max_lr), {"weight_decay": 1e-3}
        kernels = {"kernel_scale": 0.2, "kernel_decay": 0.02}
        made = muon(rates, **kernels, **decay) if everything else sgd(rates, **decay)
        self.tx = made if tx is None else tx
        train_images, labels = examples(TRAIN, 0)
        data = (train_images if images is None else images, labels)
        shared = {"batch_size": BATCH, "seed": SEED, "layout": layout}
        if engine != "albumentations":
            options = {}
            if everything:
                options["mix"] = make_mix(mixup=0.2, cutmix=1.0)
                options["objective"] = make_objective(teacher_weight=0.5, temperature=2.0)
            augment = make_device_augment(pipeline)
            step = make_train_step(self.model, self.tx, augment, **options)
            if everything:
                logits = np.random.default_rng(5).normal(size=(3, TRAIN, 4))
                shared |= {"key_of": visit, "teacher": logits.astype(np.float16)}
                step = averaged(step, 0.9)
            if jax.process_count() == 1:
                shared["steps_per_call"] = steps_per_call
                self.run_epoch = make_device_epoch(step, *data, **shared)
            else:
                self.run_epoch = make_streamed_epoch(step, *data, **shared)
        else:
            step = make_train_step(self.model, self.tx, identity_augment)
            augment = make_host_augment(pipeline, seed=SEED)
            self.run_epoch = make_host_epoch(step, *data, augment, **shared)
        self.eval_step = make_eval_step(self.model, make_device_normalize(pipeline))
        self.evaluate = make_evaluate(
            self.eval_step, *examples(TEST, 1), batch_size=BATCH, layout=layout
        )

        initial = init_train_state(self.model, self.tx, jax.random.key(SEED), SHAPE)
        self._initial = jax.device_get(begin_average(initial) if everything else initial)

    def but(self, **changes):
        """The same run with attributes replaced, `run_epoch` or `evaluate` for one."""
        other = copy.copy(self)
        other.__dict__ |= changes
        return other

    def fresh(self):
        return jax.device_put(self._initial)

    def fit(
        self,
        directory,
        *,
        rows,
        epochs=EPOCHS,
        should_stop=lambda: False,
        every_steps=None,
        every_minutes=None,
        **options,
    ):
        """Trains on from the latest checkpoint in `directory`, adding to `rows`.

        `directory` may be checkpoints, too; the options are those of `fit`.
        """
        checkpoints = Checkpoints(directory) if isinstance(directory, Path) else directory
        try:
            progress = go_on(self.fresh(), checkpoints)
            rows[:] = [row for row in rows if row["step"] <= int(progress.state.step)]
            course = Course(self.run_epoch, self.evaluate, STEPS, self.steps_per_call, TRAIN)
            return fit(
                progress,
                course,
                epochs=epochs,
                checkpoints=checkpoints,
                on_row=rows.append,
                should_stop=should_stop,
                save_every=SaveEvery(every_steps, every_minutes),
                **options,
            )
        finally:
            checkpoints.close()


def stop_after(calls):
    """A `should_stop` that turns True when asked for the `calls`-th time, and stays so."""
    asked = iter(range(1, 10**6))
    return lambda: next(asked) >= calls


def timeless(rows):
    """Rows without what a clock measured."""
    return [
        {name: row[name] for name in row if name not in ("seconds", "images_per_second")}
        for row in rows
    ]


def batch_of(count, size=None, seed=0):
    """A float batch of `count` examples, filled up to `size` with masked noise."""
    size = size or count
    rng = np.random.default_rng(seed)
    return {
        "image": jnp.asarray(rng.normal(size=(size, *SHAPE)), jnp.float32),
        "label": jnp.asarray(rng.integers(0, 4, size), jnp.int32),
        "mask": jnp.arange(size) < count,
    }
