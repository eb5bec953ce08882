"""train.py as a user meets it: killed and gone on with, given bad input, watched from outside."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from PIL import Image
from train_process import CONFIG, ROOT, SMALL, STEPS, Train, final_digest, metrics

from jaxconv import cli
from jaxconv.cli import training_run
from jaxconv.cli.build import training as build
from jaxconv.runs import run_dir
from jaxconv.runs.lock import sole_trainer
from jaxconv.runs.signals import Stopped, StopRequest

# Runs train.py's main; tells of every host that was asked for and of what was imported.
WATCHED = """
import sys
asked = []
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        asked.append((event, str(args[1:])))
sys.addaudithook(watch)
from jaxconv import cli
code = cli.main(["train", *sys.argv[1:]])
print("asked:", asked)
print("imported:", sorted({"tensorflow", "torch", "jax", "orbax"} & set(sys.modules)))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def start(cache):
    """Starts a process of train.py in a workdir; none outlives the test."""
    started = []

    def start(workdir, *flags):
        started.append(Train(workdir, cache, *flags))
        return started[-1]

    yield start
    for run in started:
        run.kill()


@pytest.fixture(scope="module")
def unbroken(cache, tmp_path_factory):
    """A run that nothing disturbs, watched from inside."""
    workdir = tmp_path_factory.mktemp("unbroken")
    run = Train(workdir, cache, program=("-c", WATCHED))
    assert run.end() == 0, run.errors
    return workdir, run


def test_a_run_contacts_no_host_and_imports_no_other_framework(unbroken):
    _, run = unbroken
    assert run.lines[-2:] == ["asked: []", "imported: ['jax', 'orbax']"]


def test_a_run_says_first_what_it_runs_on_and_with(unbroken):
    workdir, run = unbroken
    assert re.match(r"device: \d+ x .+ \(cpu\), JAX ", run.lines[0])
    assert run.lines[1].startswith("data: shapes10 (shapes10 is the only source asked for)")
    assert run.lines[2] == f"starts at step 0 in {workdir}"
    assert [line[:11] for line in run.lines[3:-3]] == [f"epoch   {n}/4" for n in range(1, 5)]
    assert run.lines[-3] == f"report: {workdir / 'report.html'}"
    assert run.errors == ""


def test_signals_lose_nothing(unbroken, start, tmp_path):
    """SIGTERM before the first step is compiled, SIGINT in an epoch, SIGKILL in a save."""
    first = start(tmp_path).until("starts at step 0").send(signal.SIGTERM)
    assert first.end() == 143
    assert first.errors.strip() == "SIGTERM: saving, then stopping (Ctrl-C again: at once)"
    assert first.lines[-1].startswith("saved at step 1; to resume: python train.py --config")

    second = start(tmp_path).until("epoch   2/4").send(signal.SIGINT)
    assert second.lines[2] == f"resumes at step 1 in {tmp_path}"
    assert second.end() == 130
    (step,) = re.findall(r"^saved at step (\d+);", second.lines[-1])
    assert 2 * STEPS <= int(step) <= 3 * STEPS

    third = start(tmp_path).until("epoch   3/4").send(signal.SIGKILL)
    assert third.lines[2] == f"resumes at step {step} in {tmp_path}"
    assert third.end() == -signal.SIGKILL

    last = start(tmp_path).until("epoch   4/4").send(signal.SIGTERM)
    assert last.end() in (0, 143)  # the report is written, or not
    assert final_digest(tmp_path) == final_digest(unbroken[0])
    assert metrics(tmp_path) == metrics(unbroken[0])


def outcome(capsys, *argv):
    """The exit code, and the one line of a refusal without its `error: `."""
    code = cli.main(["train", *argv])
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return code, line.removeprefix("error: ")


