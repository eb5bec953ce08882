"""Checkpoints: what is kept, what is believed, and what one line says about the rest."""

import contextlib
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.training.checkpoint import (
    CheckpointDamaged,
    CheckpointError,
    Checkpoints,
)
from jaxconv.training.orbax_noise import hushed


def tree(seed, width=40):
    """A pytree with what a training state has: nesting, scalars, an empty part, bfloat16."""
    rng = np.random.default_rng(seed)
    return {
        "kernel": rng.standard_normal((64, width)).astype(np.float32),
        "pair": (jnp.asarray(rng.standard_normal(7), jnp.bfloat16), np.int32(seed)),
        "nothing": {},
    }


ROOT = Path(__file__).resolve().parents[1]
LIKE = tree(0)


def save(directory, steps, accuracies=None):
    checkpoints = Checkpoints(directory)
    for step in steps:
        checkpoints.save(step, tree(step), test_accuracy=(accuracies or {}).get(step))
    checkpoints.close()


def steps_in(directory):
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit())


def latest(directory):
    """The step that going on starts from."""
    checkpoints = Checkpoints(directory)
    try:
        restored = checkpoints.restore_latest(LIKE)
        step = int(restored["pair"][1])
        chex.assert_trees_all_equal(restored, tree(step))
        return step
    finally:
        checkpoints.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A directory with the checkpoints 1 and 2, evaluated both."""
    directory = tmp_path_factory.mktemp("checkpoints")
    save(directory, [1, 2], {1: 11.0, 2: 12.0})
    return directory


@pytest.fixture
def copy_of_two(two, tmp_path):
    return shutil.copytree(two, tmp_path / "checkpoints")


def test_a_checkpoint_gives_back_every_bit(two):
    checkpoints = Checkpoints(two)
    for step in (1, 2):
        restored = checkpoints.restore(step, LIKE)
        chex.assert_trees_all_equal(restored, tree(step))
        chex.assert_trees_all_equal_shapes_and_dtypes(restored, tree(step))
    checkpoints.close()


def test_an_empty_directory_has_none(tmp_path):
    checkpoints = Checkpoints(tmp_path / "new")
    assert (checkpoints.latest_step, checkpoints.best_step) == (None, None)
    assert checkpoints.restore_latest(LIKE) is None
    checkpoints.close()


def test_the_two_latest_and_the_best_are_kept(tmp_path):
    """Also where stops in mid-epoch leave checkpoints without an accuracy: they go with time."""
    save(tmp_path, range(1, 10), {1: 10.0, 3: 30.0, 5: 20.0, 7: 25.0})
    assert steps_in(tmp_path) == [3, 8, 9]
    checkpoints = Checkpoints(tmp_path)
    assert (checkpoints.best_step, checkpoints.latest_step) == (3, 9)
    checkpoints.save(12, tree(12), test_accuracy=31.0)
    checkpoints.save(15, tree(15), test_accuracy=5.0)
    checkpoints.close()
    assert steps_in(tmp_path) == [12, 15]
    assert latest(tmp_path) == 15


def test_saving_a_step_twice_keeps_the_first(copy_of_two):
    checkpoints = Checkpoints(copy_of_two)
    checkpoints.save(2, tree(9), test_accuracy=99.0)
    checkpoints.close()
    assert latest(copy_of_two) == 2


def test_a_save_holds_what_was_there_when_it_was_asked_for(tmp_path):
    """The arrays may be overwritten at once, as donated buffers are, while it is being written."""
    checkpoints = Checkpoints(tmp_path)
    overwrite = jax.jit(
        lambda tree: jax.tree.map(lambda leaf: leaf * 0 - 1, tree), donate_argnums=0
    )
    like = {"large": jnp.zeros((1000, 1000))}
    for step in range(1, 6):
        state = {"large": jnp.full((1000, 1000), float(step))}
        checkpoints.save(step, state)
        for _ in range(20):
            state = overwrite(state)
        restored = None if step < 2 else checkpoints.restore(step - 1, like)
        assert restored is None or (restored["large"] == step - 1).all()
    checkpoints.close()


def test_an_unfinished_save_is_not_a_checkpoint(copy_of_two):
    """What a kill leaves of it is swept away at the next start."""
    left = copy_of_two / "3.orbax-checkpoint-tmp-1700000000"
    shutil.copytree(copy_of_two / "2", left)
    assert latest(copy_of_two) == 2
    assert not left.exists()


def damage(directory, kind, source):
    """Damages one file of checkpoint 2; `source` is a random.Random."""
    files = sorted(path for path in (directory / "2").rglob("*") if path.is_file())
    file = source.choice(files)
    data = bytearray(file.read_bytes())
    if kind == "flip" and data:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)
        file.write_bytes(data)
    elif kind == "truncate":
        file.write_bytes(data[: source.randrange(len(data) + 1)])
    elif kind == "zero":
        file.write_bytes(bytes(len(data)))
    else:
        file.unlink()
    return file


def assert_damage_is_survived(two, place, draws):
    """Each drawn damage is harmless, or noticed: then checkpoint 1 is used and a line says so."""
    fell_back = 0
    for number in draws:
        source = random.Random(number)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(two, place)
        damage(place, source.choice(["flip", "truncate", "zero", "remove"]), source)
        fell_back += latest(place) == 1
        assert (place / "damaged-2").exists() == (not (place / "2").exists())
    return fell_back


def test_damage_falls_back_to_the_checkpoint_before(two, tmp_path, capsys):
    fell_back = assert_damage_is_survived(two, tmp_path / "damaged", range(40))
    assert 10 < fell_back < 30
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == fell_back
    for line in lines:
        assert line.startswith(str(tmp_path / "damaged" / "2"))
        assert line.endswith("; it is now damaged-2, and the one before it is used")


@pytest.mark.slow
def test_damage_three_hundred_times(two, tmp_path):
    assert_damage_is_survived(two, tmp_path / "damaged", range(1000, 1300))


def test_training_goes_on_after_a_fall_back(copy_of_two):
    """The damaged step can be saved again: nothing is in its place."""
    (copy_of_two / "2" / "_CHECKPOINT_METADATA").write_text("{")
    assert latest(copy_of_two) == 1
    save(copy_of_two, [2, 3], {2: 12.0})
    checkpoints = Checkpoints(copy_of_two)
    assert (checkpoints.latest_step, checkpoints.best_step) == (3, 2)
    checkpoints.close()
    assert latest(copy_of_two) == 3


def test_a_changed_accuracy_is_damage_too(copy_of_two):
    (copy_of_two / "2" / "metrics" / "metrics").write_text('{"test_accuracy": 99.0}')
    checkpoints = Checkpoints(copy_of_two)
    with pytest.raises(CheckpointDamaged, match="does not hold what was saved there"):
        checkpoints.restore(2, LIKE)
    checkpoints.close()


@pytest.mark.parametrize("file", ["_CHECKPOINT_METADATA", "metrics/metrics", "default/_METADATA"])
def test_with_none_left_the_run_is_refused_and_nothing_is_moved(copy_of_two, file):
    """Twice: a second try must not start from nothing."""
    for step in (1, 2):
        (copy_of_two / str(step) / file).write_text("{")
    for _ in range(2):
        with pytest.raises(CheckpointDamaged, match=r"no other is left to go on from: give a new"):
            latest(copy_of_two)
        assert steps_in(copy_of_two) == [1, 2]


@pytest.mark.parametrize(
    ("like", "difference"),
    [
        (tree(0, width=41), "kernel is float32[64, 40] there and float32[64, 41] in this program"),
        (tree(0) | {"more": np.zeros(3)}, "more is absent there and float64[3] in this program"),
        ({"kernel": LIKE["kernel"]}, "pair/0 is bfloat16[7] there and absent in this program"),
        (
            tree(0) | {"kernel": LIKE["kernel"].astype(np.float16)},
            "kernel is float32[64, 40] there and float16[64, 40] in this program",
        ),
    ],
    ids=["shape", "added", "removed", "dtype"],
)
def test_a_checkpoint_of_another_network_is_refused_by_the_first_difference(two, like, difference):
    checkpoints = Checkpoints(two)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.restore_latest(like)
    checkpoints.close()
    assert not isinstance(caught.value, CheckpointDamaged)
    assert str(caught.value) == (
        f"{two / '2'} is of another network or optimizer: {difference}; "
        "give a new --workdir, or the program that wrote it"
    )


def contents(directory):
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*")}


def test_reading_only_touches_nothing(copy_of_two):
    """A run may be looked at while it saves: its temporary directories are its own."""
    (copy_of_two / "3.orbax-checkpoint-tmp-1700000000").mkdir()
    before = contents(copy_of_two)
    checkpoints = Checkpoints(copy_of_two, read_only=True)
    assert (checkpoints.best_step, checkpoints.latest_step) == (2, 2)
    chex.assert_trees_all_equal(checkpoints.restore(2, LIKE), tree(2))
    checkpoints.close()
    assert contents(copy_of_two) == before


def test_reading_only_names_damage_and_leaves_it(copy_of_two):
    (copy_of_two / "2" / "metrics" / "metrics").write_text("{")
    before = contents(copy_of_two)
    with pytest.raises(
        CheckpointDamaged, match=r"/2 can't be read \(.*with training sets it aside"
    ):
        Checkpoints(copy_of_two, read_only=True)
    assert contents(copy_of_two) == before


def test_a_save_that_fails_is_one_line_and_keeps_those_before(copy_of_two):
    checkpoints = Checkpoints(copy_of_two)
    aside = copy_of_two.rename(copy_of_two.with_name("moved"))
    copy_of_two.write_text("a file is in the way")
    with pytest.raises(CheckpointError) as caught:
        checkpoints.save(3, tree(3))
    message = str(caught.value)
    assert message.startswith(f"can't save a checkpoint in {copy_of_two} (")
    assert "those before it are kept" in message
    assert "\n" not in message
    assert latest(aside) == 2


def test_a_place_that_cannot_be_is_known_at_the_start(tmp_path):
    (tmp_path / "checkpoints").write_text("a file is in the way")
    with pytest.raises(FileExistsError):
        Checkpoints(tmp_path / "checkpoints")


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from jaxconv.training.checkpoint import CheckpointError, Checkpoints
from jaxconv.training.orbax_noise import hushed
checkpoints = Checkpoints(Path(sys.argv[1]))
noise = np.random.default_rng(0).standard_normal(50_000).astype(np.float32)
checkpoints.save(1, noise)
checkpoints.close()
checkpoints = Checkpoints(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with hushed():
        checkpoints.save(2, noise)
        checkpoints.close()
except CheckpointError as error:
    sys.exit(f"error: {error}")
"""


