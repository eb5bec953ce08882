"""Weights files: what is written comes back, what is not one is refused, and the card is true."""

import dataclasses
import json
import os
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from jaxconv import cli, load_pretrained
from jaxconv.cli.verbs import trained
from jaxconv.data.shapes10 import load_shapes10
from jaxconv.interop.torch import require_s9
from jaxconv.weights.card import Weights, WeightsError, load_weights, save_weights
from jaxconv.weights.pretrained import PRETRAINED

needs_cifar10 = pytest.mark.skipif(
    "TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR names no directory with CIFAR-10"
)


@pytest.fixture(scope="module")
def pretrained():
    return load_pretrained()


def test_the_weights_in_the_box_are_small_and_whole(pretrained):
    variables, card = pretrained
    assert PRETRAINED.stat().st_size < 1_000_000
    assert sum(array.size for array in jax.tree.leaves(variables["params"])) == 193_376
    arrays = require_s9(variables)
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert (card.network, card.dataset, len(card.class_names)) == ("S9Net", "cifar10", 10)
    assert (card.train_count, card.test_count) == (50_000, 10_000)
    assert len(card.commit) == 40
    assert card.config["seed"] == card.seed
    assert card.epoch == card.config["epochs"]
    assert card.step == card.epoch * -(-50_000 // card.config["batch_size"])
    assert card.selection == "the last epoch that was trained; none was chosen by its test accuracy"


def test_the_readme_tells_the_accuracy_on_the_card(pretrained):
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"network inside the package: {pretrained.card.test_accuracy:.2f} %" in readme


@needs_cifar10
def test_the_accuracy_on_the_card_is_that_on_the_real_test_images(pretrained, capsys):
    assert cli.main(["evaluate"]) == 0
    card, printed = pretrained.card, capsys.readouterr().out
    expected = f"step {card.step} on 10,000 test images of cifar10: accuracy "
    assert printed.startswith(expected)
    accuracy = float(printed.removeprefix(expected).split(" ")[0])
    assert accuracy == pytest.approx(card.test_accuracy, abs=0.021)  # two images of 10,000


def test_what_is_saved_comes_back(pretrained, tmp_path):
    path = tmp_path / "new" / "some.safetensors"
    save_weights(path, pretrained)
    again = load_weights(path)
    assert again.card == pretrained.card
    jax.tree.map(np.testing.assert_array_equal, again.variables, pretrained.variables)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == PRETRAINED.read_bytes()


def test_variables_of_another_network_are_not_saved(pretrained, tmp_path):
    variables, card = pretrained
    with pytest.raises(ValueError, match="missing batch_stats/block1/norm/mean"):
        save_weights(tmp_path / "a.safetensors", Weights({"params": variables["params"]}, card))
    assert list(tmp_path.iterdir()) == []


def rewritten(path, *, drop="", card=True, **entries):
    """The weights in the box with another card, or without it, or without a tensor."""
    with safe_open(PRETRAINED, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        told = json.loads(file.metadata()["card"]) | entries
    kept = {name: entry for name, entry in told.items() if name != drop}
    metadata = {"card": json.dumps(kept)} if card is True else card
    save_file({name: a for name, a in arrays.items() if name != drop}, path, metadata)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"card": None}, "has no card; write it with `python -m jaxconv export --safetensors`"),
        ({"card": {"card": "{"}}, "its card cannot be read"),
        ({"card": {"card": "[]"}}, "its card cannot be read"),
        ({"drop": "params/head/kernel"}, "missing params/head/kernel"),
        ({"drop": "std"}, r"its card cannot be read \('std'\)"),
        ({"drop": "seed"}, "its card cannot be read .*missing 1 required .*'seed'"),
        ({"colour": "blue"}, "its card cannot be read .*unexpected keyword argument 'colour'"),
        ({"class_names": 5}, "its card cannot be read"),
        ({"class_names": [1]}, "expected texts"),
        ({"class_names": ["a", "b"]}, r"params/head/kernel has shape \(1, 1, 64, 10\), expected"),
        ({"std": [1, 0, 1]}, "expected three numbers each"),
        ({"std": ["a", "b", "c"]}, "its card cannot be read"),
        ({"config": []}, "expected fields"),
        ({"test_accuracy": "high"}, "expected numbers"),
        ({"step": None}, "step None: expected a whole number from 0, below"),
        ({"step": 10**30}, "step 10+: expected a whole number from 0, below"),
        ({"epoch": 10**400}, "epoch 10.*: expected a whole number from 0, below"),
        ({"test_loss": 10**400}, "test_loss 10.*: expected numbers"),
        ({"test_accuracy": float("nan")}, "test_accuracy nan: expected numbers"),
        ({"mean": [float("inf"), 0, 0]}, "expected three numbers each"),
        ({"std": [10**400, 1, 1]}, "expected three numbers each"),
        ({"versions": []}, "versions .*: expected fields"),
        ({"dataset": ["cifar10"]}, "dataset .*: expected text"),
        ({"card": {"card": "[" * 100_000}}, "its card cannot be read"),
        ({"config": {"model": {"width": float("inf")}}}, "width must be a number above 0 and at"),
        ({"config": {"model": {"rows": [1] * 5000}}}, "rows: expected at most 1000, got 5000"),
        ({"card": {"card": '{"seed": ' + "1" * 5000 + "}"}}, "its card cannot be read"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_in_one_line(tmp_path, change, message):
    path = rewritten(tmp_path / "other.safetensors", **change)
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def changed(path, change):
    """The weights in the box with other tensors."""
    with safe_open(PRETRAINED, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    change(arrays)
    save_file(arrays, path, metadata)
    return path


def poison(value):
    def change(arrays):
        arrays["params/head/kernel"][0, 0, 3, 4] = value

    return change


def cast(dtype):
    def change(arrays):
        arrays["params/head/kernel"] = arrays["params/head/kernel"].astype(dtype)

    return change


def negative_variance(arrays):
    arrays["batch_stats/block3/norm/var"] *= -1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (poison(np.nan), "params/head/kernel holds a value that is not finite"),
        (poison(-np.inf), "params/head/kernel holds a value that is not finite"),
        (negative_variance, "block3/norm/var holds a variance below 0"),
        (cast(np.float64), "params/head/kernel is F64, expected F32"),
        (cast(ml_dtypes.float8_e4m3fn), "params/head/kernel is F8_E4M3, expected F32"),
        (lambda arrays: arrays.update(params=np.zeros(3, np.float32)), None),
        (lambda arrays: arrays.update({"params/head": np.zeros(3, np.float32)}), None),
        (lambda arrays: arrays.update({"": np.zeros(3, np.float32)}), "unexpected"),
    ],
    ids=["nan", "inf", "variance", "float64", "float8", "leaf params", "leaf head", "no name"],
)
def test_tensors_that_are_no_weights_are_refused_in_one_line(tmp_path, capsys, change, message):
    path = changed(tmp_path / "other.safetensors", change)
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()
    assert cli.main(["evaluate", "--weights", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: {caught.value}"


def overflow(arrays):
    for name in arrays:
        arrays[name] = arrays[name] * np.float32(1e20)


@pytest.mark.parametrize(
    "argv",
    [
        ["predict", "image.png", "--json"],
        ["evaluate", "--config.data.test_limit=8"],
        ["misclassified", "--config.data.test_limit=8"],
    ],
    ids=lambda argv: argv[0],
)
def test_outputs_that_are_no_numbers_are_an_error(tmp_path, capsys, monkeypatch, argv):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (32, 32)).save("image.png")
    path = changed(tmp_path / "other.safetensors", overflow)
    shapes = load_shapes10(train_count=10, test_count=8)
    cifar10 = dataclasses.replace(shapes, class_names=load_pretrained().card.class_names)
    monkeypatch.setattr(trained, "load_dataset", lambda config: cifar10)
    assert cli.main([*argv, f"--weights={path}"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].startswith("error: the network's outputs are not finite")
    assert len(told.err.splitlines()) == 2


@pytest.mark.parametrize("kind", ["pipe", "folder", "large"])
def test_what_is_no_plain_file_is_not_read(tmp_path, kind):
    path = tmp_path / "some.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, 1 << 40)
    with pytest.raises(WeightsError, match="is no plain file, or larger than an S9Net can be"):
        load_weights(path)


def test_a_damaged_file_is_refused_by_the_verb(tmp_path, capsys):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(PRETRAINED.read_bytes()[:1000])
    assert cli.main(["evaluate", "--weights", str(path)]) == 1
    assert f"error: {path} is not a whole safetensors file" in capsys.readouterr().err
    assert cli.main(["evaluate", "--weights", str(tmp_path / "none.safetensors")]) == 1
    assert "error: there is no file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "the config that comes with the network lacks batch_size, dropout_rate, dtype"),
        ({"data": 3}, "config.data=3: expected a group of fields"),
        ({"batch_size": 0}, "config.batch_size=0: expected a whole number of at least 1"),
    ],
)
def test_a_card_with_a_config_of_another_program_is_refused(tmp_path, capsys, config, message):
    path = rewritten(tmp_path / "other.safetensors", config=config)
    assert cli.main(["evaluate", "--weights", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_the_card_is_metadata_that_any_reader_of_safetensors_shows(pretrained):
    with safe_open(PRETRAINED, framework="np") as file:
        told = json.loads(file.metadata()["card"])
    assert set(told) == {field.name for field in dataclasses.fields(pretrained.card)}
    assert told["test_accuracy"] == pretrained.card.test_accuracy
