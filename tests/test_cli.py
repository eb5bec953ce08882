"""The verbs as a user calls them: what they print and draw, and how they refuse."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxconv import cli
from jaxconv.cli.config.file import DEFAULT_CONFIG
from jaxconv.cli.parsers import network_parser
from jaxconv.cli.verbs.trained import dataset_of, parse_trained

ROOT = Path(__file__).resolve().parents[1]
SMALL = [
    "--config.data.sources=shapes10",
    "--config.data.train_limit=48",
    "--config.data.test_limit=40",
]
TRANSFORMS = "--config.augment.transforms=(({}),)"
PNG = b"\x89PNG\r\n\x1a\n"


def run(*command: str, cwd: Path = ROOT, platform: str = "cpu") -> subprocess.CompletedProcess:
    environment = os.environ | {"JAX_PLATFORMS": platform, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of one epoch on 48 images."""
    path = tmp_path_factory.mktemp("run")
    small = [*SMALL, "--config.batch_size=16", "--config.epochs=1", "--tensorboard"]
    done = run("train.py", "--config", "configs/s9_quick.py", "--workdir", str(path), *small)
    assert done.returncode == 0, done.stderr
    return path


def refused(capsys, *argv: str) -> tuple[int, str]:
    """The exit code and the one line that a command leaves on stderr."""
    code = cli.main(argv)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [
        line for line in captured.err.splitlines() if not line.startswith(("data: ", "weights: "))
    ]
    assert len(lines) == 1, captured.err
    return code, lines[0]


