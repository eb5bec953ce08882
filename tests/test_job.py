"""Several real processes that train as one: equal to one, killed, stopped, and gone on with."""

import argparse
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny import BATCH, EPOCHS, STEPS, TRAIN, TinyRun, timeless
from train_process import SMALL, Train, metrics

from jaxconv.cli.config.command_line import parse_command_line
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.fields import field_paths
from jaxconv.cli.config.json_form import to_json_dict
from jaxconv.cli.job_flags import Membership, add_job_flags, membership
from jaxconv.cli.verbs.train import train_parser
from jaxconv.data.shapes10 import load_shapes10
from jaxconv.data.teacher import Teacher
from jaxconv.runs import facts as runs_facts
from jaxconv.runs.facts import PLACES, data_facts, facts
from jaxconv.runs.job import LOST_ANOTHER
from jaxconv.runs.roll_words import Facts, differences
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
@pytest.mark.parametrize("engine", ["device", "albumentations", "everything"])
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


CHANGES = {  # a value that no config of the tests has, for each field: processes differ in it
    "seed": 3,
    "epochs": 3,
    "batch_size": 8,
    "steps_per_call": 2,
    "max_lr": 0.02,
    "weight_decay": 0.25,
    "optimizer.schedule": "cosine",
    "optimizer.warmup_share": 0.2,
    "optimizer.momentum": 0.8,
    "optimizer.nesterov": "true",
    "optimizer.decay_norm": "false",
    "optimizer.muon_lr": 0.02,
    "optimizer.muon_decay": 0.01,
    "dropout_rate": 0.7,
    "dropout_epochs": 2,
    "ema_decay": 0.9,
    "distill.weight": 0.5,
    "distill.temperature": 2.0,
    "mix.mixup": 0.2,
    "mix.cutmix": 1.0,
    "mix.epochs": 3,
    "label_smoothing": 0.3,
    "dtype": "bfloat16",
    "model.width": 0.5,
    "model.rows": "({'conv':'Conv','features':32},)",
    "shard_state": "true",
    "checkpoint.every_steps": 5,
    "checkpoint.every_minutes": 0.5,
    "data.sources": "shapes10,cifar10",
    "data.train_limit": 150,
    "data.test_limit": 30,
    "data.image_size": 40,
    "data.test_share": 0.3,
    "augment.engine": "albumentations",
    "augment.transforms": "(('HorizontalFlip',{'p':0.1}),)",
}


def config_with(*flags):
    argv = [*SMALL, *flags]
    return parse_command_line(train_parser("train", "doc"), argv)[0]


def test_each_field_of_a_config_has_a_row_above_and_is_compared():
    config = config_with()
    assert {*CHANGES, *PLACES, "model.name"} == {*field_paths(config)}  # of names there is one
    ours = Facts(0, 2, facts(to_json_dict(config)))
    for name, value in CHANGES.items():
        theirs = facts(to_json_dict(config_with(f"--config.{name}={value}")))
        (line,) = differences(ours, Facts(1, 2, theirs))
        assert line.startswith(f"--config.{name} is ")
    elsewhere = ["--config.data.dir=/elsewhere", "--config.data.download=true"]
    elsewhere += ["--config.distill.teacher=/elsewhere/t.safetensors"]
    assert not differences(ours, Facts(1, 2, facts(to_json_dict(config_with(*elsewhere)))))