@pytest.fixture(autouse=True)
def untouched_allocator(monkeypatch):
    """These settings are for a process that trains, not for one that tests."""
    monkeypatch.setattr(training_run, "keep_freed_memory", lambda: False)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no --config given; name a config, as in --config s9, or a config file"),
        (["--config", "configs/s8.py"], "--config configs/s8.py: no such file; did you mean"),
        (["--config", "configs"], "--config configs: no config of this name, and not a .py file; "),
        ([*SMALL, "--config.epoch=3"], "did you mean --config.epochs?"),
        ([*SMALL, "config.epochs=3"], "config.epochs=3: unknown; did you mean --config.epochs?"),
        ([*SMALL, "--config.batch_size=many"], "--config.batch_size=many: expected a whole number"),
        ([*SMALL, "--config.batch_size=0"], "config.batch_size=0: expected a whole number of at"),
        ([*SMALL, "--config.max_lr=nan"], "config.max_lr=nan: expected a number above 0"),
        ([*SMALL, "--config.data.sources=mnist"], "expected one or more of cifar10, shapes10"),
        ([*SMALL, "--config.augment.transforms=(('Blurr', {}),)"], "Blurr"),
        ([*SMALL, "--config.augment.transforms=(('Rotate', {'limits': 3}),)"], "limits"),
        ([*SMALL, "--worksdir=x"], "--worksdir=x: unknown; did you mean --workdir?"),
    ],
)
def test_a_mistake_on_the_command_line_is_code_2(capsys, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(ROOT)
    code, line = outcome(capsys, *argv, *(["--workdir", str(tmp_path / "new")] if argv else []))
    assert code == 2
    assert message in line
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/none"])
def test_a_workdir_that_cannot_be_is_refused(capsys, tmp_path, monkeypatch, name):
    monkeypatch.chdir(ROOT)
    (tmp_path / "file").write_text("precious")
    code, line = outcome(capsys, *SMALL, "--workdir", str(tmp_path / name))
    assert code == 1
    assert f"cannot write to workdir {tmp_path / name} (" in line
    assert "give a --workdir that you can write to" in line
    assert (tmp_path / "file").read_text() == "precious"


@pytest.fixture
def stopped_at_training(monkeypatch):
    """`train.main` comes as far as building the training, which is told by an exception."""

    class Reached(Exception):
        pass

    def reach(config, dataset, network):
        raise Reached

    monkeypatch.setattr(build, "build_training", reach)
    monkeypatch.chdir(ROOT)
    return Reached


@pytest.fixture
def workdir(stopped_at_training, tmp_path):
    """A run directory that belongs to SMALL."""
    with pytest.raises(stopped_at_training):
        cli.main(["train", *SMALL, "--workdir", str(tmp_path / "run")])
    return tmp_path / "run"


def test_a_relative_workdir_is_one_of_here(stopped_at_training, tmp_path, monkeypatch):
    config = str(ROOT / CONFIG[1])
    monkeypatch.chdir(tmp_path)
    for flags, place in ((["--workdir", "here/run"], "here/run"), ([], "runs/s9_quick")):
        with pytest.raises(stopped_at_training):
            cli.main(["train", "--config", config, *SMALL[2:], *flags])
        assert (tmp_path / place / "config.json").is_file()


def test_the_workdir_of_another_config_is_refused(capsys, workdir):
    before = (workdir / "config.json").read_text()
    code, line = outcome(capsys, *SMALL, "--config.seed=1", "--workdir", str(workdir))
    assert code == 1
    assert f"workdir {workdir} belongs to another config: seed is 0 there and 1 now" in line
    assert (workdir / "config.json").read_text() == before


def test_a_run_of_an_older_version_goes_on(workdir, stopped_at_training):
    """Its config has no field that came later."""
    file = workdir / "config.json"
    config = json.loads(file.read_text())
    del config["optimizer"], config["model"], config["shard_state"]
    file.write_text(json.dumps(config))
    with pytest.raises(stopped_at_training):
        cli.main(["train", *SMALL, "--workdir", str(workdir)])
    assert "optimizer" in json.loads(file.read_text())


def test_where_the_data_lie_and_how_often_is_saved_may_change(
    stopped_at_training, workdir, tmp_path
):
    flags = [f"--config.data.dir={tmp_path}", "--config.data.download=true"]
    flags += ["--config.checkpoint.every_steps=100", "--config.checkpoint.every_minutes=0.5"]
    with pytest.raises(stopped_at_training):
        cli.main(["train", *SMALL, *flags, "--workdir", str(workdir)])


@pytest.mark.parametrize(("name", "before"), [("name", "cifar10"), ("train", 50_000), ("test", 1)])
def test_other_data_than_before_are_refused(capsys, workdir, name, before):
    """As where CIFAR-10 was at hand at first, and is not any more."""
    file = workdir / "environment.json"
    environment = json.loads(file.read_text())
    now = environment["data"][name]
    environment["data"][name] = before
    file.write_text(json.dumps(environment))
    code, line = outcome(capsys, *SMALL, "--workdir", str(workdir))
    assert code == 1
    assert f"was trained on other data: {name} was {before} and is {now} now" in line


def test_the_same_number_of_other_examples_is_refused(capsys, workdir):
    """As where a tfds directory was prepared from another archive than the one before."""
    file = workdir / "environment.json"
    environment = json.loads(file.read_text())
    environment["data"]["labels_crc32"][0] ^= 1
    file.write_text(json.dumps(environment))
    code, line = outcome(capsys, *SMALL, "--workdir", str(workdir))
    assert (code, "was trained on other data: labels_crc32 was " in line) == (1, True)


def painted(folder, *greys):
    """Two classes of images, split by hand; returns the flags of a run on them."""
    for name, grey in zip(("a", "b"), greys, strict=True):
        for split in ("train", "test"):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            image = Image.new("RGB", (32, 32), (grey,) * 3)
            image.save(folder / split / name / "0.png")
    flags = [*SMALL, "--config.data.sources=folder", f"--config.data.dir={folder}"]
    none = ["--config.data.train_limit=None", "--config.data.test_limit=None"]
    return [*flags, *none, "--config.batch_size=2"]


def test_other_pixels_than_before_are_refused_and_nothing_is_written(
    capsys, stopped_at_training, tmp_path
):
    run, first = tmp_path / "run", painted(tmp_path / "first", 20, 120)
    with pytest.raises(stopped_at_training):
        cli.main(["train", *first, "--workdir", str(run)])
    before = {file: file.read_bytes() for file in run.iterdir() if file.suffix == ".json"}
    second = painted(tmp_path / "second", 20, 121)
    code, line = outcome(capsys, *second, "--workdir", str(run))
    assert (code, "was trained on other data: images_crc32 was " in line) == (1, True)
    assert {file: file.read_bytes() for file in before} == before
    moved = tmp_path / "moved"
    (tmp_path / "first").rename(moved)
    with pytest.raises(stopped_at_training):
        cli.main(["train", *painted(moved, 20, 120), "--workdir", str(run)])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["optimizer.muon_decay=0.5"],
            "config.optimizer.muon_decay=0.5 has no effect without opti",
        ),
        (
            ["dropout_rate=0", "dropout_epochs=2"],
            "config.dropout_epochs=2 has no effect without dr",
        ),
        (["mix.epochs=2"], "without mix.mixup or mix.cutmix: set that, or --config.mix.epochs=No"),
        (
            ["augment.engine=albumentations", "augment.transforms=(('ToFloat',{}),)"],
            "config.augment.transforms: ToFloat changes the scale of training images alone",
        ),
    ],
)
def test_a_field_without_effect_is_refused(capsys, tmp_path, flags, message):
    run = tmp_path / "run"
    given = [f"--config.{flag}" for flag in flags]
    code, line = outcome(capsys, *SMALL, *given, "--workdir", str(run))
    assert (code, message in line, run.exists()) == (2, True, False)


