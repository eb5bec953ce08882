"""Several real processes that train as one: equal to one, killed, stopped, and gone on with."""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import BATCH, EPOCHS, STEPS, TRAIN, TinyRun, timeless
from train_process import Train, metrics

from jaxconv.command_line.job_flags import Membership, add_job_flags, membership
from jaxconv.config import ConfigError
from jaxconv.runs.job import LOST_ANOTHER
from jaxconv.training.epochs import epoch_order

ROOT = Path(__file__).resolve().parents[1]
SLURM = {  # as srun sets them for the first of two processes
    "SLURM_JOB_ID": "77",
    "SLURM_STEP_NODELIST": "127.0.0.1",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_STEP_NUM_NODES": "1",
}
GENTLE = "--config.max_lr=1e-4"  # at more, S9Net makes rounding grow tenfold every other step
# Even so: to change the first weights by 6e-8 of themselves, in one process, moves the losses of
# these epochs by up to 5e-5. An example lost or seen twice would move them by 1e-2.
ROUNDING = 2e-4


def flags_of(*argv):
    parser = argparse.ArgumentParser()
    add_job_flags(parser)
    return membership(parser.parse_args(argv))


def test_a_process_is_alone_unless_told_otherwise(monkeypatch):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    assert flags_of() is None
    assert flags_of("--slurm") == Membership(None, None, None)
    argv = ("--coordinator", "10.0.0.1:1234", "--processes", "2", "--process", "1")
    assert flags_of(*argv) == Membership("10.0.0.1:1234", 2, 1)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--processes 2", "several processes need all of --coordinator HOST:PORT, --processes N"),
        ("--slurm --process 1", "--slurm beside --coordinator"),
        ("--coordinator a --processes 2 --process 0", "--coordinator a: expected HOST:PORT"),
        ("--coordinator a:1 --processes 2 --process 2", "--process 2 of --processes 2: expected"),
        ("--coordinator a:1 --processes 2 --process -1", "--process -1 of --processes 2: expected"),
    ],
)
def test_flags_that_make_no_job_are_refused(argv, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        flags_of(*argv.split())


def free_address():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


def tiny_job(processes, engine, directory, *, stops=None):
    """What each process of a tiny run saw; `stops` says after how many calls which asks to stop."""
    address = free_address()
    started = [
        subprocess.Popen(
            [sys.executable, "tests/many_devices.py", "job", engine, str(directory)]
            + [str((stops or {}).get(number, 0)), address, str(processes), str(number)],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    try:
        ends = [process.communicate(timeout=900) for process in started]
    finally:
        for process in started:
            process.kill()
    for process, (_, errors) in zip(started, ends, strict=True):
        assert process.returncode == 0, errors
    return [json.loads(lines.splitlines()[-1]) for lines, _ in ends]


def require_same_curve(rows, others, *, tolerance=1e-5):
    """Accuracies, too, where the losses are as good as equal: else rounding may turn an answer."""
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    accuracies = ("train_accuracy", "test_accuracy") if tolerance <= 1e-5 else ()
    for name in ("train_loss", "test_loss", "lr", *accuracies):
        ours, theirs = ([row[name] for row in each] for each in (rows, others))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, err_msg=name)


def unbroken(engine, directory):
    rows = []
    TinyRun(engine).fit(directory, rows=rows)
    return timeless(rows)


def test_two_processes_stop_as_one_and_one_goes_on(tmp_path):
    """The second is asked to stop, at its fifth call; both do, at the same step."""
    both = tiny_job(2, "device", tmp_path / "run", stops={1: 5})
    rows = both[0]["rows"]
    assert both[1]["rows"] == rows
    assert [each["step"] for each in both] == [STEPS + 2] * 2
    TinyRun().fit(tmp_path / "run", rows=rows)
    require_same_curve(rows, unbroken("device", tmp_path / "unbroken"))
    # Each has read its half of every batch, and prepared some of those that did not come.
    order = np.maximum(epoch_order(TRAIN, BATCH, seed=7, epoch=0), 0).reshape(STEPS, 2, -1)
    for number, each in enumerate(both):
        assert each["read"][:STEPS] == order[:, number].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["device", "albumentations"])
def test_two_then_four_processes_equal_one(tmp_path, engine):
    half = tiny_job(2, engine, tmp_path / "run", stops={0: 2 * (STEPS + 1)})
    rest = tiny_job(4, engine, tmp_path / "run")
    rows = half[0]["rows"] + rest[0]["rows"]
    require_same_curve(rows, unbroken(engine, tmp_path / "unbroken"))
    assert rest[3]["rows"] == rest[0]["rows"]
    assert rest[0]["step"] == EPOCHS * STEPS
    assert {len(places) for each in rest for places in each["read"]} == {BATCH // 4}


class Job:
    """Processes of train.py that train as one, process 0 in `workdir`; the others get none."""

    def __init__(self, workdir, cache, processes, *flags, slurm=False):
        address = free_address()
        self.processes = []
        for number in range(processes):
            where = workdir if number == 0 else workdir / "of nobody"
            joins = ["--coordinator", address, "--processes", str(processes)]
            joins += ["--process", str(number)]
            numbers = {"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)}
            env = SLURM | numbers | {"JAX_COORDINATOR_ADDRESS": address}
            joins, env = (["--slurm"], env) if slurm else (joins, {})
            self.processes.append(Train(where, cache, GENTLE, *joins, *flags, env=env))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()

    def codes(self):
        return [process.end() for process in self.processes]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def alone(cache, tmp_path_factory):
    """The metrics of a run of one process."""
    workdir = tmp_path_factory.mktemp("alone")
    run = Train(workdir, cache, GENTLE)
    assert run.end() == 0, run.errors
    return metrics(workdir)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_of_killed_processes_the_others_end_and_any_number_goes_on(cache, alone, tmp_path, killed):
    with Job(tmp_path, cache, 2) as job:
        job.processes[0].until("epoch   1/4")
        job.processes[killed].send(signal.SIGKILL)
        assert job.processes[1 - killed].wait(60)
        codes = job.codes()
        errors = job.processes[1 - killed].errors
    assert (codes[killed], codes[1 - killed]) == (-signal.SIGKILL, 3)
    assert errors.splitlines()[-1] == f"error: {LOST_ANOTHER}"
    with Job(tmp_path, cache, 3, slurm=False) as job:
        job.processes[0].until("epoch   2/4")
        job.processes[2].send(signal.SIGTERM)
        assert job.codes() == [143, 143, 143]
        assert job.processes[0].lines[-1].startswith("saved at step ")
    last = Train(tmp_path, cache, GENTLE)
    assert last.end() == 0, last.errors
    require_same_curve(metrics(tmp_path), alone, tolerance=ROUNDING)
    assert not (tmp_path / "of nobody").exists()


@pytest.mark.slow
def test_slurm_is_asked_where_it_is_to_be(cache, alone, tmp_path):
    with Job(tmp_path, cache, 2, "--config.shard_state=true", slurm=True) as job:
        assert job.codes() == [0, 0]
        assert " in 2 processes, JAX " in job.processes[0].lines[0]
        assert job.processes[1].errors == ""
    require_same_curve(metrics(tmp_path), alone, tolerance=ROUNDING)


@pytest.mark.slow
def test_what_ends_one_process_ends_all(cache, tmp_path):
    """A run directory that can't be used is found by process 0 alone."""
    (tmp_path / "metrics.jsonl").touch()
    with Job(tmp_path, cache, 2) as job:
        assert job.codes() == [1, 3]
        assert "holds metrics.jsonl but no config.json" in job.processes[0].errors
