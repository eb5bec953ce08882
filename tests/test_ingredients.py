"""What a recipe may add: off, the documented step is as it was; on, each trains and resumes."""

import atexit
import functools
import re
import shutil
import tempfile
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxconv.augment.device import make_device_augment
from jaxconv.cli.build import step as step_builder
from jaxconv.cli.build.network import build_network, build_pipeline, state_like
from jaxconv.cli.build.step import build_optimizer, build_step, phase_of, phase_starts
from jaxconv.cli.build.teacher import view_facts, with_teacher
from jaxconv.cli.build.training import build_fit, build_training
from jaxconv.cli.config.command_line import parse_command_line
from jaxconv.cli.verbs.train import train_parser
from jaxconv.data.shapes10 import load_shapes10
from jaxconv.data.teacher import Teacher, save_teacher
from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.epochs import epoch_order
from jaxconv.training.keys import run_keys
from jaxconv.training.loop import Interrupted, go_on
from jaxconv.training.objective import classification_sums, mean_loss
from jaxconv.training.step import TrainState

TRAIN, BATCH, EPOCHS, STEPS = 44, 16, 4, 3
SMALL = (
    f"--config.batch_size={BATCH}",
    f"--config.epochs={EPOCHS}",
    "--config.model.rows=({'conv':'DilatedConv','features':4,'options':{'stride':4}},)",
)
FEW = (
    "--config.augment.transforms=(('HorizontalFlip',{'p':0.5}),"
    "('Normalize',{'mean':(0.5,0.5,0.5),'std':(0.25,0.25,0.25)}))",
)
INGREDIENTS = {
    "schedule": ("--config.optimizer.schedule=cosine", "--config.optimizer.nesterov=true"),
    "decay of kernels": ("--config.optimizer.decay_norm=false",),
    "muon": ("--config.optimizer.muon_lr=0.02", "--config.optimizer.muon_decay=0.02"),
    "alternating flip": (
        "--config.augment.transforms=(('AlternatingFlip',{}),"
        "('Normalize',{'mean':(0.5,0.5,0.5),'std':(0.25,0.25,0.25)}))",
    ),
    "mixup": ("--config.mix.mixup=0.2",),
    "cutmix, then none": ("--config.mix.cutmix=1", "--config.mix.epochs=2"),
    "average": ("--config.ema_decay=0.9",),
    "distillation": ("--config.distill.teacher={teacher}",),
    "early dropout": ("--config.dropout_epochs=1",),
}


@functools.cache
def teacher():
    """A file of drawn logits, for the views of the configs below with their own augmentation."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "teacher.safetensors"
    logits = np.random.default_rng(0).normal(size=(3, TRAIN, 10)).astype(np.float16)
    save_teacher(path, Teacher(logits, 5, view_facts(config_of(*SMALL, *FEW), data())))
    return path


def config_of(*flags):
    taught = "{teacher}" in "".join(flags)
    flags = [flag.replace("{teacher}", str(teacher())) if taught else flag for flag in flags]
    argv = ["--config", "s9", *flags]
    return parse_command_line(train_parser("train", "Trains."), argv)[0]


@functools.cache
def data():
    return load_shapes10(seed=0, train_count=TRAIN, test_count=12)


@functools.cache
def training_of(*flags):
    """A training of a small network on few images, and its config; its state is NumPy's."""
    config = config_of(*SMALL, *FEW, *flags)
    training = build_training(config, with_teacher(config, data()), build_network(config, 10))
    return config, training._replace(state=jax.device_get(training.state))


def run(*flags, directory, stop_after=10**6, epochs=EPOCHS):
    """The state after a visit of so many steps to the run in `directory`, and its rows."""
    config, training = training_of(*flags)
    asked, rows, checkpoints = iter(range(1, 10**7)), [], Checkpoints(directory)
    try:
        progress = go_on(jax.device_put(training.state), checkpoints)
        state = build_fit(config, training)(
            progress,
            epochs=epochs,
            checkpoints=checkpoints,
            on_row=rows.append,
            should_stop=lambda: next(asked) >= stop_after,
        )
    finally:
        checkpoints.close()
    return jax.device_get(state), rows


