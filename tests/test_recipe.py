"""A recipe with every ingredient at once, from the command line: trained and looked at."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxconv import cli
from jaxconv.cli import training_run
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.verbs.distill import _require_alike
from jaxconv.cli.verbs.trained import load_trained
from jaxconv.data.shapes10 import load_shapes10
from jaxconv.data.teacher import load_teacher, save_teacher
from jaxconv.weights.card import load_weights
from jaxconv.weights.pretrained import PRETRAINED

NORMALIZE = "('Normalize',{'mean':'auto','std':'auto'})"
SMALL = [
    "--config=s9",
    "--config.data.sources=shapes10",
    "--config.data.train_limit=44",
    "--config.data.test_limit=12",
    "--config.batch_size=16",
    "--config.epochs=2",
    f"--config.augment.transforms=(('AlternatingFlip',{{}}),{NORMALIZE})",
    "--config.model.rows=({'conv':'DilatedConv','features':4,'options':{'stride':4}},)",
]
EVERYTHING = [
    "--config.optimizer.schedule=cosine",
    "--config.optimizer.nesterov=true",
    "--config.optimizer.decay_norm=false",
    "--config.optimizer.muon_lr=0.02",
    "--config.optimizer.muon_decay=0.02",
    "--config.label_smoothing=0.1",
    "--config.dropout_epochs=1",
    "--config.ema_decay=0.9",
    "--config.mix.mixup=0.2",
    "--config.mix.cutmix=1",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A teacher's run, its logits, and a student's run, each made as a user makes them."""
    folder = tmp_path_factory.mktemp("a home")  # with a space in its name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "keep_freed_memory", lambda: False)
        wide = ["--config.model.width=2", "--workdir", str(folder / "teacher")]
        assert cli.main(["train", *SMALL, *wide]) == 0
        out = ["--views", "2", "--out", str(folder / "t.safetensors")]
        assert cli.main(["distill", str(folder / "teacher"), *SMALL, *out]) == 0
        assert cli.main(["train", *student(folder)]) == 0
    return folder


def student(folder):
    taught = f"--config.distill.teacher={folder / 't.safetensors'}"
    return [*SMALL, *EVERYTHING, taught, "--workdir", str(folder / "student")]


@pytest.fixture(autouse=True)
def untouched_allocator(monkeypatch):
    """These settings are for a process that trains, not for one that tests."""
    monkeypatch.setattr(training_run, "keep_freed_memory", lambda: False)


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_tells_all_of_its_recipe(home):
    run = home / "student"
    config = json.loads((run / "config.json").read_text())
    assert config["mix"] == {"mixup": 0.2, "cutmix": 1.0, "epochs": None}
    assert config["optimizer"]["schedule"] == "cosine"
    environment = json.loads((run / "environment.json").read_text())
    assert environment["data"]["teacher"] == load_teacher(home / "t.safetensors").digest
    assert [row["momentum"] for row in rows_of(run)] == pytest.approx([0.9, 0.9])
    assert "distill.teacher" in (run / "report.html").read_text()


def test_what_is_measured_is_what_evaluate_repeats(home, capsys):
    last = rows_of(home / "student")[-1]
    assert cli.main(["evaluate", "--workdir", str(home / "student"), "--tta"]) == 0
    plain, flipped = capsys.readouterr().out.splitlines()
    told = f"accuracy {last['test_accuracy']:.2f} %, loss {last['test_loss']:.4f}"
    assert plain == f"step 6 on 12 test images of shapes10: {told}"
    assert flipped.startswith("step 6 on 12 test images of shapes10, with test-time flips: acc")


def test_what_is_exported_is_the_average_and_tells_no_place(home, tmp_path, capsys):
    path = tmp_path / "s.safetensors"
    verb = ["export", "--workdir", str(home / "student"), "--safetensors", str(path)]
    assert cli.main(verb) == 0
    card = load_weights(path).card
    assert card.config["ema_decay"] == 0.9
    assert card.config["distill"]["teacher"] == "t.safetensors"
    assert str(home) not in json.dumps(card.config)
    capsys.readouterr()
    assert cli.main(["evaluate", "--weights", str(path)]) == 0
    told = f"accuracy {card.test_accuracy:.2f} %, loss {card.test_loss:.4f}\n"
    assert capsys.readouterr().out.endswith(told)


