"""Files and flags from anywhere: each is read, or refused by the error that is documented.

pytest -m slow tests/test_fuzz.py    # over 100,000 inputs
"""

import random

import cifar_files
import pytest
from fuzz_targets import (
    Cache,
    CommandLine,
    ConfigJson,
    Metrics,
    PackedArchive,
    Pickle,
    Safetensors,
    StateDict,
    TeacherFile,
    TorchZip,
)

from jaxconv.cli.config.error import ConfigError
from jaxconv.data import archive
from jaxconv.data.dataset import DataCorrupt
from jaxconv.data.teacher import TeacherError
from jaxconv.runs import run_dir

FEW, MANY = 150, 13_000  # inputs for each target

TARGETS = {
    PackedArchive: DataCorrupt,
    Pickle: ValueError,
    Cache: DataCorrupt,
    Safetensors: ValueError,
    StateDict: ValueError,
    TeacherFile: TeacherError,
    TorchZip: ValueError,
    CommandLine: ConfigError,
    ConfigJson: (ConfigError, run_dir.RunDirError),
    Metrics: run_dir.RunDirError,
}


def fuzz(target, place, count, seed):
    """How many inputs were refused; anything but the documented error ends the test."""
    allowed, refused, messages = TARGETS[target], 0, set()
    run = target(place)
    for number in range(count):
        try:
            run(random.Random(f"{seed} {number}"))
        except allowed as error:
            refused += 1
            messages.add(str(error))
        except SystemExit:  # after --help
            pass
        except BaseException as error:
            error.add_note(f"input {number} of seed {seed}")
            raise
    assert not any("\n" in message or len(message) > 9000 for message in messages)
    return refused


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(archive, "IMAGES_PER_BATCH", cifar_files.BATCH)


@pytest.mark.parametrize("target", TARGETS)
def test_a_few_damaged_inputs(tmp_path, target, capsys):
    refused = fuzz(target, tmp_path, FEW, seed=0)
    assert FEW // 5 < refused <= FEW


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_damaged_inputs(tmp_path, target, capsys, record_property):
    count = MANY
    refused = fuzz(target, tmp_path, count, seed=1)
    record_property(f"fuzzed: {target.__name__}", f"{count} inputs, {refused} refused")
