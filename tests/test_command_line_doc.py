"""docs/command_line.md and export.md: each command is run, each session prints what it says."""

import doctest
import re
import shlex
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxconv import cli
from jaxconv.build import build_state_like
from jaxconv.command_line import config_parser, parse_command_line
from jaxconv.config import load_config, to_json_dict
from jaxconv.runs import run_dir
from jaxconv.training.checkpoint import Checkpoints
from jaxconv.training.epochs import empty_tally
from jaxconv.training.loop import Progress

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "docs" / "command_line.md", ROOT / "docs" / "export.md"]
TEXT = "".join(path.read_text(encoding="utf-8") for path in DOCS)
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
]
VERBS = [line.removeprefix("python -m jaxconv ") for line in COMMANDS if "-m jaxconv" in line]
FEW = ["--config.data.sources=shapes10", "--config.data.train_limit=20"]
FEW += ["--config.data.test_limit=20"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with what the documents name: two runs, of networks of zeros, and two images."""
    place = tmp_path_factory.mktemp("place")
    (place / "configs").symlink_to(ROOT / "configs")
    config = load_config(ROOT / "configs" / "s9_quick.py")
    config.update_from_flattened_dict(
        {"data.sources": ("shapes10",), "data.train_limit": 20, "data.test_limit": 20}
    )
    like = Progress(build_state_like(config, 10), jax.device_get(empty_tally()))
    progress = jax.tree.map(lambda array: np.zeros(array.shape, array.dtype), like)
    row = dict.fromkeys(
        ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"), 1.0
    )
    for name in ("s9_quick", "other"):
        run = run_dir.create(place / "runs" / name)
        run_dir.claim(run, to_json_dict(config))
        run_dir.append_metrics(run, row | {"epoch": 0, "step": 0, "images_per_second": 1.0})
        data = {"name": "shapes10", "train": 20, "test": 20}
        device = {"kind": "cpu", "count": 1}
        made = {"data": data, "device": device, "git": None, "time_utc": "", "versions": {}}
        run_dir.write_json(run.environment_json, made)
        checkpoints = Checkpoints(run.checkpoints)
        checkpoints.save(0, progress, test_accuracy=10.0)
        checkpoints.close()
    for name in ("cat.png", "dog.jpg"):
        Image.new("RGB", (40, 30), "brown").save(place / name)
    return place


# `evaluate` alone needs real data: tests/test_weights.py runs it.
@pytest.mark.parametrize("command", [command for command in VERBS if command != "evaluate"])
def test_a_documented_command_works(command, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    argv = shlex.split(command)
    few = FEW if argv[0] in ("stats", "samples", "augmentations") else []
    assert cli.main([*argv, *few]) == 0
    assert capsys.readouterr().out
    files = [word for word in argv if word.endswith((".png", ".gif", ".safetensors", ".stablehlo"))]
    assert all((place / file).is_file() for file in files)


@pytest.mark.parametrize("command", [line for line in COMMANDS if "train.py" in line])
def test_a_documented_training_is_a_right_command_line(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, program, *argv = shlex.split(command)
    assert program == "train.py"
    parse_command_line(config_parser(program, ""), argv)


def test_sessions_print_what_they_say():
    done = doctest.testfile(str(DOCS[1]), module_relative=False, encoding="utf-8")
    assert done.attempted > 5
    assert done.failed == 0


def test_every_verb_is_documented():
    assert {line.split()[0] for line in VERBS} == set(cli.VERBS)
    assert len(VERBS) + sum("train.py" in line for line in COMMANDS) == len(COMMANDS)