def test_images_are_predicted_and_runs_compared(home, tmp_path, capsys):
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "black.png")
    run = str(home / "student")
    assert cli.main(["predict", str(tmp_path / "black.png"), "--workdir", run, "--tta"]) == 0
    runs = [str(home / name) for name in ("teacher", "student")]
    assert cli.main(["compare", *runs, "--out", str(tmp_path / "compare.png")]) == 0
    out = capsys.readouterr().out
    for field in ("ema_decay", "mix.mixup", "optimizer.nesterov", "distill.teacher"):
        assert f"\n{field} " in out
    older = tmp_path / "older"
    shutil.copytree(home / "teacher", older)
    config = json.loads((older / "config.json").read_text())
    del config["optimizer"], config["ema_decay"]
    (older / "config.json").write_text(json.dumps(config))
    assert cli.main(["compare", runs[0], str(older), "--out", str(tmp_path / "compare.png")]) == 0
    assert "config differs in" not in capsys.readouterr().out


def test_a_run_that_is_done_goes_on_to_its_report(home, capsys):
    assert cli.main(["train", *student(home)]) == 0
    assert "resumes at step 6" in capsys.readouterr().out


def test_a_dry_run_tries_each_phase(home, capsys):
    assert cli.main(["train", *student(home), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "compiled, and took 2 steps" in out
    assert "compiled from epoch 2 on, and took 2 steps" in out


def test_another_teacher_than_before_is_refused(home, tmp_path, capsys):
    path = home / "t.safetensors"
    before = path.read_bytes()
    teacher = load_teacher(path)
    try:
        save_teacher(path, dataclasses.replace(teacher, logits=teacher.logits + np.float16(1)))
        assert cli.main(["train", *student(home)]) == 1
        *_, line = capsys.readouterr().err.splitlines()
        assert "was trained on other data: teacher was " in line
        none = "--config.distill.teacher=None"
        assert cli.main(["train", *student(home), none]) == 1
        *_, line = capsys.readouterr().err.splitlines()
        assert "was trained on other data: teacher was " in line
        assert line.count(" and is None now") == 1
        path.write_bytes(before)
        path.rename(path.with_name("moved.safetensors"))
        moved = f"--config.distill.teacher={path.with_name('moved.safetensors')}"
        assert cli.main(["train", *student(home), moved]) == 0
        assert cli.main(["train", *student(home)]) == 2
        *_, line = capsys.readouterr().err.splitlines()
        assert line.endswith("t.safetensors: no such file; make it by jaxconv distill")
        assert cli.main(["evaluate", "--workdir", str(home / "student")]) == 0
    finally:
        path.write_bytes(before)


def test_a_teacher_of_other_images_is_refused(home):
    teacher = load_trained(home / "teacher", best=False)
    data = load_shapes10(train_count=1, test_count=1)
    network = teacher.network._replace(image_shape=(64, 64, 3))
    with pytest.raises(ConfigError, match=r"takes images of \(32, 32, 3\), and --config gives it "):
        _require_alike(home, teacher, data, network)
    _require_alike(home, teacher, data, teacher.network)


def test_a_teacher_that_sees_other_numbers_or_classes_is_refused(home, tmp_path, capsys):
    out = ["--out", str(tmp_path / "u.safetensors")]
    other = "--config.augment.transforms=(('Normalize',{'mean':(0.5,0.5,0.5),'std':'auto'}),)"
    assert cli.main(["distill", str(home / "teacher"), *SMALL, other, *out]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert "was trained with another Normalize than that of --config" in line
    assert cli.main(["distill", str(PRETRAINED), *SMALL, *out]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert "was trained on cifar10, and shapes10 has other classes; set --config.data.sour" in line
    assert cli.main(["distill", str(home / "teacher"), *SMALL, "--views", "3", *out]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert "--views=3: AlternatingFlip mirrors every other view; of an odd number the las" in line
    assert not (tmp_path / "u.safetensors").exists()
