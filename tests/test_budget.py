"""What each kind of convolution reaches within a budget: its networks, its record, its pages."""

import json
import math
import re
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from flax import linen as nn

from benchmarks import budget
from benchmarks.budget_figure import (
    accuracies,
    budget_figure,
    budget_table,
    standard_seconds,
    step_shares,
)
from benchmarks.kinds import IMAGE, KINDS, STANDARD
from benchmarks.measure import Comparison
from jaxconv import Conv, DilatedConv, S9Net
from jaxconv.cli.build.network import build_model
from jaxconv.cli.config.file import load_config
from jaxconv.models.receptive_field import receptive_field
from jaxconv.models.rows import rows_from_json
from jaxconv.models.s9 import ROWS
from jaxconv.models.summary import summarize
from jaxconv.training.step import identity_augment, init_train_state, make_train_step

ROOT = Path(__file__).parents[1]
RESULTS = (ROOT / "docs" / "results.md").read_text("utf-8")
GUIDE = (ROOT / "docs" / "convolutions.md").read_text("utf-8")
RECORD = json.loads((ROOT / "docs" / "budget.json").read_text("utf-8"))
WIDE = [name for name, kind in KINDS.items() if kind.width == 1]


def maps(kind):
    """Height and width after each block."""
    layers = summarize(S9Net(rows=kind.rows, width=kind.width), IMAGE)
    return [layer.output_shape[:2] for layer in layers if layer.path.endswith("norm")]


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_stands_where_the_standard_convolution_stood_and_nowhere_else(name):
    kind = KINDS[name]
    for row, old in zip(kind.rows, ROWS, strict=True):
        assert row.conv is (kind.conv if old.conv is Conv else old.conv)
        assert (row.features, row.residual) == (old.features, old.residual)
    assert maps(kind) == maps(KINDS[STANDARD])
    assert rows_from_json(json.loads(json.dumps(kind.fields["rows"]))) == kind.rows


def test_what_each_kind_costs():
    costs = {name: kind.cost() for name, kind in KINDS.items()}
    standard = costs[STANDARD]
    assert standard == {"parameters": 193_376, "multiply_adds": 14_476_160, "receptive_field": 105}
    assert costs["transposed"] == standard
    assert costs["dilated by 2"] == {**standard, "receptive_field": 179}
    narrow, separable = costs["standard, narrower"], costs["depthwise separable"]
    assert narrow["parameters"] == pytest.approx(separable["parameters"], rel=0.01)
    assert narrow["multiply_adds"] < separable["multiply_adds"]
    assert costs["pointwise"]["receptive_field"] == 31  # of the four blocks that stay


@pytest.mark.parametrize("name", WIDE)
def test_a_kind_trains(name):
    """A step with the first of its rows, narrow ones; the others differ in size alone."""
    model = S9Net(rows=KINDS[name].rows[:5], width=0.05, dropout_rate=0.0)
    tx = optax.sgd(0.1)
    state = init_train_state(model, tx, jax.random.key(0), IMAGE)
    images = np.random.default_rng(0).standard_normal((4, *IMAGE), dtype=np.float32)
    batch = {"image": images, "label": np.arange(4), "mask": np.ones(4, np.float32)}
    before = jax.tree.map(np.array, state.params)
    after, metrics = jax.jit(make_train_step(model, tx, identity_augment))(
        state, batch, jax.random.key(1)
    )
    assert math.isfinite(float(metrics["loss_sum"]))
    moved = jax.tree.map(lambda old, new: bool((old != np.array(new)).any()), before, after.params)
    for block in ("block1", "block4", "block5"):
        assert all(jax.tree.leaves(moved[block]["conv"])), block


