"""The benchmarks' own honesty: pairs, drift, unsteady clocks, opponents that differ or fail."""

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from train_process import ROOT, SMALL

from benchmarks import problem, recipe, targets, variants
from benchmarks.compete import Contender, Settings, check_same, race
from benchmarks.flax_s9 import FlaxS9
from benchmarks.grid import CASES
from benchmarks.measure import Comparison, compare, compare_steadily, others_busy, units_for
from benchmarks.record import finish
from benchmarks.result import Result
from benchmarks.worker import Job, WorkerFailed, serve
from jaxconv.models.s9 import S9Net
from jaxconv.models.summary import summarize

STEADY = Comparison(2.0, 1.9, 2.1, 8, 0.5, 1.0, 1.01, True)


class Machine:
    """A fake clock: the work of A and of B, on a machine that slows down with each slot."""

    def __init__(self, drift=1.0):
        self.slots, self.speed, self.drift = [], 1.0, drift

    def slot(self, name, seconds):
        def run():
            self.slots.append(name)
            self.speed *= self.drift
            return seconds * self.speed

        return run


def test_slots_are_interleaved_as_a_b_b_a():
    machine = Machine()
    compare(machine.slot("a", 1), machine.slot("b", 3), pairs=4)
    assert "".join(machine.slots) == "abbaabba"


def test_the_ratio_is_how_many_times_as_fast_a_is():
    machine = Machine()
    found = compare(machine.slot("a", 0.5), machine.slot("b", 1.5), pairs=7)
    assert found.ratio == found.low == found.high == pytest.approx(3)
    assert (found.pairs, found.a_seconds, found.b_seconds) == (8, 0.5, 1.5)
    assert found.same == 1
    assert found.steady


def test_a_drift_cancels_in_the_median():
    machine = Machine(drift=1.01)
    found = compare(machine.slot("a", 1), machine.slot("b", 2), pairs=8)
    assert found.ratio == pytest.approx(2, rel=1e-3)
    assert found.low < 2 < found.high


def test_the_same_work_that_differs_discards_a_run_and_is_tried_again():
    machine = Machine(drift=1.03)
    slots = machine.slot("a", 1), machine.slot("b", 2)
    found = compare_steadily(*slots, pairs=2, attempts=3, others=lambda: 0.0)
    assert not found.steady
    assert found.same == pytest.approx(1.03**3)
    assert len(machine.slots) == 3 * 4


def test_others_at_work_discard_a_run_until_they_are_done():
    machine, shares = Machine(), iter([0.5, 0.5, 0.0, 0.6, 0.1, 0.2])
    slots = machine.slot("a", 1), machine.slot("b", 2)
    found = compare_steadily(*slots, pairs=2, attempts=3, others=lambda: next(shares))
    assert found.steady
    assert found.busy == 0.2
    assert len(machine.slots) == 3 * 4


def test_the_share_of_busy_processors_is_a_share():
    assert 0 <= others_busy(0.05) <= 1


def test_a_slot_holds_at_least_one_unit():
    assert units_for(1.0, 0.3) == 4
    assert units_for(1.0, 5.0) == 1
    assert units_for(0.001, 0.0) > 0


def test_an_unsteady_result_is_recorded_and_fails_the_run(tmp_path):
    unsteady = STEADY._replace(same=1.2, steady=False)
    good = Result("inference", "jaxconv", "PyTorch eager", STEADY, {"images/s": 256.0})
    bad = Result("inference", "jaxconv", "torch.compile", unsteady, {})
    assert finish("inference", [good], tmp_path) == 0
    assert finish("inference", [good, bad], tmp_path) == 1
    assert "UNSTEADY: the same work differed 1.20x" in bad.line
    lines = [json.loads(line) for line in (tmp_path / "inference.jsonl").read_text().splitlines()]
    assert [line["comparison"]["steady"] for line in lines] == [True, True, False]
    assert {"versions", "git", "device", "time_utc"} <= lines[0].keys()
    assert (tmp_path / "inference.png").read_bytes().startswith(b"\x89PNG")


