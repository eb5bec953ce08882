"""Exported files, read back by what they are for: JAX alone, PyTorch, and this package."""

import importlib
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxconv import S9Net, cli, load_pretrained
from jaxconv.cli.build.network import build_network
from jaxconv.cli.config.file import DEFAULT_CONFIG, load_config
from jaxconv.cli.verbs.export import card_of_run
from jaxconv.cli.verbs.trained import Trained
from jaxconv.data.shapes10 import load_shapes10
from jaxconv.interop.stablehlo import save_stablehlo
from jaxconv.interop.torch import s9_variables
from jaxconv.runs.run_dir import RunDirError
from jaxconv.weights.pretrained import PRETRAINED


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """All that the verb writes of the network in the box."""
    folder = tmp_path_factory.mktemp("exported")
    names = {
        "safetensors": "s9.safetensors",
        "torch": "torch.safetensors",
        "stablehlo": "s9.stablehlo",
    }
    files = {name: folder / file for name, file in names.items()}
    flags = [f"--{name}={path}" for name, path in files.items()]
    assert cli.main(["export", *flags]) == 0
    return files


@pytest.fixture(scope="module")
def images():
    return load_shapes10(train_count=10, test_count=10).test.images[:7]


@pytest.fixture(scope="module")
def logits(images):
    variables, card = load_pretrained()
    x = ((images / 255 - card.mean) / card.std).astype(np.float32)
    return np.asarray(S9Net().apply(variables, x, train=False))


def test_the_box_exported_is_the_box(exported):
    assert exported["safetensors"].read_bytes() == PRETRAINED.read_bytes()


READ_WITH_JAX_ALONE = """
import pathlib, sys
import jax, numpy as np
path, images, out = sys.argv[1:]
loaded = jax.export.deserialize(bytearray(pathlib.Path(path).read_bytes()))
assert loaded.platforms == ("cpu", "cuda"), loaded.platforms
assert str(loaded.in_avals) == "(ShapedArray(uint8[b,32,32,3]),)", loaded.in_avals
images = np.load(images)
np.save(out, np.concatenate([loaded.call(images[:2]), loaded.call(images[2:])]))
assert not any(name.startswith(("jaxconv", "flax")) for name in sys.modules)
"""


def test_stablehlo_runs_where_there_is_only_jax_at_any_batch_size(
    exported, images, logits, tmp_path
):
    np.save(tmp_path / "images.npy", images)
    command = ["-I", "-c", READ_WITH_JAX_ALONE, exported["stablehlo"]]
    done = subprocess.run(
        [sys.executable, *command, tmp_path / "images.npy", tmp_path / "out.npy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    expected = jax.nn.softmax(logits)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-5)


def test_stablehlo_of_any_function_of_images(tmp_path):
    path = tmp_path / "new" / "mean.stablehlo"
    save_stablehlo(path, lambda x: x.mean((1, 2, 3)), image_shape=(4, 5, 3), platforms=["cpu"])
    loaded = jax.export.deserialize(bytearray(path.read_bytes()))
    images = np.arange(120, dtype=np.uint8).reshape(2, 4, 5, 3)
    np.testing.assert_allclose(loaded.call(images), [29.5, 89.5])
    with pytest.raises(ValueError, match="uint8"):
        loaded.call(jnp.zeros((2, 4, 5, 3), jnp.float32))


def test_the_state_dict_holds_the_weights_under_the_names_of_pytorch(exported):
    state_dict = load_file(exported["torch"])
    variables, card = load_pretrained()
    assert state_dict["conv_block1.0.weight"].shape == (32, 3, 3, 3)
    assert state_dict["conv_block2.0.0.weight"].shape == (32, 1, 3, 3)
    assert state_dict["conv_block1.2.num_batches_tracked"] == card.step
    jax.tree.map(np.testing.assert_array_equal, s9_variables(state_dict), dict(variables))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_pytorch_loads_the_state_dict_strictly_and_gives_the_same_logits(exported, images, logits):
    import torch
    from safetensors.torch import load_file as load_into_torch

    from benchmarks.torch_s9 import S9

    card = load_pretrained().card
    model = S9(dropout_rate=0.1).eval()
    model.load_state_dict(load_into_torch(exported["torch"]), strict=True)
    x = ((images / 255 - card.mean) / card.std).astype(np.float32).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        given = model(torch.from_numpy(np.ascontiguousarray(x))).numpy()
    np.testing.assert_allclose(given, logits, atol=1e-4)


def test_nothing_to_write_is_refused(capsys):
    assert cli.main(["export"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == (
        "error: nothing to write; give --safetensors, --torch, --stablehlo or more of them"
    )


def test_two_files_of_one_name_are_refused(tmp_path, capsys):
    path = str(tmp_path / "w.safetensors")
    assert cli.main(["export", "--safetensors", path, "--torch", path]) == 2
    assert "two of the files to write are the same" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture
def run_of_step_10(tmp_path):
    """A run's files after one epoch, and the network that a verb makes of them."""
    config = load_config(DEFAULT_CONFIG)
    network = build_network(config, 10)
    row = {"epoch": 1, "step": 10, "test_accuracy": 50.0, "test_loss": 1.5}
    environment = {
        "time_utc": "2026-01-01T00:00:00+00:00",
        "device": {"count": 1, "kind": "cpu", "backend": "cpu"},
        "versions": {"jax": "0.10.2"},
        "git": {"commit": "abc", "dirty": True},
        "data": {"name": "shapes10", "train": 100, "test": 50},
    }
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "environment.json").write_text(json.dumps(environment))
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    names = tuple(f"class {number}" for number in range(10))
    trained = Trained(config, network, names, None, 10, "shapes10", workdir=tmp_path)
    return trained, environment, row


def test_a_card_tells_what_the_files_of_the_run_tell(run_of_step_10):
    trained, _, row = run_of_step_10
    with (trained.workdir / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row | {"test_accuracy": 60.0}) + "\n")  # the epoch once more
    card = card_of_run(trained, "last")
    assert (card.test_accuracy, card.epoch, card.commit) == (60.0, 1, "abc+")
    assert (card.train_count, card.device) == (100, "1 x cpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, ...) for name in ("time_utc", "device", "versions", "git", "data")),
        *((name, value) for name in ("device", "git", "data") for value in (3, "text", [1])),
    ],
)
def test_a_damaged_environment_makes_no_card(name, value, run_of_step_10):
    trained, environment, _ = run_of_step_10
    damaged = {k: v for k, v in (environment | {name: value}).items() if v is not ...}
    (trained.workdir / "environment.json").write_text(json.dumps(damaged))
    with pytest.raises(RunDirError, match=r"environment\.json is damaged; restore it") as error:
        card_of_run(trained, "last")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("value", [..., None, "50", [1]])
@pytest.mark.parametrize("name", ["test_accuracy", "test_loss"])
def test_a_damaged_row_makes_no_card(name, value, run_of_step_10):
    trained, _, row = run_of_step_10
    damaged = {k: v for k, v in (row | {name: value}).items() if v is not ...}
    (trained.workdir / "metrics.jsonl").write_text(json.dumps(damaged) + "\n")
    with pytest.raises(RunDirError, match=r"metrics\.jsonl or environment\.json is damaged"):
        card_of_run(trained, "last")