def documented_step(model, tx, augment):
    """The training step without any ingredient, as it was before there were any."""

    def train_step(state, batch, key):
        dropout_key, augment_key = jax.random.split(jax.random.fold_in(key, state.step))
        if "key" in batch:
            keys = batch["key"]
        else:
            keys = jax.random.split(augment_key, batch["image"].shape[0])
        images = augment(keys, batch["image"])

        def loss_of(params):
            logits, updated = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                images,
                train=True,
                rngs={"dropout": dropout_key},
                mutable=["batch_stats"],
                mask=batch["mask"],
            )
            sums = classification_sums(logits, batch["label"], batch["mask"], label_smoothing=0.0)
            return mean_loss(sums), (sums, updated["batch_stats"])

        gradients, (sums, batch_stats) = jax.grad(loss_of, has_aux=True)(state.params)
        updates, opt_state = tx.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(state.step + 1, params, batch_stats, opt_state), sums

    return jax.jit(train_step, donate_argnums=0)


def documented_optimizer(config, total_steps):
    """The optimizer of the recipe, as it was before there were any ingredients."""
    from jaxconv.training.optim import cosine_cycle

    lr = config.max_lr
    return optax.chain(
        optax.add_decayed_weights(config.weight_decay),
        optax.inject_hyperparams(optax.sgd)(
            learning_rate=cosine_cycle(total_steps, start=lr / 25, peak=lr, end=lr / 25 / 1e4),
            momentum=cosine_cycle(total_steps, start=0.95, peak=0.85, end=0.95),
        ),
    )


def without_addresses(jaxpr):
    return re.sub(r"0x[0-9a-f]+", "", str(jaxpr))


def test_with_all_off_the_documented_recipe_is_the_same_program():
    config = config_of()
    network = build_network(config, 10)
    augment = make_device_augment(build_pipeline(config))
    at = phase_of(config, 0)
    ours = build_step(config, network.model, build_optimizer(config, 9800), augment, at)
    before = documented_step(network.model, documented_optimizer(config, 9800), augment)
    batch = {
        "image": jax.ShapeDtypeStruct((512, 32, 32, 3), jnp.uint8),
        "label": jax.ShapeDtypeStruct((512,), jnp.int32),
        "mask": jax.ShapeDtypeStruct((512,), jnp.bool_),
        "key": jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 512)),
    }
    programs = [
        without_addresses(jax.make_jaxpr(step)(state_like(network), batch, jax.random.key(0)))
        for step in (ours, before)
    ]
    assert programs[0] == programs[1]
    assert len(programs[0].splitlines()) > 1000
    assert phase_starts(config) == (0,)