def test_opponents_that_compute_other_numbers_are_refused():
    check_same([2.3, 2.2], [2.3001, 2.2], "theirs")
    with pytest.raises(WorkerFailed, match=r"theirs computes other numbers: 0.1 apart, of 2.3"):
        check_same([2.3, 2.2], [2.3, 2.1], "theirs")
    with pytest.raises(WorkerFailed, match="nan apart"):
        check_same([2.3], [float("nan")], "theirs")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_worker_that_computes_no_number_says_so(number):
    answers = Lines()
    serve(lambda: Job(lambda calls: number, list, "cpu"), ['{"do": "run", "calls": 1}'], answers)
    assert answers[0] == {"device": "cpu", "steps_per_call": 1}
    assert answers[1] == {"error": f"ValueError: it computed {number}"}


def test_a_worker_answers_with_the_time_of_its_calls():
    answers, calls = Lines(), []
    job = Job(lambda n: calls.append(n) or 1.0, lambda: [7], "cpu")
    serve(lambda: job, ['{"do": "run", "calls": 3}', '{"do": "check"}'], answers)
    assert calls == [3]
    assert answers[1]["seconds"] >= 0
    assert answers[2] == {"check": [7]}


def test_the_latency_of_single_calls_has_a_tail():
    answers, calls = Lines(), []
    job = Job(lambda n: time.sleep(0.02 * (len(calls) == 7)) or calls.append(n) or 1.0, list, "cpu")
    serve(lambda: job, ['{"do": "latency", "calls": 10}'], answers)
    assert calls == [1] * 10
    assert answers[1]["p50"] < 0.02 <= answers[1]["p99"]


class Lines(list):
    """What a worker wrote, parsed."""

    def write(self, line):
        self.append(json.loads(line))

    def flush(self):
        pass


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is here")
def test_without_pytorch_one_line_says_what_to_install():
    command = [sys.executable, "-m", "benchmarks.worker", "benchmarks.torch_s9:train"]
    done = subprocess.run(
        [*command, '{"threads": 1, "mode": "eager", "batch_size": 2}'],
        cwd=Path(__file__).parents[1],
        input="",
        capture_output=True,
        text=True,
    )
    assert "pip install 'jaxconv[bench]'" in json.loads(done.stdout)["error"]


def test_the_networks_take_the_same_variables_and_the_cost_is_s9nets():
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    shapes = [
        {
            path: array.shape
            for path, array in flatten_dict(
                jax.eval_shape(lambda x, m=model: m.init(jax.random.key(0), x, train=False), image)
            ).items()
        }
        for model in (S9Net(), FlaxS9())
    ]
    assert shapes[0] == shapes[1]
    layers = [layer for layer in summarize(S9Net(), (32, 32, 3)) if layer.options]
    forward = sum(layer.multiply_adds for layer in layers)
    assert forward == problem.FORWARD_MULTIPLY_ADDS
    assert 3 * forward - layers[0].multiply_adds == problem.TRAINING_MULTIPLY_ADDS


@pytest.mark.parametrize("task", ["inference", pytest.param("train", marks=pytest.mark.slow)])
def test_jaxconv_computes_what_plain_flax_does_and_both_are_timed(task, capsys):
    settings = Settings(batch_size=32, threads=2, pairs=2, slot_seconds=0.02, memory="untouched")
    ours = Contender("ours", f"benchmarks.jax_s9:{task}", {})
    theirs = Contender("Flax", f"benchmarks.jax_s9:{task}", {"network": "flax"})
    missing = Contender("nobody", "benchmarks.worker:nobody", {})
    (result,) = race(task, ours, (missing, theirs), settings)
    assert capsys.readouterr().out.startswith("skipped nobody: benchmarks.worker:nobody: Attr")
    assert (result.benchmark, result.ours, result.against) == (task, "ours", "Flax")
    assert result.comparison.pairs == 2
    assert 0 < result.comparison.low <= result.comparison.ratio <= result.comparison.high
    assert result.figures["images/s"] == pytest.approx(32 / result.comparison.a_seconds)


