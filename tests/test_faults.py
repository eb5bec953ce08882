"""Faults done to real runs of train.py: one line says what is kept, and going on loses nothing.

pytest -m slow tests/test_faults.py
"""

import os
import random
import resource
import shutil
import subprocess

import numpy as np
import pytest
from tiny import EPOCHS, STEPS, TinyRun
from train_process import Train, final_digest, metrics

from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.epochs import make_host_epoch
from jaxconv.training.loop import Diverged
from jaxconv.training.step import identity_augment, make_train_step


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def unbroken(cache, tmp_path_factory):
    """The run that nothing disturbs: what every other one must end as."""
    workdir = tmp_path_factory.mktemp("unbroken")
    run = Train(workdir, cache)
    assert run.end() == 0, run.errors
    return workdir


def refusal(run, code=1):
    """The one line that a process ends with."""
    assert run.end() == code, (run.lines, run.errors)
    (line,) = run.errors.splitlines()
    assert line.startswith("error: ")
    return line


def require_goes_on(workdir, cache, unbroken, *flags):
    """That the same command goes on, and ends as the unbroken run."""
    run = Train(workdir, cache, *flags)
    assert run.end() == 0, run.errors
    assert final_digest(workdir) == final_digest(unbroken)
    assert metrics(workdir) == metrics(unbroken)
    return run


@pytest.fixture
def disk(tmp_path):
    """`disk(options)` mounts a small file system, or changes it; it goes with the test."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        how = "remount," if place.is_mount() else ""
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", how + options, "tmpfs", str(place)], capture_output=True
        )
        if done.returncode:
            pytest.skip("no file system may be mounted here")
        return place

    yield mount
    if place.is_mount():
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("kib", [4, 40, 800, 2400, 4000, 5600])
def test_a_full_disk_keeps_what_was_saved(disk, cache, unbroken, kib):
    """From one too small for a config to one that the last checkpoints do not fit into."""
    place = disk(f"size={kib}k")
    line = refusal(Train(place / "run", cache, "--config.checkpoint.every_steps=4"))
    assert "No space left on device" in line
    assert "kept" in line or "give a --workdir that you can write to" in line
    disk("size=100m")
    require_goes_on(place / "run", cache, unbroken)


@pytest.mark.slow
def test_a_disk_that_may_only_be_read_is_refused_and_left_alone(disk, cache, unbroken):
    place = disk("size=100m")
    shutil.copytree(unbroken, place / "run")
    disk("ro")
    line = refusal(Train(place / "run", cache))
    assert f"cannot write to workdir {place / 'run'} (Read-only file system); give a" in line
    disk("rw")
    require_goes_on(place / "run", cache, unbroken)


@pytest.mark.slow
def test_an_output_that_nobody_reads_costs_nothing(cache, unbroken, tmp_path):
    """As `... | head -4`: the run goes on in silence."""
    run = Train(tmp_path, cache).until("epoch   1/")
    run.hang_up()
    assert run.end() == 0, run.errors
    assert final_digest(tmp_path) == final_digest(unbroken)
    assert metrics(tmp_path) == metrics(unbroken)


@pytest.mark.slow
def test_a_second_run_is_refused_and_the_first_goes_on(cache, unbroken, tmp_path):
    first = Train(tmp_path, cache).until("starts at step 0")
    for _ in range(2):
        line = refusal(Train(tmp_path, cache))
        assert f"is training in {tmp_path}; wait until it ends, stop it, or give another" in line
    assert first.end() == 0
    assert final_digest(tmp_path) == final_digest(unbroken)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(6))
def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(
    cache, unbroken, tmp_path, number
):
    """Of a run that was killed: its latest checkpoint is cut, or has a bit flipped."""
    source = random.Random(number)
    run = Train(tmp_path, cache, "--config.checkpoint.every_steps=4").until("epoch   2/")
    assert run.send(9).end() == -9
    steps = [int(path.name) for path in (tmp_path / "checkpoints").glob("[0-9]*[0-9]")]
    place = tmp_path / "checkpoints" / str(max(steps))
    file = max(place.rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    if number % 2:
        os.truncate(file, source.randrange(file.stat().st_size))
    else:
        damage_at(file, source.randrange(1000, file.stat().st_size))
    run = require_goes_on(tmp_path, cache, unbroken)
    (line,) = (line for line in run.lines if "damaged-" in line)
    assert line.startswith(f"{place} ")
    assert line.endswith(f"; it is now damaged-{max(steps)}, and the one before it is used")
    assert f"resumes at step {sorted(steps)[-2]} in" in "\n".join(run.lines)


@pytest.mark.slow
def test_damaged_compiled_programs_are_compiled_anew(cache, unbroken, tmp_path):
    """Each one that an earlier start has kept is cut, or has a bit flipped."""
    kept = shutil.copytree(cache, tmp_path / "cache")
    for number, file in enumerate(sorted(path for path in kept.iterdir() if path.stat().st_size)):
        if number % 2:
            os.truncate(file, file.stat().st_size // 2)
        else:
            damage_at(file, random.Random(number).randrange(file.stat().st_size))
    require_goes_on(tmp_path / "run", kept, unbroken)


def damage_at(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["1e5", "1e10", "1e30"])
def test_a_rate_that_diverges_is_named(cache, tmp_path, rate):
    line = refusal(Train(tmp_path, cache, f"--config.max_lr={rate}"))
    assert "is not finite, at a learning rate of about " in line
    assert "; lower --config.max_lr (of Muon: --config.optimizer.muon_lr), in" in line


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_named(cache, tmp_path):
    """A process that may have 6 GB, and a batch of 20,000 images."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    flags = ["--config.batch_size=20000", "--config.data.train_limit=20000"]
    resource.setrlimit(resource.RLIMIT_AS, (6_000_000_000, before[1]))
    try:
        run = Train(tmp_path, cache, *flags)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert refusal(run) == (
        "error: out of memory; what the last checkpoint holds is kept: "
        "lower --config.batch_size, in a new --workdir"
    )


@pytest.fixture(scope="module")
def float_run():
    """A run whose batches are float images made on the host, and its train step."""
    run = TinyRun("albumentations")
    return run, make_train_step(run.model, run.tx, identity_augment)


@pytest.mark.parametrize("bad_step", [0, 1, STEPS - 1, STEPS, 2 * STEPS + 1, EPOCHS * STEPS - 1])
def test_a_nan_in_the_data_ends_the_run_before_it_is_saved(float_run, tmp_path, bad_step):
    """In one value of one image of one batch, as an augmentation might make it."""
    (run, step), begun = float_run, iter(range(1000))

    def augment(images, epoch, examples):
        images = images.astype(np.float32)
        images[0, 0, 0, 0] = np.nan if next(begun) == bad_step else 0
        return images

    images, labels = (np.zeros((22, 8, 8, 3), np.uint8), np.zeros(22, np.int32))
    run_epoch = make_host_epoch(step, images, labels, augment, batch_size=8, seed=0)
    last = STEPS * (bad_step // STEPS)
    kept = f"checkpoint {last} is good" if last else "there is no checkpoint yet"
    with pytest.raises(Diverged, match=rf"the loss of step {bad_step} is not finite.*; {kept};"):
        run.but(run_epoch=run_epoch).fit(tmp_path, rows=[])
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest_step == (last or None)
    checkpoints.close()