def test_a_run_that_has_a_field_without_effect_goes_on(workdir, stopped_at_training):
    """Versions before this one began such runs."""
    file = workdir / "config.json"
    config = json.loads(file.read_text())
    config["mix"]["epochs"] = 2
    file.write_text(json.dumps(config))
    with pytest.raises(stopped_at_training):
        cli.main(["train", *SMALL, "--config.mix.epochs=2", "--workdir", str(workdir)])


def test_a_changed_field_is_told_before_the_data_that_follow_from_it(capsys, workdir):
    code, line = outcome(capsys, *SMALL, "--config.data.train_limit=32", "--workdir", str(workdir))
    assert (code, "belongs to another config: data.train_limit is 160 there" in line) == (1, True)


@pytest.mark.parametrize(
    ("context", "change"),
    [
        (lambda: jax.enable_x64(True), "jax_enable_x64 was False and is True now"),
        (lambda: jax.default_prng_impl("rbg"), "prng_impl was threefry2x32 and is rbg now"),
        (lambda: jax.threefry_partitionable(False), "partitionable was True and is False now"),
        (lambda: jax.default_matmul_precision("highest"), "precision was None and is highest now"),
    ],
    ids=["x64", "prng", "partitionable", "precision"],
)
def test_other_settings_of_jax_than_before_are_refused(capsys, workdir, context, change):
    with context():
        code, line = outcome(capsys, *SMALL, "--workdir", str(workdir))
    assert code == 1
    assert f"workdir {workdir} was trained under other settings of JAX: " in line
    assert f"{change}; set it back to go on, or give a new --workdir" in line


