"""docs/convolutions.md: its sessions run, its tables and its pictures are computed."""

import doctest
import itertools
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jaxconv
from jaxconv import cli
from jaxconv.models.summary import summarize
from jaxconv.ops.geometry import output_size, transpose_output_size

GUIDE = Path(__file__).parents[1] / "docs" / "convolutions.md"
TEXT = GUIDE.read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+Conv\(.*\)|Conv\(.*\))` \| (.*) \|$", TEXT, flags=re.MULTILINE)
COMMANDS = re.findall(r"^jaxconv (animate .*)$", TEXT.replace(" \\\n  ", " "), flags=re.MULTILINE)
PICTURES = re.findall(r'<img src="images/([\w.]+)" width="720" alt="[^"]{20,}">', TEXT)


def test_every_session_prints_what_it_says():
    assert TEXT.count("```python") == TEXT.count("```python\n>>> ")
    done = doctest.testfile(str(GUIDE), module_relative=False, encoding="utf-8")
    assert done.attempted > 30
    assert done.failed == 0


@pytest.mark.parametrize(("layer", "numbers"), ROWS)
def test_every_row_of_the_tables_is_computed(layer, numbers):
    given, made, parameters, multiply_adds, sees = numbers.split(" | ")
    module = eval(layer, vars(jaxconv))
    rows = summarize(module, [int(size) for size in given.split(" x ")])
    assert made == " x ".join(map(str, rows[-1].output_shape))
    assert parameters == f"{sum(row.parameters for row in rows):,}"
    assert multiply_adds == f"{sum(row.multiply_adds for row in rows):,}"
    assert sees == " x ".join(map(str, rows[-1].receptive_field))


def test_every_table_row_was_found_and_every_picture_has_its_command():
    assert len(ROWS) == sum(line.startswith("| `") for line in TEXT.splitlines()) > 20
    assert [command.split()[-1] for command in COMMANDS] == PICTURES
    assert {file.name for file in (GUIDE.parent / "images").iterdir()} == set(PICTURES)


@pytest.mark.parametrize("command", COMMANDS, ids=PICTURES)
def test_the_picture_is_what_its_command_draws(command, tmp_path, monkeypatch, capsys):
    """Up to the rims of letters, which another version of Pillow may draw otherwise."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(shlex.split(command)) == 0
    name = command.split()[-1]
    assert capsys.readouterr().out == f"{tmp_path / name}\n"
    stored, drawn = GUIDE.parent / "images" / name, tmp_path / name
    assert stored.stat().st_size < 600_000
    with Image.open(stored) as old, Image.open(drawn) as new:
        assert (old.n_frames, old.size) == (new.n_frames, new.size)
        for number in (1, old.n_frames // 2, old.n_frames - 1):
            old.seek(number)
            new.seek(number)
            apart = np.asarray(old.convert("L"), int) - np.asarray(new.convert("L"), int)
            assert np.abs(apart).mean() < 0.5


def test_readme_shows_what_its_command_draws():
    readme = (GUIDE.parents[1] / "README.md").read_text(encoding="utf-8")
    (picture,) = re.findall(r"!\[[^\]]*\]\(docs/images/([\w.]+)\)", readme)
    (command,) = re.findall(rf"jaxconv (animate .*{re.escape(picture)})$", readme, re.MULTILINE)
    assert command in COMMANDS


@pytest.mark.parametrize(
    ("formula", "size_of", "extra"),
    [
        ("(size + 2*padding - span) // stride + 1", output_size, {}),
        (
            "(size - 1)*stride - 2*padding + span + output_padding",
            transpose_output_size,
            {"output_padding": 1},
        ),
    ],
)
def test_the_formulas_give_the_sizes(formula, size_of, extra):
    flowing = " ".join(TEXT.split())
    assert f"`{formula}`" in flowing
    assert "`dilation*(kernel - 1) + 1`" in flowing
    for size, kernel, stride, padding, dilation in itertools.product(
        (7, 8), (1, 3), (1, 2), (0, 1), (1, 2)
    ):
        values = {"size": size, "stride": stride, "padding": padding, **extra}
        span = eval("dilation*(kernel - 1) + 1", {"dilation": dilation, "kernel": kernel})
        options = {
            "kernel_size": kernel,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
        }
        assert eval(formula, values | {"span": span}) == size_of(size, **options, **extra)


def test_links_inside_the_guide_lead_somewhere():
    headings = re.findall(r"^## (.*)$", TEXT, flags=re.MULTILINE)
    targets = set(re.findall(r"\]\(#([\w-]+)\)", TEXT))
    assert targets <= {heading.lower().replace(" ", "-") for heading in headings}
    assert targets
