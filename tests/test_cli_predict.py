"""`predict` as a user calls it, with the weights of the package."""

import json
import os

import jax
import numpy as np
import pytest
from PIL import Image

from jaxconv import S9Net, cli, load_pretrained
from jaxconv.data.shapes10 import load_shapes10


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three images of 32x32, so that nothing is resized."""
    folder = tmp_path_factory.mktemp("images")
    images = load_shapes10(train_count=10, test_count=10).test.images[:3]
    paths = [folder / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths, images


def test_json_tells_the_probabilities_that_the_network_gives(files, capsys):
    paths, images = files
    assert cli.main(["predict", *map(str, paths), "--json", "--top", "10"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    variables, card = load_pretrained()
    assert captured.err == (
        f"weights: those of the package; cifar10, epoch {card.epoch}, "
        f"test accuracy {card.test_accuracy:.2f} %\n"
    )
    x = ((images / 255 - card.mean) / card.std).astype(np.float32)
    expected = np.asarray(jax.nn.softmax(S9Net().apply(variables, x, train=False)))
    assert [entry["file"] for entry in told] == list(map(str, paths))
    for entry, row in zip(told, expected, strict=True):
        given = {found["name"]: found["probability"] for found in entry["classes"]}
        assert list(given.values()) == sorted(given.values(), reverse=True)
        assert [given[name] for name in card.class_names] == pytest.approx(row, abs=1e-5)


def test_test_time_flips_are_the_mean_of_both_logits(files, tmp_path, capsys):
    """So that an image and its mirror image are seen alike."""
    paths, images = files
    mirrored = tmp_path / "mirrored.png"
    Image.fromarray(images[0][:, ::-1]).save(mirrored)
    assert (
        cli.main(["predict", str(paths[0]), str(mirrored), "--tta", "--json", "--top", "10"]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    ours, theirs = ({one["name"]: one["probability"] for one in e["classes"]} for e in told)
    assert ours == pytest.approx(theirs, abs=1e-6)
    variables, card = load_pretrained()
    x = ((images[:1] / 255 - card.mean) / card.std).astype(np.float32)
    both = (S9Net().apply(variables, view, train=False)[0] for view in (x, x[:, :, ::-1]))
    expected = np.asarray(jax.nn.softmax(sum(both) / 2))
    assert [ours[name] for name in card.class_names] == pytest.approx(expected, abs=1e-5)


def test_text_lists_the_likeliest_classes_under_each_name(files, capsys):
    paths, _ = files
    assert cli.main(["predict", *map(str, paths)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[::4] == list(map(str, paths))
    assert len(lines) == 12
    for line in lines[1:4]:
        name, number, percent = line.split()
        assert name in load_pretrained().card.class_names
        assert 0 <= float(number) <= 100
        assert percent == "%"


def test_an_image_that_cannot_be_read_does_not_hide_the_others(files, tmp_path, capsys):
    paths, _ = files
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert cli.main(["predict", str(bad), str(paths[0]), "--json"]) == 1
    captured = capsys.readouterr()
    assert [entry["file"] for entry in json.loads(captured.out)] == [str(paths[0])]
    *_, line = captured.err.splitlines()
    assert line.startswith(f"error: {bad}: ")
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no image given; name files, as in python -m jaxconv predict cat.png"),
        (["a.png", "--top", "0"], "--top: expected a whole number of at least 1, got '0'"),
        (["a.png", "--tpo", "3"], "--tpo: unknown; did you mean --top?"),
        (["a.png", "--weights", "a.pt"], "expected a name that ends in .safetensors"),
    ],
)
def test_a_wrong_command_line_is_refused(argv, message, capsys):
    assert cli.main(["predict", *argv]) == 2
    captured = capsys.readouterr()
    assert message in captured.err.splitlines()[-1]
    assert captured.out == ""


def test_no_data_is_needed(files, tmp_path, monkeypatch, capsys):
    for name in ("TFDS_DATA_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setitem(os.environ, name, str(tmp_path))
    assert cli.main(["predict", str(files[0][0])]) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_given_twice_or_in_another_form_is_told_as_it_was_given(files, capsys, monkeypatch):
    paths, _ = files
    monkeypatch.chdir(paths[0].parent)
    argv = ["./0.png", "--top", "1", "0.png", "--config.batch_size", "2", "0.png", "--json"]
    assert cli.main(["predict", *argv]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [entry["file"] for entry in told] == ["./0.png", "0.png", "0.png"]
    assert told[0]["classes"] == told[2]["classes"]


def test_no_readable_file_is_an_empty_list_in_json(tmp_path, capsys):
    assert cli.main(["predict", str(tmp_path / "none.png"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == []


def test_a_field_with_a_space_in_its_value_is_no_image(files, capsys):
    transforms = "(('Normalize', {'mean': (0.5, 0.5, 0.5), 'std': (0.25, 0.25, 0.25)}),)"
    argv = [f"--config.augment.transforms={transforms}", str(files[0][0]), "--json"]
    assert cli.main(["predict", *argv]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_the_best_checkpoint_is_of_a_run(files, capsys):
    assert cli.main(["predict", "--checkpoint", "best", str(files[0][0])]) == 2
    assert "--checkpoint best: of which run? give its --workdir" in capsys.readouterr().err
