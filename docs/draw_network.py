"""Draws S9Net from its table of blocks: python docs/draw_network.py writes docs/network.svg.

A bar is as wide as the map and as thick as it has channels. Everything is read off `ROWS` and the
summary, so that a test can tell when the file is out of date.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from jaxconv.models.s9 import ROWS, S9Net
from jaxconv.models.summary import LayerSummary, summarize

FILE = Path(__file__).with_name("network.svg")
INPUT = (32, 32, 3)
COLOURS = {  # Okabe and Ito's, told apart by the colour-blind
    "Conv": ("standard", "#56b4e9"),
    "DepthwiseSeparableConv": ("depthwise", "#e69f00"),
    "DilatedConv": ("dilated by 2, stride 2", "#009e73"),
    "PointwiseConv": ("pointwise", "#cc79a7"),
}
WIDTH, STEP, TOP = 400, 46, 58
KEY = (  # at the foot
    "Width: side of the map. Thickness: channels. +: input added (residual).",
    "Block 2 is depthwise separable: depthwise above, pointwise below.",
)
CENTRE, RIGHT = 190, 286  # of the bars, and where the text beside them begins
PIXEL, CHANNEL = 5, 0.5  # of the drawing, for one of the map's


class Block(NamedTuple):
    """One block of the network, as its last layer leaves it."""

    name: str
    module: str
    output_shape: tuple[int, ...]  # [h, w, c]
    parameters: int
    multiply_adds: int
    receptive_field: int  # pixels a side
    jump: int
    residual: bool = False


def blocks() -> list[Block]:
    """The blocks of S9Net for a 32x32 image, then its head."""
    layers = [row for row in summarize(S9Net(), INPUT) if row.path != "pool"]
    found = [list(group) for _, group in groupby(layers, lambda row: row.path.split("/")[0])]
    kinds = [(row.conv.__name__, row.residual) for row in ROWS] + [("PointwiseConv", False)]
    return [_block(*pair) for pair in zip(found, kinds, strict=True)]


def _block(layers: Sequence[LayerSummary], kind: tuple[str, bool]) -> Block:
    module, residual = kind
    last = layers[-1]
    return Block(
        name=last.path.split("/")[0],
        module=module,
        output_shape=last.output_shape,
        parameters=sum(row.parameters for row in layers),
        multiply_adds=sum(row.multiply_adds for row in layers),
        receptive_field=last.receptive_field[0],
        jump=int(last.jump[0]),
        residual=residual,
    )


def svg(shown: Sequence[Block]) -> str:
    foot = TOP + STEP * (len(shown) + 1) + 20
    height = foot + 18 * len(KEY)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12" role="img">',
        "<title>S9Net, block by block</title>",
        '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>',
        *_legend(),
        *_bar(0, INPUT, "#bbbbbb", "image"),
    ]
    for number, block in enumerate(shown, start=1):
        label = f"{block.name.removeprefix('block')}"
        parts += _bar(number, block.output_shape, COLOURS[block.module][1], label)
        field = f"field {block.receptive_field}, jump {block.jump}"
        text = "mean, then 1x1" if block.name == "head" else field
        parts.append(_text(RIGHT, _y(number) + 15, text, size=11, fill="#555555"))
        if block.module == "DepthwiseSeparableConv":
            parts.append(_lower_half(number, block.output_shape, COLOURS["PointwiseConv"][1]))
        if block.residual:
            parts += _residual(number, block.output_shape[0])
    parts += [_text(14, foot + 18 * i, line, size=11) for i, line in enumerate(KEY)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> Iterator[str]:
    for number, (name, colour) in enumerate(COLOURS.values()):
        x, y = 14 + 190 * (number % 2), 14 + 20 * (number // 2)
        yield f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 18, y + 10, name)


def _y(number: int) -> int:
    return TOP + 24 + STEP * number


def _bar(number: int, shape: tuple[int, ...], colour: str, label: str) -> Iterator[str]:
    side, thickness = shape[0] * PIXEL, max(shape[2] * CHANNEL, 3)
    x, y = CENTRE - side / 2, _y(number) - thickness / 2
    yield (
        f'<rect x="{x:g}" y="{y:g}" width="{side}" height="{thickness:g}" fill="{colour}" '
        'stroke="#333333" stroke-width="0.7"/>'
    )
    yield _text(14, _y(number) + 4, label, weight="bold")
    yield _text(RIGHT, _y(number), " x ".join(map(str, shape)))


def _lower_half(number: int, shape: tuple[int, ...], colour: str) -> str:
    side, thickness = shape[0] * PIXEL, shape[2] * CHANNEL
    return (
        f'<path d="M {CENTRE - side / 2:g} {_y(number):g} h {side:g} v {thickness / 2:g} '
        f'h {-side:g} z" fill="{colour}" stroke="#333333" stroke-width="0.7"/>'
    )


def _residual(number: int, side: int) -> Iterator[str]:
    """An arc past the block, from its input to its output."""
    x, start, end = CENTRE - side * PIXEL / 2 - 4, _y(number - 1), _y(number)
    yield (
        f'<path d="M {x:g} {start} C {x - 34:g} {start}, {x - 34:g} {end}, {x:g} {end}" '
        'fill="none" stroke="#333333" stroke-width="1.2"/>'
    )
    yield _text(x - 40, (start + end) // 2 + 5, "+", size=14)


def _text(x: float, y: float, text: str, *, size: int = 12, **style: str) -> str:
    given = {"fill": "#111111"} | {name: value for name, value in style.items() if name == "fill"}
    given |= {"font-weight": style["weight"]} if "weight" in style else {}
    attributes = "".join(f' {name}="{value}"' for name, value in given.items())
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}"{attributes}>{escape(text)}</text>'


if __name__ == "__main__":
    FILE.write_text(svg(blocks()), encoding="utf-8")
    print(FILE)
