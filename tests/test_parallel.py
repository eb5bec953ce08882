"""Many devices give the results of one: virtual devices of the CPU, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxconv.ops.xla.lowering import LOWERINGS

ROOT = Path(__file__).resolve().parents[1]
# A busy machine may hold up a device for longer than XLA waits by default.
PATIENT = "--xla_cpu_collective_call_terminate_timeout_seconds=600"


def on_virtual_devices(task, *arguments, count=8):
    """What a task of many_devices.py finds where JAX sees `count` devices."""
    done = subprocess.run(
        [sys.executable, "tests/many_devices.py", task, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ
        | {
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={count} {PATIENT}",
        },
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def require_same_run(run, other):
    """The same curve within 1e-5, and a state apart by rounding."""
    assert [row["step"] for row in run["rows"]] == [row["step"] for row in other["rows"]]
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "lr"):
        ours, theirs = ([row[name] for row in each["rows"]] for each in (run, other))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(run["state"], other["state"], rtol=0, atol=1e-4)


def test_devices_do_not_change_the_curve():
    """Not 3 of them either, over which a batch of 8 does not divide, with the state split too."""
    runs = on_virtual_devices("curves", "device", "3s", count=3)
    require_same_run(runs["3s"], runs["plain"])
    assert runs["3s"]["split"] == 2  # a kernel and its momentum


def test_devices_do_not_change_the_curve_of_a_recipe_with_everything():
    """Pairs that are mixed lie on several devices, and an average is split as the weights are."""
    runs = on_virtual_devices("curves", "everything", "3s", count=3)
    require_same_run(runs["3s"], runs["plain"])
    assert runs["3s"]["split"] == 3  # a kernel, its momentum, and its average


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["device", "albumentations", "everything"])
def test_any_number_of_devices_gives_the_curve(engine):
    runs = on_virtual_devices("curves", engine, *"12345678", "2s", "4s", "8s")
    assert runs["1"] == runs["plain"]
    for run in runs.values():
        require_same_run(run, runs["plain"])


def test_each_lowering_gives_on_four_devices_what_it_gives_on_one():
    errors = on_virtual_devices("lowerings", 1, count=4)
    assert set(errors) == {row.name for row in LOWERINGS}
    assert max(errors.values()) < 1e-5


@pytest.mark.slow
def test_each_lowering_on_four_devices_in_many_cases():
    assert max(on_virtual_devices("lowerings", 5, count=4).values()) < 1e-5


def test_devices_exchange_sums_and_no_activations():
    """A kernel's gradient is summed in pieces of the batch, which must not travel."""
    ((kind, (_, sent)),) = on_virtual_devices("gradient_traffic", count=2).items()
    assert (kind, sent) == ("all-reduce", 3 * 3 * 8 * 8 * 4)


@pytest.mark.slow
def test_a_step_exchanges_what_the_documentation_says():
    assert on_virtual_devices("step_traffic", count=2) == {"all-reduce": [38, 779_900]}


def test_batch_norm_has_the_statistics_of_the_whole_batch_on_any_mesh():
    """Whatever its axes are called, and in parts where shard_map asks for parts."""
    errors = on_virtual_devices("batch_norm_on_any_mesh", count=4)
    assert set(errors) == {"Auto 0", "Auto 1", "Explicit 0", "Explicit 1", "shard_map"}
    assert max(errors.values()) < 1e-5