def test_code_versions_settings_and_data_are_compared(monkeypatch):
    config = to_json_dict(config_with())
    before = facts(config) | data_facts(shapes(0))
    assert before["jax_enable_x64"] is False
    with jax.enable_x64(True):
        assert differs(before, facts(config) | data_facts(shapes(0))) == {"jax_enable_x64"}
    with jax.default_prng_impl("rbg"):
        assert differs(before, facts(config)) >= {"jax_default_prng_impl"}
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp/a --xla_cpu_enable_fast_math=true")
    assert facts(config)["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=true"
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setattr(runs_facts, "versions", lambda: {"jax": "0.0.1"})
    monkeypatch.setattr(runs_facts, "code_digest", lambda: "other")
    assert differs(before, facts(config)) >= {"version.jax", "code"}
    assert differs(data_facts(shapes(0)), data_facts(shapes(1))) == {"data.labels_crc32"}


def differs(before, now):
    return {name for name in {*before, *now} if before.get(name) != now.get(name)}


def shapes(seed):
    return load_shapes10(seed=seed, train_count=20, test_count=10)


def test_the_images_are_compared_where_they_are_the_same_bits_everywhere():
    exact = dataclasses.replace(shapes(0), exact=True)
    other = exact.train.images.copy()
    other[7, 3, 2, 1] ^= 1
    changed = dataclasses.replace(exact, train=exact.train._replace(images=other))
    assert differs(data_facts(exact), data_facts(changed)) == {"data.images_crc32"}
    assert data_facts(shapes(0)) == data_facts(dataclasses.replace(changed, exact=False))


def test_a_teacher_is_compared_by_what_it_says():
    taught = dataclasses.replace(
        shapes(0), teacher=Teacher(np.zeros((1, 20, 10), np.float16), 0, {}, "abc")
    )
    assert differs(data_facts(shapes(0)), data_facts(taught)) == {"data.teacher"}


def disagree(cache, workdir, flags=(), env=None):
    """What two processes say of each other, of which the second has flags or variables more."""
    joins = ["--coordinator", free_address(), "--processes", "2"]
    processes = [
        Train(workdir, cache, *joins, "--process", str(number), *more, env=variables)
        for number, (more, variables) in enumerate([((), None), (flags, env)])
    ]
    started = time.monotonic()
    try:
        assert [process.end() for process in processes] == [2, 2]
    finally:
        for process in processes:
            process.kill()
    lines = {process.errors for process in processes}
    assert time.monotonic() - started < 10 + ALLOWANCE
    assert not list(workdir.iterdir())
    (line,) = lines
    assert line.startswith("error: the processes are not of one run: ")
    assert line.count("\n") == 1
    return line


ALLOWANCE = 20  # seconds, for a machine that does other things too


def test_two_processes_that_differ_are_told_in_what_and_end(cache, tmp_path):
    flags = ["--config.seed=1", "--config.epochs=3", "--config.shard_state=true"]
    line = disagree(cache, tmp_path, flags, env={"JAX_ENABLE_X64": "1"})
    assert "--config.seed is 0 in process 0 and 1 in process 1; " in line
    assert "--config.epochs is 4 in process 0 and 3 in process 1; " in line
    assert "--config.shard_state is false in process 0 and true in process 1; " in line
    assert "jax_enable_x64 is false in process 0 and true in process 1; " in line


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_two_processes_that_differ_in_one_field_are_told_so(cache, tmp_path, name):
    line = disagree(cache, tmp_path, [f"--config.{name}={CHANGES[name]}"])
    assert re.search(rf"run: --config\.{name} is .* in process 0 and .* in process 1; start", line)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JAX_ENABLE_X64", "1"),
        ("JAX_DEFAULT_PRNG_IMPL", "rbg"),
        ("JAX_THREEFRY_PARTITIONABLE", "0"),
        ("JAX_RANDOM_SEED_OFFSET", "1"),
        ("JAX_DEFAULT_MATMUL_PRECISION", "highest"),
        ("XLA_FLAGS", "--xla_cpu_enable_fast_math=true"),
    ],
)
def test_two_processes_under_other_settings_are_told_so(cache, tmp_path, name, value):
    line = disagree(cache, tmp_path, env={name: value})
    assert f"{name} is " in line.replace(name.lower(), name)


@pytest.mark.slow
def test_a_number_given_twice_and_a_port_in_use_are_told_soon(cache, tmp_path):
    """Before, both took five minutes, and process 0 died of the second by a signal."""
    address, started = free_address(), time.monotonic()
    joins = ["--coordinator", address, "--processes", "3", "--process"]
    numbers = ["0", "1", "1"]
    processes = [Train(tmp_path, cache, *joins, number) for number in numbers]
    assert [process.end() for process in processes] == [2, 2, 2]
    assert all("two processes are --process 1" in process.errors for process in processes)
    with socket.create_server(("", int(address.rpartition(":")[2]))):
        processes = [Train(tmp_path, cache, *joins, number) for number in "012"]
        assert [process.end() for process in processes] == [1, 1, 1]
    assert "can't listen at port" in processes[0].errors
    assert "is not process 0 of a job that starts" in processes[1].errors
    assert all(process.errors.count("\n") == 1 for process in processes)
    assert time.monotonic() - started < 60 + ALLOWANCE
