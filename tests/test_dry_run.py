"""The dry run: all that training does on a little data, with nothing left behind."""

import re

import numpy as np
import pytest
from tiny import STEPS, TinyRun
from train_process import Train

from jaxconv.training import rehearsal
from jaxconv.training.checkpoint import CheckpointError
from jaxconv.training.loop import Diverged


@pytest.fixture(scope="module")
def tiny():
    return TinyRun()


def rehearse(run, directory, said, **options):
    rehearsal.rehearse(
        run.fresh(),
        run_epoch=run.run_epoch,
        evaluate=run.evaluate,
        test_count=13,
        directory=directory,
        say=said.append,
        **options,
    )


def test_each_part_is_done_and_told_in_a_line(tiny, tmp_path):
    said = []
    rehearse(tiny, tmp_path / "checkpoints", said)
    for line, pattern in zip(
        said,
        (
            rf"compiled, and took {STEPS} steps: \d+\.\d s",
            rf"{STEPS} steps more: \d+\.\d\d s, \d+ images/s",
            r"compiled, and evaluated 13 images: \d+\.\d s",
            r"saved a checkpoint of \d+\.\d MB and restored it: \d+\.\d s",
        ),
        strict=True,
    ):
        assert re.fullmatch(pattern, line), line
    assert (tmp_path / "checkpoints" / str(2 * STEPS)).is_dir()


def test_each_phase_is_compiled_and_timed(tiny, tmp_path):
    said, seen = [], []

    def run_epoch(state, tally, epoch, done):
        seen.append(epoch)
        return tiny.run_epoch(state, tally, epoch, done)

    rehearse(tiny.but(run_epoch=run_epoch), tmp_path / "checkpoints", said, starts=(0, 3))
    assert seen == [0, 0, 3, 3]
    assert re.fullmatch(rf"compiled from epoch 4 on, and took {STEPS} steps: \d+\.\d s", said[2])
    assert len(said) == 6


def test_a_loss_that_is_not_finite_is_an_error(tiny, tmp_path):
    def bad_epoch(state, tally, epoch, done):
        yield state, tally.replace(count=np.int32(8), bad_step=np.int32(1))

    said = []
    with pytest.raises(Diverged, match="the loss is not finite after a few steps; lower"):
        rehearse(tiny.but(run_epoch=bad_epoch), tmp_path, said)
    assert len(said) == 2


def test_a_checkpoint_that_comes_back_otherwise_is_an_error(tiny, tmp_path, monkeypatch):
    def another(state, checkpoints):
        return rehearsal.Progress(tiny.fresh(), rehearsal.empty_tally())

    monkeypatch.setattr(rehearsal, "go_on", another)
    with pytest.raises(CheckpointError, match="is not what was saved there"):
        rehearse(tiny, tmp_path, [])


def test_the_program_leaves_nothing_behind(tmp_path, monkeypatch):
    temporary, workdir = tmp_path / "temporary", tmp_path / "run"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    process = Train(workdir, tmp_path / "cache", "--dry-run")
    try:
        assert process.end() == 0, process.errors
        device, data, first, second, evaluation, checkpoint, last = process.lines
    finally:
        process.kill()
    assert device.startswith("device: ")
    assert data.startswith("data: shapes10")
    assert first.startswith("compiled, and took 2 steps: ")
    assert second.startswith("2 steps more: ")
    assert evaluation.startswith("compiled, and evaluated 16 images: ")
    assert checkpoint.startswith("saved a checkpoint of ")
    assert last == "dry run: all of it works; nothing was kept"
    assert list(temporary.iterdir()) == []
    assert not workdir.exists()
