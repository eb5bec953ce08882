"""`fit` and `evaluate`: exact counts, exact resumption, and no NaN in a checkpoint."""

import logging

import chex
import jax
import numpy as np
import optax
import pytest
from tiny import (
    EPOCHS,
    STEPS,
    TEST,
    TRAIN,
    TinyRun,
    examples,
    stop_after,
    timeless,
)

from jaxconv.training.checkpoint import CheckpointError, Checkpoints
from jaxconv.training.evaluation import make_evaluate, predict
from jaxconv.training.loop import Diverged, Interrupted

ENGINES = ("device", "albumentations")


@pytest.fixture(scope="module", params=ENGINES)
def run(request):
    return TinyRun(request.param)


@pytest.fixture(scope="module")
def unbroken(run, tmp_path_factory):
    """The state and the rows of a run that nothing disturbed."""
    rows = []
    state = run.fit(tmp_path_factory.mktemp("unbroken"), rows=rows)
    return jax.device_get(state), rows


@pytest.fixture(scope="module")
def device_run():
    return TinyRun()


def test_rows_say_what_happened(unbroken):
    state, rows = unbroken
    assert state.step == EPOCHS * STEPS
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row["step"] for row in rows] == [3, 6, 9, 12]
    names = "epoch step lr momentum train_loss train_accuracy test_loss test_accuracy seconds"
    assert all(list(row) == [*names.split(), "images_per_second"] for row in rows)
    for row in rows:
        assert round(row["train_accuracy"] * TRAIN / 100, 9) in range(TRAIN + 1)
        assert round(row["test_accuracy"] * TEST / 100, 9) in range(TEST + 1)
        assert row["images_per_second"] > 0
    assert rows[-1]["lr"] == pytest.approx(4e-7)
    assert rows[-1]["momentum"] == pytest.approx(0.95)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


@pytest.mark.parametrize(
    "stops",
    [[2 * STEPS], [1], [STEPS - 1], [STEPS + 2, 2, 5], [1] * 8],
    ids=["2 + 2 epochs", "first step", "before an epoch's end", "three times", "each step"],
)
def test_going_on_equals_never_having_stopped(run, unbroken, tmp_path, stops):
    """Bit for bit: parameters, statistics, optimizer, metrics; stopped anywhere, either engine."""
    rows = []
    for calls in stops:
        with pytest.raises(Interrupted):
            run.fit(tmp_path, rows=rows, should_stop=stop_after(calls))
    state = run.fit(tmp_path, rows=rows)
    chex.assert_trees_all_equal(jax.device_get(state), unbroken[0])
    assert timeless(rows) == timeless(unbroken[1])


@pytest.mark.parametrize("calls", range(1, EPOCHS * STEPS))
def test_a_stop_loses_no_step(device_run, tmp_path, calls):
    """Asked at the last step of an epoch, it evaluates first: the epoch's row is not lost."""
    rows = []
    with pytest.raises(Interrupted):
        device_run.fit(tmp_path, rows=rows, should_stop=stop_after(calls))
    checkpoints = Checkpoints(tmp_path)
    assert len(rows) == checkpoints.latest_step // STEPS
    # fit asks once a call, and once more at the end of an epoch
    assert checkpoints.latest_step == calls - calls // (STEPS + 1)
    checkpoints.close()


def test_what_was_done_after_the_latest_checkpoint_is_done_again(device_run, tmp_path):
    """As after a kill: the newest checkpoints are gone, the metrics have rows beyond them."""
    rows, unbroken = [], []
    state = device_run.fit(tmp_path / "unbroken", rows=unbroken)
    device_run.fit(tmp_path / "killed", rows=rows, epochs=1)
    rows.append(dict(unbroken[1]))
    again = device_run.fit(tmp_path / "killed", rows=rows)
    chex.assert_trees_all_equal(again, state)
    assert timeless(rows) == timeless(unbroken)


@pytest.fixture
def saved(monkeypatch):
    """The steps at which anything asks for a checkpoint."""
    steps, save = [], Checkpoints.save

    def noting(self, step, *args, **kwargs):
        steps.append(step)
        save(self, step, *args, **kwargs)

    monkeypatch.setattr(Checkpoints, "save", noting)
    return steps


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ({}, [3, 6, 9, 12]),
        ({"every_steps": 1}, [*range(1, 13)]),
        ({"every_steps": 2}, [2, 3, 5, 6, 8, 9, 11, 12]),
        ({"every_steps": 5}, [3, 6, 9, 12]),
        ({"every_minutes": 1e-9}, [*range(1, 13)]),
        ({"every_minutes": 60}, [3, 6, 9, 12]),
        ({"every_minutes": 60, "every_steps": 2}, [2, 3, 5, 6, 8, 9, 11, 12]),
    ],
    ids=str,
)
def test_the_interval_of_checkpoints(device_run, saved, tmp_path, every, expected):
    """Counted from the last checkpoint; the end of an epoch has one in any case."""
    device_run.fit(tmp_path, rows=[], **every)
    assert saved == expected


