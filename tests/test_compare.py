"""`compare`: the table and the curves of several runs, from what they left behind."""

import json

import pytest

from jaxconv import cli
from jaxconv.report.comparison import FIELDS, compare_curves, compare_table, look, read_record
from jaxconv.runs.run_dir import load


def left_behind(folder, name, accuracies, *, data="cifar10", **config):
    """A run's directory after so many epochs of 10 s at 500 images/s."""
    path = folder / name
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"epochs": 4, "data": {"dir": None}} | config))
    (path / "environment.json").write_text(json.dumps({"data": {"name": data}}))
    rows = [
        {
            "epoch": epoch, "step": 10 * epoch, "lr": 0.1, "momentum": 0.9, "train_loss": 1.5,
            "train_accuracy": 50.0, "test_loss": 1.25, "test_accuracy": accuracy, "seconds": 10.0,
            "images_per_second": 500.0,
        }
        for epoch, accuracy in enumerate(accuracies, start=1)
    ]  # fmt: skip
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def runs(tmp_path):
    return [
        left_behind(tmp_path, "one", [40.0, 60.0, 55.5], seed=0, max_lr=0.1),
        left_behind(tmp_path, "$_two", [70.25], data="shapes10", seed=1, max_lr=0.1, new=[1] * 40),
    ]


def records_of(paths):
    return [read_record(load(path), path.name) for path in paths]


def test_the_table_tells_each_run_and_where_the_configs_differ(runs):
    assert [line.split() for line in compare_table(records_of(runs)).splitlines()] == [
        ["run", "data", "epochs", "test", "%", "best", "%", "test", "loss", "train", "%",
         "minutes", "images/s"],
        ["one", "cifar10", "3/4", "55.50", "60.00", "(2)", "1.2500", "50.00", "0.5", "500"],
        ["$_two", "shapes10", "1/4", "70.25", "70.25", "(1)", "1.2500", "50.00", "0.2", "500"],
        [],
        ["differs", "in", "one", "$_two"],
        ["new", "absent", *("[" + "1, " * 12 + "...").split()],
        ["seed", "0", "1"],
    ]  # fmt: skip


def test_runs_of_one_config_differ_in_nothing(runs):
    assert "differs in" not in compare_table(records_of([runs[0], runs[0]]))


def test_the_curves_show_every_run_and_name_it(runs):
    figure = compare_curves(records_of(runs))
    for axes, field in zip(figure.axes, FIELDS, strict=True):
        one, _, two, _ = axes.lines
        expected = {"test_accuracy": [40.0, 60.0, 55.5], "test_loss": [1.25] * 3}
        if field in expected:
            assert list(one.get_ydata()) == expected[field]
        assert list(one.get_xdata()) == [1, 2, 3]
        assert list(two.get_xdata()) == [1]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "$_two"]


def test_sixteen_runs_can_be_told_apart_and_the_first_four_without_colour():
    assert len({look(number) for number in range(16)}) == 16
    assert len({look(number)[1] for number in range(4)}) == 4


def test_the_verb_prints_the_table_and_draws_the_curves(runs, tmp_path, capsys):
    out = tmp_path / "compare.png"
    assert cli.main(["compare", *map(str, runs), "--out", str(out)]) == 0
    *table, last = capsys.readouterr().out.splitlines()
    assert table[1].startswith(str(runs[0]))
    assert last == str(out)
    assert out.read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_compared_is_refused(runs, tmp_path, capsys):
    (runs[1] / "metrics.jsonl").unlink()
    for argv, code, message in (
        ([runs[0]], 2, "one run alone compares with nothing; give two or more workdirs"),
        (runs, 1, f"{runs[1]} has no epoch to compare yet; train in it first"),
        ([runs[0], tmp_path], 1, f"{tmp_path} is no run directory"),
    ):
        assert cli.main(["compare", *map(str, argv)]) == code
        assert message in capsys.readouterr().err
