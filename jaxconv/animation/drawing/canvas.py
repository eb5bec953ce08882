"""Grids of numbers, drawn with Pillow: crisp at any scale, in the letters of the figures."""

from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from jaxconv.animation.drawing.captions import signed
from jaxconv.palette import INK, VERMILION, tint

DARK = "#A34700"  # vermilion under white letters


class Canvas:
    """A white picture, measured in points of `scale` pixels; (0, 0) is its upper left corner."""

    def __init__(self, width: int, height: int, scale: int):
        self.scale = scale
        self.image = Image.new("RGB", (width * scale, height * scale), "white")
        self._draw = ImageDraw.Draw(self.image)

    def box(self, x, y, width, height, *, fill=None, line=None, thick=1.0):
        """A rectangle; neighbours that touch share their lines."""
        s = self.scale
        corners = [round(v * s) for v in (x, y, x + width, y + height)]
        self._draw.rectangle(corners, fill, line, max(1, round(thick * s)) if line else 0)

    def line(self, x, y, to_x, to_y, colour, thick=1.0):
        s = self.scale
        self._draw.line(
            [round(v * s) for v in (x, y, to_x, to_y)], colour, max(1, round(thick * s))
        )

    def text(self, x, y, text, *, size=13.0, colour=INK, bold=False, anchor="lm") -> float:
        """Writes `text` at (x, y), anchored as Pillow's text is, and returns its width."""
        font = _font(round(size * self.scale), bold)
        self._draw.text((x * self.scale, y * self.scale), text, colour, font, anchor)
        return font.getlength(text) / self.scale

    def width_of(self, text, size) -> float:
        """How wide `text` would be."""
        return _font(round(size * self.scale), False).getlength(text) / self.scale

    def number(self, x, y, cell, value, *, colour=INK, bold=False, size=0.48):
        """Writes a whole number into the cell at (x, y), smaller where it is long."""
        text = signed(value)
        size *= cell * min(1.0, 3.2 / (len(text) + 0.6))
        self.text(
            x + cell / 2, y + cell / 2, text, size=size, colour=colour, bold=bold, anchor="mm"
        )

    def weighed(self, x, y, cell, value, weight, *, colour=INK):
        """A cell under the kernel: what lies there, and on a tag the weight that it meets."""
        self.box(x, y, cell, cell, fill=tint(VERMILION, 0.16), line=VERMILION)
        text, tag = signed(value), signed(weight)
        size = cell * min(0.48, 1.15 / (len(text) + 1))
        self.text(x + cell * 0.1, y + cell * 0.33, text, size=size, bold=True, colour=colour)
        wide = cell * (0.3 + 0.2 * len(tag))
        left, top = x + cell - wide - 1.5, y + cell * 0.53
        self.box(left, top, wide, cell * 0.42, fill=DARK)
        at = (left + wide / 2, top + cell * 0.21)
        self.text(*at, tag, size=cell * 0.37, colour="white", bold=True, anchor="mm")

    def arrow_head(self, x, y, colour):
        """The point of an arrow that ends at (x, y), to the right."""
        points = [(x, y), (x - 7, y - 4.5), (x - 7, y + 4.5)]
        self._polygon(points, colour)

    def corner(self, x, y, side, colour, *, last=False):
        """Marks the corner (x, y): the upper left one of a grid, or its last one."""
        side = -side if last else side
        self._polygon([(x, y), (x + side, y), (x, y + side)], colour)

    def _polygon(self, points, colour):
        self._draw.polygon([(a * self.scale, b * self.scale) for a, b in points], colour)


@cache
def _font(pixels: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, matplotlib's own copy: the letters of the figures, on every machine."""
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", name), pixels)