def test_the_installed_config_is_the_network_with_depthwise_separable_blocks():
    path = ROOT / "configs" / "s9_separable.py"
    config, quick = load_config(path), load_config(path.with_name("s9_quick.py"))
    kind = KINDS["depthwise separable"]
    assert build_model(config, 10).rows == S9Net(rows=kind.rows).rows
    config.model.rows = None
    assert config.to_dict() == quick.to_dict()
    header = " ".join(path.read_text("utf-8").split())
    for cost in (kind.cost(), KINDS[STANDARD].cost()):
        assert f"{cost['parameters']:,}" in header
        assert f"{cost['multiply_adds']:,}" in header


def record(steady=True):
    """Made-up results: the standard network in 100 ms, each other kind in half of it."""
    kinds = []
    for number, (name, kind) in enumerate(KINDS.items()):
        ratio = 1.0 if name == STANDARD else 2.0
        step = Comparison(ratio, 0.8 * ratio, 1.25 * ratio, 8, 0.1 / ratio, 0.1, 1.0, steady)
        trainings = [{"seed": seed, "test_accuracy": 40.0 + number + seed} for seed in (0, 1)]
        kinds.append({"name": name, **kind.cost(), "trainings": trainings, "step": step._asdict()})
    return {"epochs": 2, "data": {"name": "shapes10", "train": 9, "test": 8}, "kinds": kinds}


def test_the_table_has_the_seeds_and_the_range_of_the_pairs():
    made = record()
    assert standard_seconds(made) == 0.1
    assert step_shares(made["kinds"][1]) == pytest.approx((0.5, 0.4, 0.625))
    _, _, first, second, *_ = budget_table(made)
    assert first.startswith("| standard | 193,376 | 14,476,160 | 105 |")
    assert first.endswith("| 100 % (80 to 125) | 40.5 % (40.0, 41.0) |")
    assert "| 50 % (40 to 62) | 41.5 % (41.0, 42.0) |" in second
    assert all("\\*" in row for row in budget_table(record(steady=False))[2:])


def test_the_figure_shows_every_kind_at_its_three_budgets():
    panels = budget_figure(record()).axes
    assert len(panels) == 3
    found = [
        [tuple(float(axis[0]) for axis in point[0].get_data()) for point in panel.containers]
        for panel in panels
    ]
    for number, kind in enumerate(KINDS.values()):
        cost, share = kind.cost(), 50 if number else 100
        x = cost["parameters"] / 1e3, cost["multiply_adds"] / 1e6, share
        assert [points[number] for points in found] == [
            pytest.approx((one, 40.5 + number)) for one in x
        ]


def test_the_page_of_results_is_what_the_record_says():
    assert "\n".join(budget_table(RECORD)) in RESULTS
    for name, kind in KINDS.items():
        (recorded,) = [entry for entry in RECORD["kinds"] if entry["name"] == name]
        assert kind.cost().items() <= recorded.items()
    assert RECORD["command"] in RESULTS
    for page in (RESULTS, GUIDE):
        assert 'src="budget.png"' in page
    assert (ROOT / "docs" / "budget.png").stat().st_size < 150_000


def entry(name):
    (found,) = [kind for kind in RECORD["kinds"] if kind["name"] == name]
    return found


