"""docs/network.md: its table, its sums and its picture are those of the network in the code."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "network.md").read_text(encoding="utf-8")
CONVOLUTIONS = {
    "Conv": "standard",
    "DepthwiseSeparableConv": "depthwise separable",
    "DilatedConv": "dilated by 2, stride 2",
    "PointwiseConv": "pointwise",
}


@pytest.fixture(scope="module")
def drawing():
    spec = importlib.util.spec_from_file_location("draw_network", DOCS / "draw_network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def blocks(drawing):
    return drawing.blocks()


def written_rows():
    """The cells of the table of blocks: thirteen rows and the sum."""
    _, _, table = PAGE.partition("| block | convolution |")
    lines = table.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_row_is_what_the_code_says(blocks):
    *rows, _ = written_rows()
    channels = 3
    for row, block in zip(rows, blocks, strict=True):
        height, width, features = block.output_shape
        kind = CONVOLUTIONS[block.module] + ", residual" * block.residual
        assert row == [
            block.name.removeprefix("block"),
            kind,
            f"{channels} → {features}",
            f"{height} x {width}",
            f"{block.parameters:,}",
            f"{block.multiply_adds:,}",
            str(block.receptive_field),
            str(block.jump),
        ]
        channels = features


def test_the_sums_are_those_of_the_rows(blocks):
    parameters = f"{sum(block.parameters for block in blocks):,}"
    multiply_adds = f"{sum(block.multiply_adds for block in blocks):,}"
    assert written_rows()[-1][4:6] == [parameters, multiply_adds]
    assert f"{parameters} parameters and {multiply_adds} multiply-adds" in PAGE


def test_the_sum_of_the_receptive_field_is_written_out(blocks):
    """Each row of that table: what the layers add, and field and jump after them."""
    row = r"^\| blocks? ([\d, and]+).* \| (\d) x (\d).* \| (\d+) \| (\d+) \|$"
    rows = re.findall(row, PAGE, re.MULTILINE)
    assert len(rows) == 7
    field, jump = 1, 1
    for numbers, extent, step, after, jump_after in rows:
        layers = [blocks[int(number) - 1] for number in re.findall(r"\d+", numbers)]
        assert int(step) == jump
        field += len(layers) * int(extent) * jump
        jump = int(jump_after)
        assert (field, jump) == (int(after), layers[-1].jump) == (layers[-1].receptive_field, jump)


def test_the_picture_is_drawn_from_the_code(drawing, blocks):
    assert drawing.FILE.read_text(encoding="utf-8") == drawing.svg(blocks), (
        "docs/network.svg is not what docs/draw_network.py draws: run it"
    )