@pytest.mark.parametrize("mode", variants.MODES, ids=lambda mode: mode.name)
def test_a_variant_is_verified_and_compared(mode):
    case = next(c for c in CASES if c.x == (2, 8, 8, 4) and c.kind == "depthwise")
    result = variants.measure(case, mode, pairs=2, seconds=1e-3, quick=False)
    assert result.ours == mode.name
    wrong = case._replace(
        pair=case.pair._replace(plain=lambda x, k, **o: 2 * case.pair.ours(x, k, **o))
    )
    with pytest.raises(ValueError, match=f"{mode.name}: .* apart, of"):
        variants.measure(wrong, mode, pairs=2, seconds=1e-3, quick=False)


def test_every_case_is_what_it_says():
    for case in CASES:
        x = jax.ShapeDtypeStruct(case.x, np.float32)
        kernels = [jax.ShapeDtypeStruct(shape, np.float32) for shape in case.kernels]
        ours, plain = (jax.eval_shape(f, x, *kernels) for f in case.functions)
        assert ours.shape == plain.shape, case.name


def test_the_table_shows_every_target_and_whether_it_is_reached():
    peers = {"PyTorch eager": 2.5, "PyTorch channels_last": 2.2, "torch.compile": 2.7}
    steps = [
        Result("train_step", "jaxconv", name, STEADY._replace(ratio=ratio), {})
        for name, ratio in peers.items()
    ]
    slow = Result("variants", "gradients", CASES[0].name, STEADY._replace(ratio=0.9), {})
    figures = {"share of a step": 0.005}
    share = Result("input", "device augmentation", "jaxconv's step", STEADY, figures)
    lines = targets.table([*steps, slow, share], device="cpu")
    (row,) = [line for line in lines if line.startswith("train step against PyTorch's best")]
    assert row.split()[5:9] == ["2.00x", "2.50x", "2.20x", "1.90"]
    assert row.endswith("channels_last  must")
    # Without one of the peers nobody knows which is best.
    lacking = targets.table(steps[:2], device="cpu")
    assert next(line for line in lacking if "best" in line).endswith("not measured")
    (row,) = [line for line in lines if line.startswith("any variant")]
    assert row.endswith("MISSED")
    (row,) = [line for line in lines if line.startswith("device augmentation")]
    assert row.endswith("aim")
    assert sum("not measured" in line for line in lines) == len(lines) - 4


def test_trainings_are_summed_up_without_picking():
    found = [
        recipe.Training(0, 85.0, 10.0, 0.1, 8.0),
        recipe.Training(1, 84.0, 12.0, 0.1, None),
        recipe.Training(2, 86.0, 11.0, 0.1, 6.0),
    ]
    *lines, last = recipe.summary(found, target=85.0)
    assert [line.split(":")[0] for line in lines] == ["seed 0", "seed 1", "seed 2"]
    assert lines[1].endswith("never 85 %")
    assert last == (
        "3 seeds: 85.00 % on average, standard deviation 1.00, 11.0 s; 85 % after 7.0 s in 2 of 3"
    )


@pytest.mark.slow
def test_a_training_is_timed_from_its_start(tmp_path):
    """A real process: its last accuracy, and its first epoch above the target."""
    config, run = ROOT / "configs" / "s9_quick.py", tmp_path / "run"
    found = recipe.train(config, 1, workdir=run, target=1.0, overrides=SMALL[2:])
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert found.accuracy == rows[-1]["test_accuracy"]
    assert 0 < found.seconds_to_target < found.seconds
    assert found.seconds > sum(row["seconds"] for row in rows)
    assert json.loads((run / "config.json").read_text())["seed"] == 1
