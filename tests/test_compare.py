"""`compare`: the table and the curves of several runs, from what they left behind."""

import json

import pytest

from jaxconv import PointwiseConv, cli
from jaxconv.models.summary import format_summary, summarize
from jaxconv.report.comparison import CURVES, compare_curves, compare_table, look, read_record
from jaxconv.runs.run_dir import RunDirError, load

SUMMARY = "Total params: 193,376\nTrainable params: 193,376\nMultiply-adds: 14,476,160\n"


def left_behind(folder, name, accuracies, *, data="cifar10", jax="0.10.2", summary=None, **config):
    """A run's directory after so many epochs: the first of 30 s, the others of 10 s."""
    path = folder / name
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"epochs": 4, "data": {"dir": None}} | config))
    environment = {"data": {"name": data}, "versions": {"jax": jax}}
    (path / "environment.json").write_text(json.dumps(environment))
    if summary:
        (path / "summary.txt").write_text(summary)
    rows = [
        {
            "epoch": epoch, "step": 10 * epoch, "lr": 0.1, "momentum": 0.9, "train_loss": 1.5,
            "train_accuracy": 50.0, "test_loss": 1.25, "test_accuracy": accuracy,
            "seconds": 30.0 if epoch == 1 else 10.0,
            "images_per_second": 200.0 if epoch == 1 else 600.0,
        }
        for epoch, accuracy in enumerate(accuracies, start=1)
    ]  # fmt: skip
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def runs(tmp_path):
    return [
        left_behind(
            tmp_path, "one", [40.0, 60.0, 55.5], summary=SUMMARY, jax="0.12.0", seed=0, max_lr=0.1
        ),
        left_behind(tmp_path, "$_two", [70.25], data="shapes10", seed=1, max_lr=0.1, new=[1] * 40),
    ]


def records_of(paths):
    return [read_record(load(path), path.name) for path in paths]


def test_the_table_tells_each_run_and_where_the_configs_differ(runs):
    """Speed is that of the epochs after the first, which compiles; what is not known is "?"."""
    assert [line.split() for line in compare_table(records_of(runs)).splitlines()] == [
        ["run", "data", "parameters", "multiply-adds", "epochs", "test", "%", "best", "%",
         "test", "loss", "train", "%", "minutes", "images/s"],
        ["one", "cifar10", "193,376", "14,476,160", "3/4", "55.50", "60.00", "(2)", "1.2500",
         "50.00", "0.8", "600"],
        ["$_two", "shapes10", "?", "?", "1/4", "70.25", "70.25", "(1)", "1.2500", "50.00", "0.5",
         "200"],
        [],
        ["config", "differs", "in", "one", "$_two"],
        ["new", "absent", *("[" + "1, " * 5 + "1 ... 1" + ", 1" * 5 + "]").split()],
        ["seed", "0", "1"],
        [],
        ["environment", "differs", "in", "one", "$_two"],
        ["versions.jax", '"0.12.0"', '"0.10.2"'],
    ]  # fmt: skip


def test_the_totals_are_those_that_training_writes(tmp_path):
    layers = summarize(PointwiseConv(5), (4, 4, 3))
    summary = format_summary(layers, (4, 4, 3), ["macs"])
    path = left_behind(tmp_path, "run", [1.0], summary=summary)
    record = read_record(load(path), "run")
    assert (record.parameters, record.multiply_adds) == ("15", "240")


def test_runs_of_one_config_differ_in_nothing(runs):
    assert "differs in" not in compare_table(records_of([runs[0], runs[0]]))


def test_the_curves_show_every_run_and_name_it(runs):
    figure = compare_curves(records_of(runs))
    for axes, field in zip(figure.axes, CURVES, strict=True):
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


def damaged(path, line, **values):
    """Changes fields of one row; a value of `...` removes the field."""
    rows = [json.loads(text) for text in (path / "metrics.jsonl").read_text().splitlines()]
    rows[line] = {k: v for k, v in (rows[line] | values).items() if v is not ...}
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("value", [..., None, "87", [1], {"a": 1}, True, 10**40], ids=repr)
@pytest.mark.parametrize(
    "field",
    ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds", "images_per_second"],
)
def test_a_value_that_is_missing_or_no_number_is_not_shown(field, value, tmp_path):
    path = left_behind(tmp_path, "run", [40.0, 60.0])
    for line in (0, 1):
        damaged(path, line, **{field: value})
        (record,) = records_of([path])
        told = compare_table([record]).splitlines()[1].split()
    whole = compare_table(records_of([left_behind(tmp_path, "whole", [40.0, 60.0])]))
    # train_loss has no column, seconds add up to 0.0, and the best row is known by its accuracy.
    absent = {"train_loss": 0, "seconds": 0, "test_accuracy": 2}.get(field, 1)
    assert told.count("?") == whole.splitlines()[1].split().count("?") + absent


def test_the_curves_of_damaged_rows_are_those_of_what_is_whole(tmp_path):
    path = left_behind(tmp_path, "run", [40.0, 60.0, 50.0])
    for line, field in enumerate(["train_loss", "test_loss", "test_accuracy"]):
        damaged(path, line, **{field: "?"})
    figure = compare_curves(records_of([path]))
    assert [list(axes.lines[0].get_xdata()) for axes in figure.axes] == [
        [2, 3], [1, 3], [1, 2, 3], [1, 2],
    ]  # fmt: skip


def test_of_two_rows_of_an_epoch_the_later_one_counts(tmp_path):
    path = left_behind(tmp_path, "run", [40.0, 60.0, 50.0])
    damaged(path, 2, epoch=2)
    (record,) = records_of([path])
    assert [(row["epoch"], row["test_accuracy"]) for row in record.rows] == [(1, 40.0), (2, 50.0)]
    damaged(path, 2, epoch=10**400)
    assert len(records_of([path])[0].rows) == 2


@pytest.mark.parametrize(
    "environment",
    [{}, {"data": None}, {"data": "cifar10"}, {"data": {"name": ["a"]}, "git": 3, "device": []}],
)
def test_an_environment_that_lacks_something_is_compared_all_the_same(environment, runs):
    (runs[0] / "environment.json").write_text(json.dumps(environment))
    table = compare_table(records_of(runs))
    assert table.splitlines()[1].startswith("one")


def test_what_files_hold_cannot_move_the_cursor(tmp_path):
    path = left_behind(tmp_path, "run", [40.0], data="\x1b[2Jcifar", **{"\x1b[31m": "\x1b]0;\x07"})
    other = left_behind(tmp_path, "other", [40.0])
    table = compare_table(records_of([path, other]))
    assert all(character.isprintable() or character == "\n" for character in table)


@pytest.mark.parametrize("file", ["config.json", "environment.json", "metrics.jsonl"])
def test_a_file_that_is_not_what_its_name_says_is_refused_in_one_line(file, tmp_path):
    path = left_behind(tmp_path, "run", [40.0, 50.0])
    (path / file).write_text("[1, 2]\n[3]\n")
    with pytest.raises(RunDirError) as error:
        records_of([path])
    assert file in str(error.value)
    assert len(str(error.value).splitlines()) == 1
