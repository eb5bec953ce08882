"""What the pictures of one stage share: layout, field and colours, and its heights in points."""

from typing import NamedTuple

from jaxconv.animation.cases import Case
from jaxconv.animation.drawing.captions import is_colour
from jaxconv.animation.drawing.layout import Layout, layouts
from jaxconv.animation.frames import Field, Stage, field
from jaxconv.palette import BLUE, COLOUR_CHANNELS, GREEN, PURPLE

TITLE, HEADS, HEADER = 62, 92, 148  # points from the top: to the story, the heads, the grids
LEGEND, FOOTER = 46, 114  # points from the bottom: to the legend, to the grids


class Panel(NamedTuple):
    """What the pictures of one stage share."""

    case: Case
    number: int  # of the stage, from 0
    layout: Layout
    field: Field
    sources: tuple[str, ...]  # the colour of each channel of the input
    target: str  # and of the output

    @property
    def stage(self) -> Stage:
        return self.case.stages[self.number]

    @property
    def height(self) -> int:
        """Of the whole picture, in points."""
        return HEADER + self.layout.height + FOOTER


def panels(case: Case) -> list[Panel]:
    """One `Panel` for each stage; a map keeps its colour from an output to the next input.

    Raises:
        ValueError: the numbers would be too small to read.
    """
    maps = [BLUE, *(PURPLE for _ in case.stages[1:]), GREEN]
    return [
        Panel(
            case,
            number,
            layout,
            field(stage),
            COLOUR_CHANNELS if is_colour(case, number) else (maps[number],) * stage.x.shape[2],
            maps[number + 1],
        )
        for number, (stage, layout) in enumerate(
            zip(case.stages, layouts(case.stages), strict=True)
        )
    ]
