"""Shapes10: a drawn data set of ten classes with CIFAR-10's interface and split sizes.

No file and no network: every image is a function of (seed, split, index), so that a fresh machine
can train something within seconds. Six classes are outlines, one is a curve, three are patterns,
at any angle, in any two colours, over cluttered backgrounds, partly covered, in noise. A pattern
wins over its outline: that one is between a disc and a square and tells nothing.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jaxconv.data import drawing
from jaxconv.data.dataset import Dataset, Split

SIZE = 32
CHUNK = 100  # images drawn together from one random stream: few enough to stay in the cache
LEAST_CONTRAST = 0.35

OUTLINES = {
    "disc": drawing.disc,
    "ring": drawing.ring,
    "square": drawing.square,
    "triangle": drawing.triangle,
    "star": drawing.star,
    "cross": drawing.cross,
    "spiral": drawing.spiral,
}
PATTERNS = {"stripes": drawing.stripes, "checker": drawing.checker, "dots": drawing.dots}
CLASS_NAMES = (*OUTLINES, *PATTERNS)


def load_shapes10(*, seed: int = 0, train_count: int = 50_000, test_count: int = 10_000) -> Dataset:
    """Draws both splits, uint8 [n, 32, 32, 3], every class equally often.

    Image i of a split is the same for any count, so a smaller data set is the beginning of a
    larger one. Two machines may differ by one grey level in a few pixels, where their sines and
    square roots round differently.

    Raises:
        ValueError: a seed below 0 or a count below 1.
    """
    for name, value, least in (
        ("seed", seed, 0),
        ("train_count", train_count, 1),
        ("test_count", test_count, 1),
    ):
        if value < least:
            raise ValueError(f"shapes10 {name} is {value}: expected at least {least}")
    return Dataset(
        name="shapes10",
        train=draw_split((seed, 0), train_count),
        test=draw_split((seed, 1), test_count),
        class_names=CLASS_NAMES,
        origin=f"drawn from seed {seed}",
        exact=False,
    )


def draw_split(stream: tuple[int, ...], count: int) -> Split:
    """The first `count` images of a stream, drawn in parallel (NumPy lets go of the lock)."""
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    labels = np.empty(count, np.int32)

    def fill(start: int) -> None:
        stop = min(start + CHUNK, count)
        chunk = draw_chunk(np.random.default_rng([*stream, start // CHUNK]))
        images[start:stop] = chunk.images[: stop - start]
        labels[start:stop] = chunk.labels[: stop - start]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, range(0, count, CHUNK)))
    return Split(images, labels)


def draw_chunk(rng: np.random.Generator) -> Split:
    """CHUNK images, every class equally often, in mixed order."""
    x = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2  # pixels from the middle
    y = x[:, None]
    back, front, other = _colours(rng)
    alpha, tone = _objects(rng, x, y)
    image = _background(rng, back)
    for _ in range(5):
        _stroke(rng, image, x, y, opacity=(0.4, 1.0))
    _blend(image, front + tone * (other - front), alpha)
    _stroke(rng, image, x, y, opacity=(0.3, 0.9))
    _light_and_noise(rng, image, x, y)
    levels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8).transpose(0, 2, 3, 1)
    labels = np.repeat(np.arange(10, dtype=np.int32), CHUNK // 10)
    order = rng.permutation(CHUNK)
    return Split(levels[order], labels[order])


def _objects(rng: np.random.Generator, x: np.ndarray, y: np.ndarray):
    """(alpha, tone) [b, 1, h, w] of the objects, class after class."""
    radius = _uniform(rng, 6.0, 12.5)
    radius[CHUNK * 6 // 10 :] += 2  # the spiral and the patterns need more pixels to be seen
    room = np.maximum(SIZE / 2 - 0.75 * radius, 0)
    dx, dy = x - room * _uniform(rng, -1, 1), y - room * _uniform(rng, -1, 1)
    angle, stretch = _uniform(rng, 0, 2 * np.pi), np.exp(_uniform(rng, -0.16, 0.16))
    mirror = np.where(_uniform(rng, 0, 1) < 0.5, -stretch, stretch)
    across = (dx * np.cos(angle) + dy * np.sin(angle)) * mirror
    down = (dy * np.cos(angle) - dx * np.sin(angle)) / stretch
    period, shift = _uniform(rng, 4.5, 7.5), _uniform(rng, 0, 1)
    softness = _uniform(rng, 0.8, 1.8)
    alpha, tone = np.empty_like(down), np.empty_like(down)
    for index, name in enumerate(CLASS_NAMES):
        rows = slice(index * CHUNK // 10, (index + 1) * CHUNK // 10)
        u, v, r = across[rows], down[rows], radius[rows]
        outline = OUTLINES.get(name, drawing.squircle)
        alpha[rows] = drawing.coverage(outline(u / r, v / r) * r, softness[rows])
        if pattern := PATTERNS.get(name):
            tone[rows] = pattern(u / period[rows] + shift[rows], v / period[rows] + shift[rows])
        else:
            tone[rows] = 0.2 * u / r
    return alpha, tone


def _colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of background, object and the object's second tone, [b, 3, 1, 1].

    The object differs from the other two by at least LEAST_CONTRAST in one channel.
    """
    back = _uniform(rng, 0.1, 0.9, channels=3)
    step = _uniform(rng, 0.0, 0.6, channels=3)
    step *= np.maximum(LEAST_CONTRAST / step.max(axis=1, keepdims=True), 1)
    front = np.where(back > 0.5, back - step, back + step)
    return back, front, back + _uniform(rng, -0.2, 0.2, channels=3)


