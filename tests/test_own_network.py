"""Your own images and your own table of blocks, by the commands alone."""

import json

import chex
import numpy as np
import pytest
from PIL import Image

from jaxconv.cli import main
from jaxconv.cli.build.data import with_statistics
from jaxconv.cli.build.network import build_pipeline
from jaxconv.cli.config.command_line import parse_command_line
from jaxconv.cli.verbs.train import train_parser
from jaxconv.data.dataset import Dataset, Split
from jaxconv.interop.files import load_state_dict
from jaxconv.interop.torch import s9_variables
from jaxconv.weights.card import load_weights

ROWS = (
    {"conv": "SpatiallySeparableConv", "features": 4, "options": {"mid_features": 3}},
    {"conv": "TransposeConv", "features": 4, "options": {"stride": 2}},
    {"conv": "Conv", "features": 4, "residual": True},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Bright and dark images, 40x40 pixels."""
    root = tmp_path_factory.mktemp("my images")
    rng = np.random.default_rng(0)
    for name, level in (("dark", 0), ("très clair", 150)):
        for split, count in (("train", 12), ("test", 4)):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                levels = rng.integers(level, level + 100, (40, 40, 3), np.uint8)
                Image.fromarray(levels).save(root / split / name / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache folder of this file alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def command(folder, workdir, *more):
    return [
        "train",
        "--config=own_images",
        f"--config.data.dir={folder}",
        f"--config.model.rows={ROWS}",
        "--config.model.width=2",
        "--config.epochs=2",
        "--config.batch_size=8",
        f"--workdir={workdir}",
        *more,
    ]


@pytest.fixture(scope="module")
def workdir(folder, cache, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run") / "own"
    assert main(command(folder, workdir)) == 0
    return workdir


def test_the_run_keeps_its_classes_rows_and_statistics(workdir, folder):
    made = json.loads((workdir / "environment.json").read_text())
    assert made["data"]["class_names"] == ["dark", "très clair"]
    config = json.loads((workdir / "config.json").read_text())
    assert [row["conv"] for row in config["model"]["rows"]] == [row["conv"] for row in ROWS]
    levels = [
        np.asarray(Image.open(path).resize((32, 32), Image.Resampling.BICUBIC))
        for path in (folder / "train").rglob("*.png")
    ]
    (name, arguments) = config["augment"]["transforms"][-1]
    assert name == "Normalize"
    np.testing.assert_allclose(arguments["mean"], np.mean(levels, (0, 1, 2)) / 255, rtol=1e-6)
    np.testing.assert_allclose(arguments["std"], np.std(levels, (0, 1, 2)) / 255, rtol=1e-6)
    report = (workdir / "report.html").read_text()
    assert "très clair" in report


def test_the_same_command_finds_its_result_and_another_network_is_refused(workdir, folder, capsys):
    assert main(command(folder, workdir)) == 0
    assert main(command(folder, workdir, "--config.model.width=1")) == 1
    assert "model.width" in capsys.readouterr().err


def test_the_network_names_the_classes_of_the_folder(workdir, folder, capsys):
    path = folder / "test" / "dark" / "0.png"
    assert main(["predict", f"--workdir={workdir}", "--json", str(path)]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in found["classes"]} == {"dark", "très clair"}
    assert main(["evaluate", f"--workdir={workdir}"]) == 0
    assert "on 8 test images of folder" in capsys.readouterr().out


def test_exported_weights_are_the_same_network(workdir, folder, tmp_path, capsys):
    file, path = tmp_path / "own.safetensors", str(folder / "test" / "dark" / "1.png")
    assert main(["export", f"--workdir={workdir}", f"--safetensors={file}"]) == 0
    card = load_weights(file).card
    assert card.class_names == ("dark", "très clair")
    capsys.readouterr()
    outputs = []
    for network in (f"--workdir={workdir}", f"--weights={file}"):
        assert main(["predict", network, "--json", path]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_a_pytorch_state_dict_of_own_blocks_comes_back(workdir, tmp_path):
    file, weights = tmp_path / "torch.safetensors", tmp_path / "own.safetensors"
    command = ["export", f"--workdir={workdir}", f"--torch={file}", f"--safetensors={weights}"]
    assert main(command) == 0
    variables, card = load_weights(weights)
    state_dict = load_state_dict(file)
    assert state_dict["conv_block1.0.1.weight"].shape == (8, 3, 1, 3)  # the row of the first block
    assert state_dict["conv_block5.0.weight"].shape == (2, 8, 1, 1)
    chex.assert_trees_all_equal(s9_variables(state_dict, card.model), variables)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("model.rows=({'conv': 'Conv'},)", "row 1: expected an object with conv and features"),
        ("model.rows=({'conv': 'Convv', 'features': 4},)", "row 1: conv 'Convv' is none of"),
        ("model.rows=()", "expected rows such as"),
        (
            "model.rows=({'conv': 'Conv', 'features': 4, 'residual': True},)",
            "config.data.image_size=32: config.model.rows does not take images [32, 32, 3]: ",
        ),
        ("model.rows=({'conv': 'Conv', 'features': 4, 'options': {'stride': 1e999}},)", "JSON"),
        ("model.rows=({'conv': 'Conv', 'features': 4, 'x': 1, 2: 3},)", "what JSON can hold"),
        ("model.width=0", "expected a number above 0 and at most 64"),
        ("model.name=resnet", "expected one of s9"),
        ("data.image_size=4", "expected a whole number of at least 8"),
        ("data.test_share=1.0", "expected a number above 0 and below 1"),
        ("data.dir=no such folder", "is not an existing folder"),
    ],
)
def test_a_mistake_is_told_in_one_line(folder, cache, tmp_path, capsys, field, words):
    assert main(command(folder, tmp_path / "run", f"--config.{field}")) in (1, 2)
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize("size", [8, 12])
def test_images_too_small_for_the_network_are_refused_before_they_are_read(tmp_path, capsys, size):
    argv = ["train", "--config=s9_quick", f"--config.data.image_size={size}"]
    argv += ["--config.data.sources=folder", "--config.data.dir=/nowhere"]
    assert main([*argv, f"--workdir={tmp_path / 'run'}"]) == 2
    assert capsys.readouterr().err.startswith(
        f"error: config.data.image_size={size}: config.model.rows does not take images [{size}, "
    )
    assert not (tmp_path / "run").exists()


def test_other_data_sets_have_one_size(tmp_path, capsys):
    options = ["--config.data.sources=shapes10", "--config.data.image_size=48"]
    options += ["--config.data.train_limit=20", "--config.data.test_limit=10"]
    assert main(["samples", "--config=s9_quick", *options, f"--out={tmp_path / 'a.png'}"]) == 2
    assert "images of shapes10 are 32x32" in capsys.readouterr().err


def test_a_channel_that_is_the_same_everywhere_is_normalised_by_a_grey_level():
    """As the blue of images of a red and a green dye; a deviation of 0 would be refused."""
    config = parse_command_line(train_parser("train", ""), ["--config=own_images"])[0]
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    images[..., 2] = 7
    split = Split(images, np.arange(8, dtype=np.int32) % 2)
    filled = with_statistics(config, Dataset("folder", split, split, ("a", "b"), "drawn"))
    (_, arguments) = filled.augment.transforms[-1]
    assert arguments["std"][2] == pytest.approx(1 / 255)
    assert arguments["std"][0] == pytest.approx(images[..., 0].std() / 255)
    assert build_pipeline(filled)[-1].name == "Normalize"
