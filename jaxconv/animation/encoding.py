"""Pictures and films as files: PNG, GIF in one palette, MP4 by ffmpeg; whole or not at all."""

import contextlib
import itertools
import shutil
import subprocess
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxconv.files import replacing

COLOURS, UNCHANGED = 48, 255  # of a GIF: how many, and the index that lets the old pixel show
VIDEO_RATE = 10  # pictures a second in an MP4, about

Shots = Iterable[tuple[Image.Image, float]]
"""Pictures, RGB and of one size, and for how many seconds each is seen; maybe drawn on demand."""


def save_png(image: Image.Image, path: Path) -> None:
    """Writes `image` as PNG."""
    with replacing(path) as file:
        image.save(file, format="PNG", optimize=True)


def save_gif(shots: Shots, path: Path) -> None:
    """Writes a GIF that starts over for ever, one palette for all of it."""
    durations = []

    def images() -> Iterator[Image.Image]:
        for image, seconds in shots:
            durations.append(round(seconds * 1000))
            yield image

    pictures = _changes(*_with_palette(images()))
    first = next(pictures)
    options = {
        "save_all": True,
        "append_images": pictures,
        "duration": durations,
        "loop": 0,
        "optimize": False,
        "transparency": UNCHANGED,
        "disposal": 1,  # keep the picture before, and paint over it
    }
    with replacing(path) as file:
        first.save(file, format="GIF", **options)


def _with_palette(images: Iterable[Image.Image]) -> tuple[Iterator[np.ndarray], np.ndarray]:
    """`images` as uint8 [h, w] of places in a palette uint8 [COLOURS, 3].

    The palette holds the colours that cover most, exactly: Pillow's own would blend the pale ones,
    and it is by them that maps are told apart. Until it is known the pictures are kept compressed:
    those of a long film would fill the memory.
    """
    areas, seen, kept = Counter(), np.zeros(1 << 24, bool), []
    for image in images:
        pixels = np.asarray(image, np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        kept.append((pixels.shape, zlib.compress(pixels.tobytes(), 1)))
        seen[pixels] = True
        colours, counts = np.unique(pixels.ravel()[::7], return_counts=True)
        areas.update(dict(zip(colours.tolist(), counts.tolist(), strict=True)))
    widest = sorted(areas, key=lambda colour: (-areas[colour], colour))
    palette = _unpack(np.array(widest[:COLOURS], np.uint32))
    used = np.flatnonzero(seen)
    apart = (_unpack(used)[:, None].astype(int) - palette[None].astype(int)) ** 2
    nearest = np.zeros(1 << 24, np.uint8)
    nearest[used] = apart.sum(axis=2).argmin(axis=1)

    def places() -> Iterator[np.ndarray]:
        for shape, pixels in kept:
            yield nearest[np.frombuffer(zlib.decompress(pixels), np.uint32).reshape(shape)]

    return places(), palette


def _unpack(packed: np.ndarray) -> np.ndarray:
    return np.stack([packed >> shift & 255 for shift in (16, 8, 0)], axis=-1).astype(np.uint8)


def _changes(pictures: Iterable[np.ndarray], palette: np.ndarray) -> Iterator[Image.Image]:
    """The first picture, then what changes, with holes elsewhere: less than half the bytes."""
    before = None
    for pixels in pictures:
        changed = pixels if before is None else np.where(pixels == before, UNCHANGED, pixels)
        image = Image.frombytes("P", changed.shape[::-1], changed.astype(np.uint8).tobytes())
        image.putpalette(palette.tobytes())
        yield image
        before = pixels


def save_mp4(shots: Shots, path: Path, *, rate: float = VIDEO_RATE) -> None:
    """Writes H.264 video with ffmpeg; each picture is repeated for as long as it is seen.

    Args:
        rate: pictures a second.

    Raises:
        OSError: ffmpeg is not on the PATH, or fails.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise OSError(f"{path}: ffmpeg is not on the PATH; install it, or name a file .gif")
    remaining = iter(shots)
    first = next(remaining)
    width, height = first[0].size
    pictures = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    source = ["-r", f"{rate:g}", "-i", "-"]
    # Players want 4:2:0, and 4:2:0 wants even sizes.
    even = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-pix_fmt", "yuv420p"]
    command = [program, "-y", "-v", "error", *pictures, *source, *even, "-f", "mp4"]
    with replacing(path) as file:
        code, complaint = _feed([*command, file.name], itertools.chain([first], remaining), rate)
        if code:
            words = complaint.decode(errors="replace").strip().splitlines() or ["no message"]
            raise OSError(f"{path}: ffmpeg failed with code {code}: {words[-1]}")


def _feed(command: Sequence[str], shots: Shots, rate: float) -> tuple[int, bytes]:
    """Pipes the film into `command`, a picture at a time, as all of it would fill the memory."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors)
        assert process.stdin is not None  # as asked for
        # Where it ends early, its exit code and its words say why.
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            for image, seconds in shots:
                pixels = image.tobytes()
                for _ in range(max(1, round(seconds * rate))):
                    pipe.write(pixels)
        code = process.wait()
        errors.seek(0)
        return code, errors.read()