def _background(rng: np.random.Generator, back: np.ndarray) -> np.ndarray:
    """Colour that varies smoothly from place to place, coarsely and finely, [b, 3, h, w]."""
    image = np.repeat(np.repeat(back, SIZE, axis=2), SIZE, axis=3)
    for cells, most in ((3, 0.5), (9, 0.24)):
        weights = drawing.upsample_weights(SIZE, cells)
        corners = rng.random((CHUNK, 3, cells + 1, cells + 1), np.float32) - 0.5
        image += weights @ (corners * _uniform(rng, 0.1 * most, most)) @ weights.T
    return image


def _stroke(rng, image: np.ndarray, x, y, *, opacity: tuple[float, float]) -> None:
    """Draws one spot or line, of any colour, at any place, into every image."""
    dx, dy = x - _uniform(rng, -16, 16), y - _uniform(rng, -16, 16)
    half_length, width = _uniform(rng, 0, 7), _uniform(rng, 0.6, 2.2)
    distance = drawing.capsule(dx, dy, _uniform(rng, 0, np.pi), half_length) - width
    alpha = drawing.coverage(distance) * _uniform(rng, *opacity)
    _blend(image, _uniform(rng, 0, 1, channels=3), alpha)


def _light_and_noise(rng, image: np.ndarray, x, y) -> None:
    slope = x * _uniform(rng, -0.5, 0.5) + y * _uniform(rng, -0.5, 0.5)
    image *= 1 + slope / SIZE
    noise = rng.standard_normal(image.shape, np.float32)
    noise *= _uniform(rng, 0.01, 0.08)
    image += noise


def _blend(image: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> None:
    """Moves the image towards a colour, [b, 3, 1, 1] or [b, 3, h, w], by alpha [b, 1, h, w]."""
    step = colour - image
    step *= alpha
    image += step


def _uniform(rng, low: float, high: float, channels: int = 1) -> np.ndarray:
    """Numbers for every image, float32 [b, channels, 1, 1]."""
    return rng.random((CHUNK, channels, 1, 1), np.float32) * np.float32(high - low) + np.float32(
        low
    )
