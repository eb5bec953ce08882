"""The moving pictures of the convolutions: every number in them is what jaxconv computed.

`scenes` lets the operators work, `frames` takes their work apart number by number, `picture` draws
one step of it; here the steps become a film or a still.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxconv.animation.frames import Frame, frames
from jaxconv.animation.picture import HEADS, LEGEND, TITLE, Panel, draw, panels
from jaxconv.animation.scenes import Scene
from jaxconv.files import replacing

COLOURS, UNCHANGED = 40, 255  # of a GIF: how many, and the index that lets the old pixel show
OPENING, STAGE_END, ENDING = 2.0, 1.2, 2.5  # seconds that the pictures at rest are seen
LONGEST = 400  # pictures; nobody watches more
VIDEO_RATE = 10  # pictures a second in an MP4


class Shot(NamedTuple):
    """A picture of the film, RGB, and how long it is seen."""

    image: Image.Image
    seconds: float


def save(scene: Scene, path: Path, *, fps: float = 2.5) -> None:
    """Writes what the name of `path` says: .png a still, .mp4 or .gif a film.

    Raises:
        ValueError: as `film`, or another ending.
        OSError: as `save_mp4`, or `path` cannot be written.
    """
    match path.suffix:
        case ".png":
            save_still(still(scene), path)
        case ".mp4":
            save_mp4(film(scene, fps=fps), path)
        case ".gif":
            save_gif(film(scene, fps=fps), path)
        case _:
            raise ValueError(f"{path}: expected a name that ends in .gif, .mp4 or .png")


def film(scene: Scene, *, fps: float = 2.5, scale: int = 2) -> list[Shot]:
    """Draws `scene` from its empty output to the full one, `scale` pixels a point of the layout.

    Raises:
        ValueError: an fps outside (0, 50], a film too long to watch, or numbers too small to read.
    """
    if not 0 < fps <= 50:
        raise ValueError(f"fps must be above 0 and at most 50, got {fps}")
    count = sum(stage.y.size for stage in scene.stages)
    if count > LONGEST:
        raise ValueError(
            f"the film would have {count} pictures, and nobody watches more than {LONGEST}; "
            "take a smaller size or fewer features"
        )
    first, *_ = stages = panels(scene)
    empty = np.zeros(first.stage.y.shape, bool)
    shots = [Shot(draw(first, None, empty, scale=scale), OPENING)]
    for panel in stages:
        steps = _steps(panel)
        shots += [Shot(draw(panel, *step, scale=scale), 1 / fps) for step in steps]
        full = np.ones(panel.stage.y.shape, bool)
        seconds = ENDING if panel is stages[-1] else STAGE_END
        shots.append(Shot(draw(panel, None, full, scale=scale), seconds))
    return shots


def still(scene: Scene, *, scale: int = 2) -> Image.Image:
    """Three steps of `scene` - the first, one in the middle, the last - one below the other.

    Raises:
        ValueError: numbers too small to read.
    """
    steps = [(panel, *step) for panel in panels(scene) for step in _steps(panel)]
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


def save_still(image: Image.Image, path: Path) -> None:
    """Writes `image` as PNG, whole or not at all."""
    with replacing(path) as file:
        image.save(file, format="PNG", optimize=True)


def save_gif(shots: Sequence[Shot], path: Path) -> None:
    """Writes a GIF that starts over for ever, one palette for all of it, whole or not at all."""
    first, *others = _changes(*_with_palette([shot.image for shot in shots]))
    options = {
        "save_all": True,
        "append_images": others,
        "duration": [round(shot.seconds * 1000) for shot in shots],
        "loop": 0,
        "optimize": False,
        "transparency": UNCHANGED,
        "disposal": 1,  # keep the picture before, and paint over it
    }
    with replacing(path) as file:
        first.save(file, format="GIF", **options)


def _with_palette(images: Sequence[Image.Image]) -> tuple[list[np.ndarray], np.ndarray]:
    """`images` as uint8 [h, w] of places in a palette uint8 [COLOURS, 3].

    The palette holds the colours that cover most, exactly: Pillow's own would blend the pale ones,
    and it is by them that maps are told apart.
    """
    packed = [np.asarray(image, np.uint32) @ np.uint32([1 << 16, 1 << 8, 1]) for image in images]
    colours, areas = np.unique(np.concatenate([p.ravel()[::7] for p in packed]), return_counts=True)
    palette = _unpack(colours[np.argsort(-areas, kind="stable")[:COLOURS]])
    seen = np.zeros(1 << 24, bool)
    for pixels in packed:
        seen[pixels] = True
    used = np.flatnonzero(seen)
    apart = (_unpack(used)[:, None].astype(int) - palette[None].astype(int)) ** 2
    nearest = np.zeros(1 << 24, np.uint8)
    nearest[used] = apart.sum(axis=2).argmin(axis=1)
    return [nearest[pixels] for pixels in packed], palette


def _unpack(packed: np.ndarray) -> np.ndarray:
    return np.stack([packed >> shift & 255 for shift in (16, 8, 0)], axis=-1).astype(np.uint8)


def _changes(pictures: Sequence[np.ndarray], palette: np.ndarray) -> Iterator[Image.Image]:
    """The first picture, then what changes, with holes elsewhere: less than half the bytes."""
    before = None
    for pixels in pictures:
        changed = pixels if before is None else np.where(pixels == before, UNCHANGED, pixels)
        image = Image.frombytes("P", changed.shape[::-1], changed.astype(np.uint8).tobytes())
        image.putpalette(palette.tobytes())
        yield image
        before = pixels


def save_mp4(shots: Sequence[Shot], path: Path) -> None:
    """Writes H.264 video with ffmpeg; each picture is repeated for as long as it is seen.

    Raises:
        OSError: ffmpeg is not on the PATH, or fails.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise OSError(f"{path}: ffmpeg is not on the PATH; install it, or name a file .gif")
    width, height = shots[0].image.size
    pictures = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    rate = ["-r", str(VIDEO_RATE), "-i", "-"]
    # Players want 4:2:0, and 4:2:0 wants even sizes.
    even = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-pix_fmt", "yuv420p"]
    film = b"".join(
        shot.image.tobytes() * max(1, round(shot.seconds * VIDEO_RATE)) for shot in shots
    )
    command = [program, "-y", "-v", "error", *pictures, *rate, *even, "-f", "mp4"]
    with replacing(path) as file:
        done = subprocess.run([*command, file.name], input=film, capture_output=True)
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            raise OSError(f"{path}: ffmpeg failed with code {done.returncode}: {words[-1]}")