def test_the_interval_is_asked_for_after_each_call(saved, tmp_path):
    """Where a call is two steps of an epoch of three, the first that ends late enough saves."""
    TinyRun(steps_per_call=2).fit(tmp_path, rows=[], epochs=2, every_steps=1)
    assert saved == [2, 3, 5, 6]


def test_what_is_lost_to_a_kill_is_what_follows_the_last_interval(device_run, tmp_path):
    """An exception stands for the kill: nothing is saved on its way out."""

    def killed(*args):
        for now in device_run.run_epoch(*args):
            if int(now[0].step) == 6:
                raise ZeroDivisionError
            yield now

    rows, steps = [], []
    with pytest.raises(ZeroDivisionError):
        device_run.but(run_epoch=killed).fit(tmp_path, rows=rows, every_steps=2)
    first = device_run.run_epoch

    def noting(state, *args):
        steps.append(int(state.step))
        return first(state, *args)

    state = device_run.but(run_epoch=noting).fit(tmp_path, rows=rows)
    assert steps == [5, 6, 9]
    unbroken = []
    chex.assert_trees_all_equal(state, device_run.fit(tmp_path / "whole", rows=unbroken))
    assert timeless(rows) == timeless(unbroken)


def test_a_finished_run_returns_its_state_at_once(device_run, tmp_path):
    rows = []
    state = jax.device_get(device_run.fit(tmp_path, rows=rows))
    before = list(rows)
    chex.assert_trees_all_equal(device_run.fit(tmp_path, rows=rows), state)
    assert rows == before


def test_a_stop_in_the_last_evaluation_is_no_stop(device_run, tmp_path):
    rows = []
    state = device_run.fit(tmp_path, rows=rows, should_stop=stop_after(EPOCHS * (STEPS + 1) - 1))
    assert (state.step, len(rows)) == (EPOCHS * STEPS, EPOCHS)


def test_a_whole_run_compiles_each_function_once(tmp_path, caplog):
    run, rows = TinyRun(), []
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        with pytest.raises(Interrupted):
            run.fit(tmp_path, rows=rows, should_stop=stop_after(4))
        run.fit(tmp_path, rows=rows)
    for name in ("call", "eval_step"):
        assert caplog.text.count(f"Finished XLA compilation of jit({name})") == 1


@pytest.fixture(scope="module")
def hot_run():
    """A rate at which the loss overflows within an epoch."""
    return TinyRun(max_lr=1e30)


@pytest.mark.parametrize("epochs_before", [0, 1])
def test_a_nan_ends_the_run_before_it_reaches_a_checkpoint(
    device_run, hot_run, tmp_path, epochs_before
):
    rows = []
    device_run.fit(tmp_path, rows=rows, epochs=epochs_before)
    with pytest.raises(Diverged) as caught:
        hot_run.fit(tmp_path, rows=rows)
    message = str(caught.value)
    kept = "checkpoint 3 is good" if epochs_before else "there is no checkpoint yet"
    assert (
        f"; {kept}; lower --config.max_lr (of Muon: --config.optimizer.muon_lr), in a new"
        in message
    )
    assert "is not finite, at a learning rate of about " in message
    assert "the loss of step " in message
    assert len(rows) == epochs_before
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest_step == (3 if epochs_before else None)
    checkpoints.close()


def test_a_nan_is_named_by_its_step_within_a_step(device_run, tmp_path):
    """Not at the end of the epoch only: hours may lie between."""
    seen = []

    def poisoned(state, tally, epoch, done):
        for state, tally in device_run.run_epoch(state, tally, epoch, done):  # noqa: B020
            seen.append(int(state.step))
            yield state, tally.replace(bad_step=np.int32(3)) if state.step >= 4 else tally

    with pytest.raises(Diverged, match=r"the loss of step 3 is not finite.*checkpoint 3 is good"):
        device_run.but(run_epoch=poisoned).fit(tmp_path, rows=[])
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("stop", [False, True])
def test_a_parameter_that_is_not_finite_is_not_saved(device_run, tmp_path, stop):
    """The loss of the last step was still finite, its gradient was not."""

    def broken(state, tally, epoch, done):
        for state, tally in device_run.run_epoch(state, tally, epoch, done):  # noqa: B020
            if state.step == 5:
                params = jax.tree.map(lambda leaf: leaf * np.nan, state.params)
                yield state._replace(params=params), tally
                return
            yield state, tally

    rows = []
    should_stop = stop_after(6) if stop else lambda: False
    with pytest.raises(Diverged, match=r"a parameter after step 5 .*checkpoint 3 is good"):
        device_run.but(run_epoch=broken).fit(tmp_path, rows=rows, should_stop=should_stop)
    assert len(rows) == 1