def test_with_all_off_an_epoch_is_the_same_bit_for_bit(tmp_path):
    """Keys and order as well, which the step is given."""
    state, _ = run(directory=tmp_path, epochs=1)
    config, training = training_of()
    tx = documented_optimizer(config, EPOCHS * STEPS)
    model = build_network(config, 10).model
    step = documented_step(model, tx, make_device_augment(build_pipeline(config)))
    images, labels = data().train
    keys, expected = run_keys(0), jax.device_put(training.state)
    for row in epoch_order(TRAIN, BATCH, seed=0, epoch=0):
        picked = np.maximum(row, 0)
        epoch_key = jax.random.fold_in(keys.augmentation, 0)
        batch = {
            "image": images[picked],
            "label": labels[picked],
            "mask": row >= 0,
            "key": jax.vmap(jax.random.fold_in, (None, 0))(epoch_key, picked),
        }
        expected, _ = step(expected, batch, keys.steps)
    chex.assert_trees_all_equal(state, jax.device_get(expected))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(directory=tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("name", INGREDIENTS)
def test_an_ingredient_has_an_effect_and_resumes_bit_for_bit(name, plain, tmp_path):
    state, rows = run(*INGREDIENTS[name], directory=tmp_path / "unbroken")
    assert all(np.isfinite(row["test_loss"]) for row in rows)
    weights, others = (jax.tree.leaves(one.variables) for one in (state, plain[0]))
    assert not all(map(np.array_equal, weights, others))
    for visit in (2, 4, 1):  # within an epoch, at the end of one, after a step
        with pytest.raises(Interrupted):
            run(*INGREDIENTS[name], directory=tmp_path / "broken", stop_after=visit)
    again, _ = run(*INGREDIENTS[name], directory=tmp_path / "broken")
    chex.assert_trees_all_equal(again, state)


MUON = ("--config.optimizer.muon_lr=0.02",)


@pytest.mark.parametrize(
    ("base", "field"),
    [
        ((), "--config.max_lr=0.2"),
        ((), "--config.weight_decay=0.3"),
        ((), "--config.optimizer.momentum=0.5"),
        ((), "--config.optimizer.warmup_share=0.6"),
        ((), "--config.optimizer.nesterov=true"),
        (("--config.weight_decay=0.3",), "--config.optimizer.decay_norm=false"),
        (MUON, "--config.optimizer.muon_lr=0.04"),
        (MUON, "--config.optimizer.muon_decay=0.5"),
        ((*MUON, "--config.weight_decay=0.3"), "--config.optimizer.decay_norm=false"),
    ],
)
def test_every_field_of_the_optimizer_reaches_it(base, field):
    params = {"kernel": jnp.full((3, 3, 4, 5), 0.5), "bias": jnp.full(5, 0.5)}
    gradients = jax.tree.map(
        lambda array: jnp.cos(jnp.arange(array.size)).reshape(array.shape), params
    )
    found = []
    for flags in (base, (*base, field)):
        tx = build_optimizer(config_of(*SMALL, *flags), 10)
        state = tx.init(params)
        for _ in range(3):
            updates, state = tx.update(gradients, state, params)
        found.append(jax.tree.leaves(updates))
    assert not all(map(np.array_equal, *found))


def test_every_field_of_the_loss_reaches_it(monkeypatch):
    given = {}
    monkeypatch.setattr(step_builder, "make_objective", lambda **options: given.update(options))
    smooth = ["--config.label_smoothing=0.2"]
    taught = ["--config.distill.weight=0.3", "--config.distill.temperature=2"]
    teacher = "--config.distill.teacher={teacher}"
    for flags, expected in [
        (smooth, (0.2, 0.0)),
        ([*smooth, *taught], (0.2, 0.0)),
        ([*taught, teacher], (0.0, 0.3)),
    ]:
        config = config_of(*SMALL, *FEW, *flags)
        build_step(config, build_network(config, 10).model, None, None, phase_of(config, 0))
        assert (given["label_smoothing"], given["teacher_weight"]) == expected
    assert given["temperature"] == 2.0


def test_an_average_changes_no_training_but_what_is_measured(plain, tmp_path):
    state, rows = run("--config.ema_decay=0.9", directory=tmp_path)
    chex.assert_trees_all_equal(state._replace(average=None), plain[0])
    for row, other in zip(rows, plain[1], strict=True):
        assert row["train_loss"] == other["train_loss"]
        assert row["test_loss"] != other["test_loss"]


def test_dropout_ends_after_its_epochs_and_costs_nothing_then():
    """The later step is that of a network without dropout: no mask is drawn any more."""
    config = config_of(*SMALL, *FEW, "--config.dropout_epochs=2")
    assert phase_starts(config) == (0, 2)
    network = build_network(config, 10)
    tx, augment = build_optimizer(config, 12), make_device_augment(build_pipeline(config))
    batch = {
        "image": jnp.zeros((4, 32, 32, 3), jnp.uint8),
        "label": jnp.zeros(4, jnp.int32),
        "mask": jnp.ones(4, bool),
    }
    never = config_of(*SMALL, *FEW, "--config.dropout_rate=0")
    steps = [
        build_step(config, network.model, tx, augment, phase_of(config, 1)),
        build_step(config, network.model, tx, augment, phase_of(config, 2)),
        build_step(config, build_network(never, 10).model, tx, augment, phase_of(never, 0)),
    ]
    early, late, without = (
        without_addresses(jax.make_jaxpr(step)(state_like(network), batch, jax.random.key(0)))
        for step in steps
    )
    assert late == without
    assert len(early) > len(late)


@pytest.mark.parametrize(
    ("flags", "starts"),
    [
        ((), (0,)),
        (("--config.dropout_epochs=0",), (0,)),
        (("--config.dropout_epochs=2",), (0, 2)),
        (("--config.dropout_epochs=4",), (0,)),
        (("--config.dropout_epochs=2", "--config.dropout_rate=0"), (0,)),
        (("--config.mix.epochs=2",), (0,)),
        (("--config.mix.epochs=2", "--config.mix.mixup=1"), (0, 2)),
        (("--config.mix.epochs=3", "--config.mix.mixup=1", "--config.dropout_epochs=1"), (0, 1, 3)),
    ],
)
def test_a_phase_that_changes_nothing_is_none(flags, starts):
    assert phase_starts(config_of(*SMALL, *flags)) == starts