def test_the_guide_says_what_came_of_the_claims():
    """Each number of its section, from the record."""
    _, _, told = GUIDE.partition("## Claims of the original guide\n")
    told = " ".join(told.partition("\n## ")[0].split())
    reached = {kind["name"]: statistics.mean(accuracies(kind)) for kind in RECORD["kinds"]}
    standard = entry(STANDARD)
    least, most = (loss * reached[STANDARD] / 100 for loss in (15, 20))
    spread = max(max(accuracies(kind)) - min(accuracies(kind)) for kind in RECORD["kinds"])

    def shares(kind):
        of = [kind[name] / standard[name] for name in ("parameters", "multiply_adds")]
        return [f"{100 * share:.0f} %" for share in (*of, step_shares(kind)[0])]

    for name in ("depthwise separable", "spatially separable"):
        parameters, multiply_adds, time = shares(entry(name))
        words = f"{parameters} of the parameters, {multiply_adds} of the multiply-adds, {time} of"
        assert words in told, words
    for words in (
        f"{reached['depthwise separable']:.1f} %, where the standard blocks reach "
        f"{reached[STANDARD]:.1f} %",
        f"{least:.1f} to {most:.1f} points",
        f"as many parameters: {reached['standard, narrower']:.1f} %",
        f"{reached['pointwise']:.1f} %, with a receptive field of "
        f"{entry('pointwise')['receptive_field']} pixels",
        f"{standard['receptive_field']} to {entry('dilated by 2')['receptive_field']} pixels",
        f"{reached['dilated by 2']:.1f} %",
        f"{reached['spatially separable']:.1f} %",
        f"{reached['transposed']:.1f} %",
        f"up to {spread:.1f} points",
    ):
        assert words in told, words


def test_times_are_taken_again_and_accuracies_kept(monkeypatch):
    kept, step = record(), Comparison(1.5, 1.4, 1.6, 8, 0.1, 0.15, 1.0, True)
    few = budget.Budget(2, range(2), "shapes10", 9, 8, pairs=2, slot_seconds=0.01)
    monkeypatch.setattr(budget, "time_steps", lambda *_: dict.fromkeys(KINDS, step))
    again = budget.results(few, kept)
    for old, new in zip(kept["kinds"], again["kinds"], strict=True):
        assert new == {**old, "step": step._asdict()}
    with pytest.raises(ValueError, match="the record to keep is not of"):
        budget.results(few._replace(epochs=3), kept)


@pytest.mark.slow
def test_the_command_runs_from_end_to_end(tmp_path):
    small = ["--train-limit=70", "--test-limit=30", "--epochs=1", "--seeds=1"]
    command = [sys.executable, "-m", "benchmarks.budget", *small, "--pairs=2", "--seconds=0.01"]
    done = subprocess.run(
        [*command, f"--out={tmp_path}"], cwd=ROOT, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode in (0, 1), done.stderr  # 1: the clock could not be believed
    made = json.loads((tmp_path / "budget.json").read_text())
    assert [kind["name"] for kind in made["kinds"]] == list(KINDS)
    assert made["data"]["name"] == "shapes10"
    assert (made["data"]["train"], made["data"]["test"]) == (70, 30)
    assert all(0 <= kind["trainings"][0]["test_accuracy"] <= 100 for kind in made["kinds"])
    assert (tmp_path / "budget.png").read_bytes().startswith(b"\x89PNG")
    assert budget_table(made)[2] in done.stdout
    steady = all(kind["step"]["steady"] for kind in made["kinds"])
    assert (done.returncode == 0) == steady == ("UNSTEADY" not in done.stdout)


def test_no_seed_is_refused_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["budget", "--seeds", "0"])
    with pytest.raises(SystemExit):
        budget.main()
    assert re.search(r"--seeds 0 --epochs 5: both must be at least 1", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("dilations", "fields"),
    [
        ((1, 1, 1, 1, 1), [3, 5, 7, 9, 11]),
        ((2, 2, 2, 2, 2), [5, 9, 13, 17, 21]),
        ((1, 2, 4, 8, 16), [3, 7, 15, 31, 63]),
    ],
)
def test_the_field_of_a_dilated_stack_grows_as_the_guide_says(dilations, fields):
    """Followed through the operations of real layers, where the guide adds up by a formula."""
    for depth, field in enumerate(fields, start=1):
        layers = [DilatedConv(2, dilation=d, padding=d) for d in dilations[:depth]]
        stack = nn.Sequential(layers)
        network = partial(lambda stack, x: stack.init_with_output(jax.random.key(0), x)[0], stack)
        assert receptive_field(network, (8, 8, 1)).field == (field, field)
    assert f">>> list(fields({list(dilations)}))\n{fields}\n" in GUIDE