def test_a_test_loss_that_is_not_finite_ends_the_run(device_run, tmp_path):
    rows, measured = [], {"test_loss": np.inf, "test_accuracy": 25.0}
    with pytest.raises(Diverged, match=r"the test loss after step 3 .*no checkpoint yet"):
        device_run.but(evaluate=lambda state: measured).fit(tmp_path, rows=rows)
    assert rows == []


def test_an_epoch_is_saved_before_it_is_shown(device_run, tmp_path):
    """What shows it may fail, as where a terminal has gone: the epoch is not lost."""

    def broken(row):
        raise BrokenPipeError

    rows = []
    with pytest.raises(BrokenPipeError):
        device_run.fit(tmp_path, rows=rows, on_saved=broken)
    checkpoints = Checkpoints(tmp_path)
    assert (len(rows), checkpoints.latest_step) == (1, STEPS)
    checkpoints.close()


def test_a_save_that_fails_is_known_within_the_next_call(device_run, tmp_path, monkeypatch):
    """Not an epoch later, which may be hours."""
    from orbax.checkpoint import CheckpointManager

    calls = []

    def noting(state, tally, epoch, done):
        for now in device_run.run_epoch(state, tally, epoch, done):
            calls.append(int(now[0].step))
            yield now

    def full(self):
        raise OSError(28, "No space left on device")

    wait = CheckpointManager.wait_until_finished
    monkeypatch.setattr(
        CheckpointManager,
        "wait_until_finished",
        lambda self: full(self) if len(calls) > STEPS else wait(self),
    )
    with pytest.raises(CheckpointError, match="No space left on device"):
        device_run.but(run_epoch=noting).fit(tmp_path, rows=[])
    assert calls == [1, 2, 3, 4]


def test_any_optimizer_trains(tmp_path):
    rows = []
    TinyRun(tx=optax.adamw(0.03)).fit(tmp_path, rows=rows)
    assert [row["epoch"] for row in rows] == list(range(1, EPOCHS + 1))
    assert not {"lr", "momentum"} & set(rows[0])
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    with pytest.raises(Diverged, match=r"is not finite; there is no checkpoint yet; lower"):
        TinyRun(tx=optax.sgd(1e30)).fit(tmp_path / "hot", rows=[])


@pytest.mark.parametrize(("count", "batch_size"), [(13, 8), (16, 8), (3, 8), (13, 1), (7, 100)])
def test_evaluation_counts_each_image_once(count, batch_size):
    """With an eval step that recognises each image; the batch may exceed the split."""
    images = np.arange(1, count + 1, dtype=np.float32)[:, None]
    labels = np.zeros(count, np.int32)
    shapes = set()

    def eval_step(state, batch):
        shapes.add(batch["image"].shape)
        kept = np.asarray(batch["image"])[:, 0] * np.asarray(batch["mask"])
        return {"loss_sum": kept.sum(), "correct": np.sum(kept == 1), "count": batch["mask"].sum()}

    found = make_evaluate(eval_step, images, labels, batch_size=batch_size)(None)
    assert found["test_loss"] == pytest.approx((count + 1) / 2)
    assert found["test_accuracy"] == pytest.approx(100 / count)
    assert shapes == {(batch_size, 1)}


def test_evaluation_does_not_depend_on_the_batch_size(device_run):
    expected = device_run.evaluate(device_run.fresh())
    for batch_size in (1, 5, 64):
        evaluate = make_evaluate(device_run.eval_step, *examples(TEST, 1), batch_size=batch_size)
        assert evaluate(device_run.fresh()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 4, 5, 9])
def test_prediction_covers_each_image_in_order(batch_size):
    images = np.arange(5, dtype=np.float32)[:, None]
    found = predict(lambda state, batch: 10 * batch, None, images, batch_size=batch_size)
    np.testing.assert_array_equal(found, 10 * images)


def test_no_images_have_no_probabilities():
    images = np.zeros((0, 4, 4, 3), np.uint8)
    found = predict(lambda state, batch: batch.mean((1, 2)), None, images, batch_size=8)
    assert (found.shape, found.dtype) == ((0, 3), np.float32)
