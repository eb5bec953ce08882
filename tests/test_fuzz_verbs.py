"""Every verb over damaged run directories, weights and tfds directories: a result, or one line.

pytest -m slow tests/test_fuzz_verbs.py    # 9,000 inputs
"""

import os
import random
import signal
import sys
import time

import cifar_files
import pytest
from fuzz_verbs import Runs, TfdsDirectories, WeightsFiles, cheap_networks

from jaxconv import cli

TARGETS = (Runs, WeightsFiles, TfdsDirectories)
FEW, MANY = 40, 3_000  # inputs for each target
LONGEST = 10  # seconds


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    cheap_networks(monkeypatch)
    cifar_files.empty_machine(tmp_path, monkeypatch)
    monkeypatch.setenv(
        "JAX_ENABLE_COMPILATION_CACHE", os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "1")
    )
    monkeypatch.syspath_prepend(tmp_path)


def too_long(*_):
    raise AssertionError("it takes too long")


def fuzz(target, place, count, seed, capfd):
    """How many of `count` commands failed; a traceback, a hang or an odd line ends the test."""
    make, refused, slowest = target(place), 0, 0.0
    before = signal.signal(signal.SIGALRM, too_long)
    capfd.readouterr()
    try:
        for number in range(count):
            argv = make(random.Random(f"{seed} {number}"))
            started = time.monotonic()
            signal.alarm(6 * LONGEST)
            try:
                code = cli.main(argv)
            except BaseException as error:
                error.add_note(f"input {number} of seed {seed}: {' '.join(argv)}")
                raise
            signal.alarm(0)
            slowest = max(slowest, time.monotonic() - started)
            refused += code in (1, 2)
            require_told(argv, code, capfd.readouterr(), f"input {number} of seed {seed}")
            assert make.outside.read_text() == "not of the run", argv
            assert "evil" not in sys.modules
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return refused, slowest


def require_told(argv, code, captured, where):
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert code in (0, 1, 2, 143), (argv, code, where)
    assert len(errors) == (code in (1, 2)), (argv, code, captured.err, where)
    for line in (captured.out + captured.err).split("\n"):
        assert line.isprintable(), (argv, line, where)
        assert len(line) < 9000, (argv, len(line), where)
    assert "Traceback" not in captured.err, (argv, captured.err, where)


@pytest.mark.parametrize("target", TARGETS)
def test_every_verb_over_a_few_damaged_inputs(tmp_path, target, capfd):
    refused, _ = fuzz(target, tmp_path, FEW, 0, capfd)
    assert FEW // 5 < refused <= FEW


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_every_verb_over_many_damaged_inputs(tmp_path, target, capfd, record_property):
    refused, slowest = fuzz(target, tmp_path, MANY, 1, capfd)
    assert slowest < LONGEST
    words = f"{MANY} inputs, {refused} refused, the slowest took {slowest:.1f} s"
    record_property(f"fuzzed through the verbs: {target.__name__}", words)