def test_summary_as_a_real_process_prints_the_documented_table(tmp_path):
    done = run("-m", "jaxconv", "summary", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[3] == "            Conv2d-1           [-1, 32, 32, 32]             864"
    assert lines[53] == "           Conv2d-51             [-1, 10, 1, 1]             640"
    assert lines[-2:] == ["Estimated Total Size (MB): 4.25", "-" * 64]
    assert list(tmp_path.iterdir()) == []


def test_summary_shows_columns_on_request(capsys):
    assert cli.main(["summary", "--columns", "receptive_field,jump,macs"]) == 0
    *_, field, jump, macs, _ = capsys.readouterr().out.splitlines()
    assert field == "Receptive field (pixels): 105"
    assert jump == "Jump (pixels): 8"
    assert macs == "Multiply-adds: 14,476,160"


def test_stats_prints_the_documented_block_alone_on_stdout(capsys):
    assert cli.main(["stats", *SMALL]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[:3] == ["[Train]", " - Total Train Images: 48", " - Tensor Shape: (3, 32, 32)"]
    assert lines[8:11] == ["[Test]", " - Total Test Images: 40", " - Tensor Shape: (3, 32, 32)"]
    assert len(lines) == 16
    assert captured.err == (
        "data: shapes10 (shapes10 is the only source asked for); drawn from seed 0\n"
    )


@pytest.mark.parametrize("verb", ["samples", "augmentations"])
def test_pictures_of_the_data_are_written_where_asked(verb, tmp_path, capsys):
    out = tmp_path / "new" / "picture.png"
    assert cli.main([verb, *SMALL, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_bytes().startswith(PNG)


def test_evaluate_repeats_what_training_measured(workdir, capsys):
    assert cli.main(["evaluate", "--workdir", str(workdir)]) == 0
    (row,) = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert capsys.readouterr().out == (
        f"step 3 on 40 test images of shapes10: accuracy {row['test_accuracy']:.2f} %, "
        f"loss {row['test_loss']:.4f}\n"
    )


def test_evaluate_tells_of_test_time_flips_apart(workdir, capsys):
    """The second line is about images and mirror images that were looked at one by one."""
    assert cli.main(["evaluate", "--workdir", str(workdir)]) == 0
    plain = capsys.readouterr().out
    assert cli.main(["evaluate", "--workdir", str(workdir), "--tta"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(plain)
    trained, _ = parse_trained(network_parser("evaluate", ""), ["--workdir", str(workdir)])
    images, labels = dataset_of(trained).test
    x = np.asarray(trained.network.normalize(images))
    logits = sum(
        trained.network.model.apply(trained.state.variables, view, train=False)
        for view in (x, x[:, :, ::-1])
    )
    log_p = jax.nn.log_softmax(logits / 2)
    accuracy = 100 * (log_p.argmax(1) == labels).mean()
    loss = -np.take_along_axis(np.asarray(log_p), labels[:, None], 1).mean()
    head = "step 3 on 40 test images of shapes10, with test-time flips: "
    assert out.removeprefix(plain) == f"{head}accuracy {accuracy:.2f} %, loss {loss:.4f}\n"


def test_a_field_of_the_runs_own_config_can_be_overridden(workdir, capsys):
    assert cli.main(["evaluate", "--workdir", str(workdir), "--config.data.test_limit=9"]) == 0
    assert capsys.readouterr().out.startswith("step 3 on 9 test images of shapes10: accuracy ")


def test_training_wrote_event_files_where_asked(workdir):
    (path,) = (workdir / "tensorboard").iterdir()
    assert b"accuracy/test" in path.read_bytes()


def test_misclassified_images_are_drawn(workdir, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["misclassified", "--workdir", str(workdir)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'misclassified.png'}\n"
    assert (tmp_path / "misclassified.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            [],
            "no verb given; expected one of train, summary, costs, animate, explore, stats",
        ),
        (["sumary"], "sumary: unknown verb; did you mean summary?"),
        (["dance"], "dance: unknown verb; expected one of train, summary, costs, animate"),
        (["summary", "--columns", "flops"], "--columns flops: unknown column 'flops'; expected"),
        (["summary", "more"], "unrecognized arguments: more; python -m jaxconv summary --help"),
        (["stats", "--config", "nowhere.txt"], "--config nowhere.txt: no such file"),
        (["stats", "--config.data.source=cifar10"], "did you mean --config.data.sources?"),
        (["stats", "--out", "x.png"], "--out: unknown; expected one of --config.augment.engine"),
        (["samples", "--out", "x.jpg"], "--out x.jpg: expected a name that ends in .png"),
        (["augmentations", "--config.augment.transforms=(('Flop', {}),)"], "Flop"),
        (
            ["augmentations", *SMALL, TRANSFORMS.format("'RandomCrop',{'height':64,'width':64}")],
            "64",
        ),
        (
            ["augmentations", *SMALL, TRANSFORMS.format("'Normalize',{'mean':(1,1,1,1,1)}")],
            "3 chann",
        ),
        (["evaluate", "--workdir", "a", "--weights", "b.safetensors"], "one network at a time"),
        (["evaluate", "--config.data.source=cifar10"], "did you mean --config.data.sources?"),
    ],
)
def test_a_wrong_command_line_is_refused_with_code_2(argv, message, capsys):
    code, line = refused(capsys, *argv)
    assert code == 2
    assert line.startswith("error: ")
    assert message in line


@pytest.mark.parametrize("verb", ["evaluate", "misclassified"])
def test_a_folder_that_is_no_run_is_refused_with_code_1(verb, tmp_path, capsys):
    code, line = refused(capsys, verb, "--workdir", str(tmp_path))
    assert code == 1
    assert f"{tmp_path} is no run directory" in line


def test_a_run_without_a_checkpoint_is_refused(workdir, tmp_path, capsys):
    shutil.copy(workdir / "config.json", tmp_path)
    code, line = refused(capsys, "evaluate", "--workdir", str(tmp_path))
    assert (code, line) == (1, f"error: {tmp_path} has no checkpoint; train in it first")
    (tmp_path / "checkpoints").mkdir()
    code, line = refused(capsys, "evaluate", "--workdir", str(tmp_path))
    assert code == 1
    assert "holds no whole checkpoint" in line


def test_a_run_whose_config_was_damaged_is_refused(workdir, tmp_path, capsys):
    fields = json.loads((workdir / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(fields | {"batch_size": 0}))
    code, line = refused(capsys, "evaluate", "--workdir", str(tmp_path))
    assert code == 2
    assert "config.batch_size=0: expected a whole number of at least 1" in line
    (tmp_path / "config.json").write_text("{")
    code, line = refused(capsys, "evaluate", "--workdir", str(tmp_path))
    assert code == 1
    assert f"cannot read {tmp_path / 'config.json'}" in line


def test_a_source_that_is_not_at_hand_is_an_error_with_the_remedy(tmp_path, monkeypatch, capsys):
    for name in ("TFDS_DATA_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    wanted = ["--config.data.sources=cifar10", "--config.data.download=false"]
    code, line = refused(capsys, "stats", *wanted)
    assert code == 1
    assert "cifar10 is not at hand" in line
    assert "put cifar-10-binary.tar.gz into a folder" in line


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "picture.png"
    code, line = refused(capsys, "samples", *SMALL, "--out", str(out))
    assert code == 1
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
def test_a_device_that_is_not_there_is_named(platform):
    if platform == "cuda" and Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has an NVIDIA GPU")
    done = run("-m", "jaxconv", "summary", platform=platform)
    assert done.returncode == 2
    assert done.stdout == ""
    *_, line = done.stderr.splitlines()  # JAX's own log may come before
    assert line.startswith(f"error: JAX_PLATFORMS={platform}: no such device here (")
    assert line.endswith("install jaxconv[cuda12] on a machine with an NVIDIA GPU")
    assert "Traceback" not in done.stderr


def test_the_default_config_is_the_documented_recipe():
    assert DEFAULT_CONFIG == ROOT / "configs" / "s9.py"
    assert DEFAULT_CONFIG.is_file()


def test_data_of_other_classes_than_the_network_is_refused(capsys):
    code, line = refused(capsys, "evaluate", *SMALL)
    assert code == 2
    assert (
        "trained on cifar10, and shapes10 has other classes; set --config.data.sources=cif" in line
    )


@pytest.mark.skipif(
    "TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR names no directory with CIFAR-10"
)
def test_stats_of_cifar10_are_the_documented_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cli.main(["stats", "--config.data.sources=cifar10"]) == 0
    documented = {
        "mean": [(0.49139968, 0.48215827, 0.44653124), (0.49421427, 0.48513183, 0.45040932)],
        "std": [(0.24703233, 0.24348505, 0.26158768), (0.24665256, 0.24289224, 0.26159248)],
        "var": [(0.061024975, 0.05928497, 0.06842812), (0.06083748, 0.058996636, 0.06843062)],
    }
    text = capsys.readouterr().out
    assert re.findall(r"Images: (\d+)", text) == ["50000", "10000"]
    for name, expected in documented.items():
        printed = re.findall(rf"^ - {name}: \((.*)\)$", text, flags=re.MULTILINE)
        values = [tuple(map(float, numbers.split(", "))) for numbers in printed]
        assert values == [pytest.approx(row, abs=1e-6) for row in expected]


def test_a_picture_takes_the_place_of_a_link_and_does_not_follow_it(tmp_path, monkeypatch):
    """A folder may come from somebody else."""
    monkeypatch.chdir(tmp_path)
    precious = tmp_path / "precious"
    precious.write_text("x")
    (tmp_path / "samples.png").symlink_to(precious)
    assert cli.main(["samples", *SMALL]) == 0
    assert precious.read_text() == "x"
    assert not (tmp_path / "samples.png").is_symlink()