def test_other_flags_of_xla_are_said(capsys, workdir, stopped_at_training, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp/x --xla_cpu_enable_fast_math=true")
    with pytest.raises(stopped_at_training):
        cli.main(["train", *SMALL, "--workdir", str(workdir)])
    line = "XLA_FLAGS was '' and is '--xla_cpu_enable_fast_math=true' now: rounding may differ"
    assert line in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{}", '{"data": 3}', '{"data": {"name": null}}', "[]", "{", "\0"])
def test_an_environment_that_tells_nothing_is_a_line(capsys, workdir, text):
    (workdir / "environment.json").write_text(text)
    code, line = outcome(capsys, *SMALL, "--workdir", str(workdir))
    assert code == 1
    assert str(workdir / "environment.json") in line


def test_what_an_older_version_did_not_write_down_is_not_compared(workdir, stopped_at_training):
    file = workdir / "environment.json"
    environment = json.loads(file.read_text())
    del environment["settings"], environment["data"]["labels_crc32"]
    file.write_text(json.dumps(environment))
    with pytest.raises(stopped_at_training):
        cli.main(["train", *SMALL, "--workdir", str(workdir)])


def test_a_second_run_in_one_workdir_is_refused(capsys, stopped_at_training, workdir):
    with sole_trainer(run_dir.load(workdir)):
        code, line = outcome(capsys, *SMALL, "--workdir", str(workdir))
    assert code == 1
    assert line.startswith(f"process {os.getpid()} is training in {workdir}; wait until it ends")
    with pytest.raises(stopped_at_training):
        cli.main(["train", *SMALL, "--workdir", str(workdir)])


def test_cifar10_alone_and_not_at_hand_is_an_error(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    for name in ("TFDS_DATA_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    flags = ["--config.data.sources=cifar10", "--workdir", str(tmp_path / "run")]
    code, line = outcome(capsys, *CONFIG, *flags)
    assert code == 1
    assert "cifar10 is not at hand" in line


def test_a_corrupt_archive_is_an_error(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    for name in ("TFDS_DATA_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    archive = tmp_path / "cifar-10-binary.tar.gz"
    archive.write_bytes(b"\x1f\x8b" + bytes(1000))
    flags = [f"--config.data.dir={tmp_path}", "--workdir", str(tmp_path / "run")]
    code, line = outcome(capsys, *CONFIG, *flags)
    assert code == 1
    assert str(archive) in line


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (MemoryError(), "out of memory; what the last checkpoint holds is kept: lower"),
        ("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.", "out of memory; what the last"),
        (OSError(28, "No space left on device"), "No space left on device; what the last check"),
    ],
    ids=["host memory", "device memory", "disk"],
)
def test_running_out_of_something_is_a_line(capsys, tmp_path, monkeypatch, raised, message):
    from jax.errors import JaxRuntimeError

    error = JaxRuntimeError(raised) if isinstance(raised, str) else raised

    def exhaust(config, dataset, network):
        raise error

    monkeypatch.setattr(build, "build_training", exhaust)
    monkeypatch.chdir(ROOT)
    code, line = outcome(capsys, *SMALL, "--workdir", str(tmp_path / "run"))
    assert code == 1
    assert message in line


def test_an_error_of_xla_that_is_none_of_the_user_keeps_its_traceback(tmp_path, monkeypatch):
    from jax.errors import JaxRuntimeError

    def fail(config, dataset, network):
        raise JaxRuntimeError("INTERNAL: a bug")

    monkeypatch.setattr(build, "build_training", fail)
    monkeypatch.chdir(ROOT)
    with pytest.raises(JaxRuntimeError, match="INTERNAL"):
        cli.main(["train", *SMALL, "--workdir", str(tmp_path / "run")])


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has an NVIDIA GPU")
def test_a_gpu_that_is_not_there_is_code_2(tmp_path):
    done = subprocess.run(
        [sys.executable, "train.py", *SMALL, "--workdir", str(tmp_path / "run")],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cuda"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2
    *_, line = done.stderr.splitlines()  # JAX's own log may come before
    assert line.startswith("error: JAX_PLATFORMS=cuda: no such device here (")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_a_signal_before_training_ends_the_process_at_once(
    capsys, tmp_path, monkeypatch, number, code
):
    """Nothing is to be saved then: a download must not go on."""
    monkeypatch.setattr(training_run, "build_dataset", lambda config: signal.raise_signal(number))
    monkeypatch.chdir(ROOT)
    before = signal.getsignal(number)
    found, line = outcome(capsys, *SMALL, "--workdir", str(tmp_path / "run"))
    assert (found, line) == (code, "stopped at once; what the last checkpoint holds is kept")
    assert signal.getsignal(number) is before


def test_a_signal_that_becomes_another_error_is_told_as_what_it_is(capsys, tmp_path, monkeypatch):
    """As in the drawing of a figure; found by killing runs at drawn moments."""

    def draw(config):
        try:
            signal.raise_signal(signal.SIGTERM)
        except Stopped:
            raise ValueError("Invalid bounding box") from None

    monkeypatch.setattr(training_run, "build_dataset", draw)
    monkeypatch.chdir(ROOT)
    found, line = outcome(capsys, *SMALL, "--workdir", str(tmp_path / "run"))
    assert (found, line) == (143, "stopped at once; what the last checkpoint holds is kept")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_the_first_signal_is_noted_and_a_second_sigint_is_not(capfd, number, code):
    with StopRequest() as stop, stop.deferred():
        assert not stop()
        assert stop.exit_code == 0
        signal.raise_signal(number)
        assert stop()
        signal.raise_signal(signal.SIGTERM)  # a scheduler may repeat it
        assert stop.exit_code == code
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGINT)
    name = signal.Signals(number).name
    assert capfd.readouterr().err == f"\n{name}: saving, then stopping (Ctrl-C again: at once)\n"


def test_a_terminal_that_was_to_be_closed_stays_without_effect():
    """Under nohup SIGHUP is ignored, and whoever started it so wants the run to go on."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop, stop.deferred():
            signal.raise_signal(signal.SIGHUP)
            assert not stop()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_whose_exception_was_swallowed_is_not_lost():
    """As in a callback of the garbage collector; found by killing runs at drawn moments."""
    with StopRequest() as stop:
        with contextlib.suppress(Stopped):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped) as caught, stop.deferred():
            pass
    assert caught.value.exit_code == 143