def test_a_coroutine_that_an_error_left_behind_is_told_outside_only():
    async def metadata():
        pass

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with hushed():
            metadata()
        assert told == []
        metadata()
        assert [str(warning.message) for warning in told] == [
            f"coroutine '{metadata.__qualname__}' was never awaited"
        ]


def run_python(program, place):
    """What a Python process of its own did with a program, which gets the place as its argument."""
    command = [sys.executable, "-c", program, str(place)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_a_disk_that_is_full_is_one_line_and_the_process_ends(tmp_path):
    """A limit on the size of files stands for it: the kernel refuses the write in the same way."""
    start = time.monotonic()
    done = run_python(FULL_DISK, tmp_path)
    assert time.monotonic() - start < 60  # threads that wait for ever would take 5 minutes
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: can't save a checkpoint in {tmp_path} (")
    checkpoints = Checkpoints(tmp_path)
    assert (checkpoints.latest_step, steps_in(tmp_path)) == (1, [1])
    checkpoints.restore_latest(np.zeros(50_000, np.float32))
    checkpoints.close()


INTERRUPTED = """
import sys
from pathlib import Path
import numpy as np
from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.orbax_noise import hushed
noise = [np.random.default_rng(0).standard_normal(1_000_000) for _ in range(20)]
try:
    with hushed():
        Checkpoints(Path(sys.argv[1])).save(1, noise)
        raise KeyboardInterrupt
except KeyboardInterrupt:
    sys.exit("error: stopped at once")
"""


def test_a_save_that_the_end_of_the_process_overtakes_is_given_up_in_silence(tmp_path):
    done = run_python(INTERRUPTED, tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: stopped at once\n")


def metadata_of(directory, **changes):
    file = directory / "_CHECKPOINT_METADATA"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


STRANGE = {
    "later than any year": lambda place: metadata_of(place, commit_timestamp_nsecs=10**40),
    "before any year": lambda place: metadata_of(place, init_timestamp_nsecs=-(10**30)),
    "times of text": lambda place: metadata_of(place, commit_timestamp_nsecs="1"),
    "a list": lambda place: (place / "_CHECKPOINT_METADATA").write_text("[]"),
    "nested": lambda place: (place / "_CHECKPOINT_METADATA").write_text("[" * 100_000),
    "a pipe": lambda place: pipe_at(place / "_CHECKPOINT_METADATA"),
    "metrics of a pipe": lambda place: pipe_at(place / "metrics" / "metrics"),
    "a link": lambda place: link_at(place / "default" / "_METADATA"),
}


def pipe_at(file):
    file.unlink()
    os.mkfifo(file)


def link_at(file):
    outside = file.rename(file.parents[3] / "outside")
    file.symlink_to(outside)


@pytest.mark.parametrize("kind", STRANGE)
def test_what_orbax_would_fail_at_or_wait_for_is_set_aside(copy_of_two, kind, capsys):
    STRANGE[kind](copy_of_two / "2")
    with pytest.raises(CheckpointDamaged, match=r"/2 can't be read \(.*training sets it aside"):
        Checkpoints(copy_of_two, read_only=True)
    assert latest(copy_of_two) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("; it is now damaged-2, and the one before it is used")


def test_a_directory_that_leads_out_of_the_run_is_refused(two, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").symlink_to(two)
    with pytest.raises(OSError, match="a link that leads out of"):
        Checkpoints(tmp_path / "run" / "checkpoints")
    assert steps_in(two) == [1, 2]


def test_a_link_where_damage_is_put_is_removed_and_not_followed(copy_of_two, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (copy_of_two / "damaged-2").symlink_to(tmp_path / "mine")
    (copy_of_two / "2" / "_CHECKPOINT_METADATA").write_text("{")
    assert latest(copy_of_two) == 1
    assert (tmp_path / "mine" / "file").exists()
    assert not (copy_of_two / "damaged-2").is_symlink()


@pytest.mark.parametrize("best", [False, True])
def test_a_checkpoint_that_goes_while_it_is_looked_at_is_another_one(copy_of_two, best):
    """As where the run that it belongs to trains on, and keeps two."""
    checkpoints = Checkpoints(copy_of_two, read_only=True)
    shutil.copytree(copy_of_two / "2", copy_of_two / "3")
    shutil.rmtree(copy_of_two / "2")
    step, restored = checkpoints.restore_chosen(LIKE, best=best)
    assert step == 3
    chex.assert_trees_all_equal(restored, tree(2))
    checkpoints.close()


def test_a_damaged_one_that_stays_is_told_at_once(copy_of_two):
    checkpoints = Checkpoints(copy_of_two, read_only=True)
    (copy_of_two / "2" / "_CHECKPOINT_METADATA").write_text("{")
    with pytest.raises(CheckpointDamaged, match=r"/2 (can't be read|does not hold what)"):
        checkpoints.restore_chosen(LIKE)
    checkpoints.close()


def test_an_empty_directory_has_none_to_choose(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(CheckpointError, match="holds no whole checkpoint; train there first"):
        checkpoints.restore_chosen(LIKE)
    checkpoints.close()


def test_orbax_says_nothing_of_its_own(copy_of_two, caplog):
    checkpoints = Checkpoints(copy_of_two)
    checkpoints.save(3, tree(3))
    checkpoints.wait()
    checkpoints.restore_latest(LIKE)
    checkpoints.close()
    checkpoints = Checkpoints(copy_of_two, read_only=True)
    checkpoints.restore_chosen(LIKE, best=True)
    checkpoints.close()
    assert [record.getMessage() for record in caplog.records] == []


def process_wide():
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    return sys.excepthook, sys.unraisablehook, [list(logger.filters) for logger in loggers]


def test_nothing_of_the_process_is_changed_for_longer_than_it_is_needed(copy_of_two):
    """Its hooks and its loggers are the user's."""
    before = process_wide()
    checkpoints = Checkpoints(copy_of_two)
    assert process_wide() == before
    checkpoints.save(3, tree(3), test_accuracy=13.0)
    assert process_wide() == before
    checkpoints.wait()
    checkpoints.restore(3, LIKE)
    (copy_of_two / "3" / "_CHECKPOINT_METADATA").write_text("{")
    checkpoints.restore_latest(LIKE)
    checkpoints.close()
    with hushed(), hushed():
        assert process_wide() != before
    with contextlib.suppress(ZeroDivisionError), hushed():
        raise ZeroDivisionError
    assert process_wide() == before
