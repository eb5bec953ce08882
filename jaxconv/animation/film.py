"""The moving pictures of the convolutions: every number in them is what jaxconv computed.

`cases` and their `stages` let the functions work, `frames` takes their work apart number by number,
`drawing` makes a picture of one step; here the steps become a film or a still, and `encoding`
writes it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxconv.animation import encoding
from jaxconv.animation.cases import Case
from jaxconv.animation.drawing.panel import HEADS, LEGEND, TITLE, Panel, panels
from jaxconv.animation.drawing.picture import draw
from jaxconv.animation.frames import Frame, frames

RATE = 1.0  # steps per second, unless the user says otherwise
RATES = (0.01, 50)
OPENING, FIRST, STAGE_END, ENDING = 3.0, 2.5, 1.5, 3.0
"""Seconds that a stage at rest, its first step at least, and its result are seen."""
LONGEST = 400  # pictures; nobody watches more


class Shot(NamedTuple):
    """A picture of the film, RGB, and how long it is seen."""

    image: Image.Image
    seconds: float


def save(case: Case, path: Path, *, fps: float = RATE) -> None:
    """Writes what the name of `path` says: .png a still, .mp4 or .gif a film.

    Raises:
        ValueError: as `film`, or another ending.
        OSError: as `encoding.save_mp4`, or `path` cannot be written.
    """
    match path.suffix:
        case ".png":
            encoding.save_png(still(case), path)
        case ".mp4":
            rate = fps * max(round(encoding.VIDEO_RATE / fps), 1)  # whole pictures for each step
            encoding.save_mp4(film(case, fps=fps), path, rate=rate)
        case ".gif":
            encoding.save_gif(film(case, fps=fps), path)
        case _:
            raise ValueError(f"{path}: expected a name that ends in .gif, .mp4 or .png")


def film(case: Case, *, fps: float = RATE, scale: int = 2) -> Iterator[Shot]:
    """Draws `case` stage by stage, each from its empty output to the full one.

    The first step of a stage stands a little longer, so that a reader can follow its products. A
    picture is drawn when it is asked for, as all of them may fill the memory.

    Args:
        fps: steps per second.
        scale: pixels a point of the layout.

    Raises:
        ValueError: an fps outside `RATES`, a film too long to watch, or numbers too small to read.
    """
    if not RATES[0] <= fps <= RATES[1]:
        raise ValueError(f"fps must be from {RATES[0]} to {RATES[1]}, got {fps}")
    count = sum(stage.y.size for stage in case.stages)
    if count > LONGEST:
        raise ValueError(
            f"the film would have {count} pictures, and nobody watches more than {LONGEST}; "
            "take a smaller size or fewer features"
        )
    return _shots(panels(case), fps, scale)


def _shots(stages: Sequence[Panel], fps: float, scale: int) -> Iterator[Shot]:
    for panel in stages:
        empty = np.zeros(panel.stage.y.shape, bool)
        yield Shot(draw(panel, None, empty, scale=scale), OPENING)
        for number, step in enumerate(_steps(panel)):
            seconds = 1 / fps if number else max(FIRST, 1 / fps)
            yield Shot(draw(panel, *step, scale=scale), seconds)
        seconds = ENDING if panel is stages[-1] else STAGE_END
        yield Shot(draw(panel, None, ~empty, scale=scale), seconds)


def still(case: Case, *, scale: int = 2) -> Image.Image:
    """Three steps of `case` - the first, one in the middle, the last - one below the other.

    Raises:
        ValueError: numbers too small to read.
    """
    steps = [(panel, *step) for panel in panels(case) for step in _steps(panel)]
    chosen = [steps[0], steps[len(steps) // 2], steps[-1]]
    parts, before = [], None
    for panel, frame, done in chosen:
        picture = draw(panel, frame, done, scale=scale)
        # What the part above says already is cut off: the title, and the story of the same stage.
        top = 0 if before is None else HEADS if panel is before else TITLE
        bottom = panel.height - (0 if len(parts) == 2 else LEGEND)
        parts.append(picture.crop((0, top * scale, picture.width, bottom * scale)))
        before = panel
    joined = Image.new("RGB", (parts[0].width, sum(part.height for part in parts)), "white")
    for number, part in enumerate(parts):
        joined.paste(part, (0, sum(above.height for above in parts[:number])))
    return joined


def _steps(panel: Panel) -> Iterator[tuple[Frame, np.ndarray]]:
    """Each frame, with the numbers of the output that were made before it."""
    done = np.zeros(panel.stage.y.shape, bool)
    for frame in frames(panel.stage):
        yield frame, done.copy()
        done[frame.row, frame.column, frame.feature] = True
