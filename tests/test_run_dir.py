"""A run directory survives kills, refuses other configs, and says where a run was made."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxconv.files import replacing, write_whole
from jaxconv.runs import run_dir
from jaxconv.runs.environment import environment, git_state
from jaxconv.runs.lock import sole_trainer
from jaxconv.runs.resumption import of_all_visits
from jaxconv.runs.run_dir import RunDirError

CONFIG = {"seed": 0, "epochs": 2, "data": {"sources": ("cifar10", "shapes10"), "dir": None}}


@pytest.fixture
def run(tmp_path):
    return run_dir.create(tmp_path / "run")


def row(epoch):
    return {"epoch": epoch, "step": 98 * epoch, "test_accuracy": 10.0 + epoch}


def test_create_resolves_a_relative_path_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = run_dir.create("runs/a")
    monkeypatch.chdir("/")
    assert run.path == tmp_path / "runs" / "a"
    assert list(run.path.iterdir()) == []  # the probe is gone


def test_create_keeps_what_is_there(run):
    run.summary_txt.write_text("kept")
    assert run_dir.create(run.path) == run
    assert run.summary_txt.read_text() == "kept"


def one_line(caught):
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_create_refuses_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunDirError, match="give a --workdir that you can write to") as caught:
            run_dir.create(path)
        assert str(path) in one_line(caught)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system nobody can write to")
def test_create_refuses_a_place_that_cannot_be_written():
    for path in ("/proc/run", "/proc"):
        with pytest.raises(RunDirError, match=f"cannot write to workdir {path} ") as caught:
            run_dir.create(path)
        one_line(caught)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_create_refuses_a_read_only_directory(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunDirError, match="Permission denied"):
        run_dir.create(tmp_path)


def test_create_refuses_an_empty_path():
    with pytest.raises(RunDirError, match="workdir is empty"):
        run_dir.create("")


def test_claim_writes_the_config_and_knows_it_again(run):
    assert run_dir.claim(run, CONFIG) is False
    assert json.loads(run.config_json.read_text()) == json.loads(json.dumps(CONFIG))
    assert run_dir.claim(run, CONFIG) is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 3}, "epochs is 2 there and 3 now"),
        ({"epochs": 2.0}, "epochs is 2 there and 2.0 now"),
        ({"data": {"sources": ["cifar10"], "dir": None}}, r"data.sources is \[.*\] there and"),
        ({"extra": "x"}, 'extra is absent there and "x" now'),
        ({"data": {"sources": ("cifar10", "shapes10")}}, "data.dir is null there and absent now"),
    ],
)
def test_claim_names_the_first_field_that_differs(run, change, message):
    run_dir.claim(run, CONFIG)
    before = run.config_json.read_bytes()
    with pytest.raises(RunDirError, match=message) as caught:
        run_dir.claim(run, CONFIG | change)
    assert str(run.path) in one_line(caught)
    assert "give a new --workdir" in one_line(caught)
    assert run.config_json.read_bytes() == before


def test_claim_lets_named_fields_differ_and_keeps_their_new_value(run):
    run_dir.claim(run, CONFIG)
    moved = CONFIG | {"data": CONFIG["data"] | {"dir": "/elsewhere"}}
    assert run_dir.claim(run, moved, may_differ=("data.dir",)) is True
    assert run_dir.read_json(run.config_json)["data"]["dir"] == "/elsewhere"


def test_claim_takes_a_field_that_came_later_for_what_stands_for_its_absence(run):
    run_dir.claim(run, CONFIG)
    later = CONFIG | {"optimizer": {"nesterov": False}}
    with pytest.raises(run_dir.RunDirError, match=r"optimizer.nesterov is absent there and false"):
        run_dir.claim(run, later)
    added = {"optimizer.nesterov": False}
    changed = CONFIG | {"optimizer": {"nesterov": True}}
    with pytest.raises(run_dir.RunDirError, match=r"optimizer.nesterov is false there and true"):
        run_dir.claim(run, changed, added=added)
    assert run_dir.claim(run, later, added=added) is True
    assert run_dir.read_json(run.config_json) == json.loads(json.dumps(later))


def test_claim_refuses_results_without_a_config(run):
    run.checkpoints.mkdir()
    with pytest.raises(RunDirError, match=r"holds checkpoints but no config\.json"):
        run_dir.claim(run, CONFIG)


def test_claim_names_a_damaged_config(run):
    run.config_json.write_text('{"seed": ')
    with pytest.raises(RunDirError, match=r"cannot read .*config\.json") as caught:
        run_dir.claim(run, CONFIG)
    one_line(caught)


def test_load_wants_a_run_directory(run):
    with pytest.raises(RunDirError, match=r"is no run directory: it has no config\.json"):
        run_dir.load(run.path)
    run_dir.claim(run, CONFIG)
    assert run_dir.load(str(run.path)) == run


def test_metrics_of_a_run_that_has_not_begun(run):
    assert run_dir.read_metrics(run) == []
    assert run_dir.truncate_metrics(run, after_epoch=0) == []


def test_going_on_after_a_kill_at_any_byte_equals_never_having_stopped(run):
    rows = [row(epoch) for epoch in (1, 2, 3)]
    for each in rows:
        run_dir.append_metrics(run, each)
    whole = run.metrics_jsonl.read_bytes()
    for size in range(len(whole) + 1):
        run.metrics_jsonl.write_bytes(whole[:size])
        finished = run_dir.read_metrics(run)
        assert finished == rows[: whole[:size].count(b"\n")]
        for checkpointed in range(len(finished) + 1):
            run.metrics_jsonl.write_bytes(whole[:size])
            kept = run_dir.truncate_metrics(run, after_epoch=checkpointed)
            assert kept == rows[:checkpointed]
            for each in rows[checkpointed:]:
                run_dir.append_metrics(run, each)
            assert run.metrics_jsonl.read_bytes() == whole


def test_metrics_damaged_in_the_middle_are_named(run):
    run.metrics_jsonl.write_text('{"epoch": 1}\n{"epo\n{"epoch": 3}\n')
    with pytest.raises(RunDirError, match=r"metrics\.jsonl line 2 is no epoch in JSON") as caught:
        run_dir.read_metrics(run)
    one_line(caught)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_metrics_are_finite(run, value):
    with pytest.raises(ValueError, match="metric test_loss must be finite"):
        run_dir.append_metrics(run, row(1) | {"test_loss": value})
    assert run_dir.read_metrics(run) == []


def killed_while_running(code, *, ready):
    """Starts `code`, kills it hard once `ready()` holds, and waits until it is gone."""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while not ready():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()


def test_a_kill_while_rows_are_written_leaves_whole_rows(run):
    code = f"""if True:
        from jaxconv.runs import run_dir
        run = run_dir.create({str(run.path)!r})
        for epoch in range(1, 1_000_000):
            run_dir.append_metrics(run, {{"epoch": epoch}})"""
    killed_while_running(code, ready=lambda: len(run_dir.read_metrics(run)) > 20)
    epochs = [each["epoch"] for each in run_dir.read_metrics(run)]
    assert epochs == list(range(1, len(epochs) + 1))


def test_a_kill_while_a_file_is_rewritten_leaves_a_whole_file(run):
    path = run.path / "big.json"
    code = f"""if True:
        import pathlib
        from jaxconv.runs import run_dir
        for number in range(1_000_000):
            run_dir.write_json(pathlib.Path({str(path)!r}), [number] * 100_000)"""
    killed_while_running(code, ready=lambda: path.exists() and json.loads(path.read_text())[0] > 3)
    assert len(set(json.loads(path.read_text()))) == 1


def test_a_failed_write_leaves_the_version_before_and_no_litter(run):
    write_whole(run.summary_txt, "before")

    def write():
        with replacing(run.summary_txt) as file:
            file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert run_dir.read_text(run.summary_txt) == "before"
    assert [path.name for path in run.path.iterdir()] == ["summary.txt"]


def test_only_plain_values_are_written(run):
    with pytest.raises(TypeError, match="plain values only"):
        run_dir.write_json(run.config_json, {"path": Path("/")})
    assert not run.config_json.exists()


def test_environment_names_what_a_result_depends_on(run):
    device = {"backend": "cpu", "kind": "a cpu", "count": 1}
    found = environment(device)
    assert found["device"] == device
    assert found["versions"].keys() >= {"jax", "jaxlib", "flax", "optax", "numpy", "albumentations"}
    assert found["versions"]["numpy"] == sys.modules["numpy"].__version__
    assert found["time_utc"].endswith("+00:00")
    run_dir.write_json(run.environment_json, found)
    assert run_dir.read_json(run.environment_json) == found


def test_the_environment_stays_that_in_which_training_began(run):
    first, second, third = ({**environment({"count": n}), "data": {"train": n}} for n in (1, 2, 3))
    for made in (first, second, third):
        run_dir.write_json(run.environment_json, of_all_visits(run, made))
    found = run_dir.read_json(run.environment_json)
    visits = found.pop("visits")
    assert found == first | {"data": third["data"]}
    assert [visit["device"] for visit in visits] == [{"count": 2}, {"count": 3}]
    assert visits[0].keys() == {"time_utc", "command", "device", "versions", "git"}


def test_a_file_system_without_locks_trains_and_is_told(run, monkeypatch, caplog):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with sole_trainer(run):
        pass
    assert caplog.messages == [
        f"{run.path} cannot be locked (No locks available): use it from one process"
    ]


def git(directory, *arguments):
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid")
    command = ["git", "-C", str(directory), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_git_state_is_of_this_checkout_alone(tmp_path, monkeypatch):
    assert git_state(tmp_path) is None
    git(tmp_path, "init")
    assert git_state(tmp_path) is None  # no commit yet
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    clean = {"commit": git(tmp_path, "rev-parse", "HEAD"), "dirty": False}
    assert git_state(tmp_path) == clean
    assert git_state(tmp_path / "inner") is None
    (tmp_path / "untracked").write_text("")
    assert git_state(tmp_path) == clean
    (tmp_path / "inner" / "file").write_text("two")
    assert git_state(tmp_path) == clean | {"dirty": True}
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) is None


@pytest.mark.parametrize("workdir", ["~nobody-of-that-name/x", "a\0b"])
def test_what_is_no_path_is_refused(workdir):
    for function in (run_dir.create, run_dir.load):
        with pytest.raises(run_dir.RunDirError, match=r"is no path .*; give --workdir another one"):
            function(workdir)


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(run_dir.RunDirError):
        run_dir.create(tmp_path / "a" / "run")


def test_a_pipe_among_the_files_of_a_run_is_not_waited_for(tmp_path):
    run = run_dir.create(tmp_path)
    os.mkfifo(run.environment_json)
    with pytest.raises(run_dir.RunDirError, match=r"cannot read .*\(no plain file, or too large"):
        run_dir.read_json(run.environment_json)
    os.mkfifo(run.config_json)
    with pytest.raises(run_dir.RunDirError, match="is no run directory"):
        run_dir.load(tmp_path)
