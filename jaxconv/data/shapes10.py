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
CHUNK = 250  # images drawn together from one random stream: 25 of each class, in mixed order

SOLIDS = {
    "disc": drawing.disc,
    "ring": drawing.ring,
    "square": drawing.square,
    "triangle": drawing.triangle,
    "star": drawing.star,
    "cross": drawing.cross,
    "spiral": drawing.spiral,
}
PATTERNS = {"stripes": drawing.stripes, "checker": drawing.checker, "dots": drawing.dots}
CLASS_NAMES = (*SOLIDS, *PATTERNS)


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
    """CHUNK images, 25 of each class, in mixed order."""
    grid = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    x, y = grid[None, None, :], grid[None, :, None]
    back, front = _two_colours(rng)
    alpha, tone = _objects(rng, x, y)
    image = _background(rng, back)
    image = _clutter(rng, image, x, y, count=5, alpha=(0.4, 1.0))
    image += alpha[..., None] * (_paint(rng, front, back, tone) - image)
    image = _clutter(rng, image, x, y, count=1, alpha=(0.3, 0.9))
    image = _light_and_noise(rng, image, x, y)
    order = rng.permutation(CHUNK)
    labels = np.repeat(np.arange(10, dtype=np.int32), CHUNK // 10)
    return Split(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)[order], labels[order])


def _objects(rng: np.random.Generator, x: np.ndarray, y: np.ndarray):
    """(alpha, tone) [b, h, w] of the objects, class after class."""
    radius = _uniform(rng, 6.0, 12.5)
    radius[CHUNK * 6 // 10 :] += 2  # curve and patterns need more pixels to be seen
    room = np.maximum(SIZE / 2 - 0.75 * radius, 0)
    dx, dy = x - room * _uniform(rng, -1, 1), y - room * _uniform(rng, -1, 1)
    angle, stretch = _uniform(rng, 0, 2 * np.pi), np.exp(_uniform(rng, -0.16, 0.16))
    mirror = np.where(_uniform(rng, 0, 1) < 0.5, -1, 1).astype(np.float32)
    across = (dx * np.cos(angle) + dy * np.sin(angle)) * mirror * stretch
    down = (dy * np.cos(angle) - dx * np.sin(angle)) / stretch
    period, phase = _uniform(rng, 4.0, 7.0), _uniform(rng, 0, 1)
    softness = _uniform(rng, 0.8, 1.8)
    alphas, tones = [], []
    for index, name in enumerate(CLASS_NAMES):
        rows = slice(index * CHUNK // 10, (index + 1) * CHUNK // 10)
        u, v, r = across[rows], down[rows], radius[rows]
        outline = SOLIDS.get(name, drawing.squircle)
        alphas.append(drawing.coverage(outline(u / r, v / r) * r, softness[rows]))
        if name in PATTERNS:
            shift = phase[rows]
            tones.append(PATTERNS[name](u / period[rows] + shift, v / period[rows] + shift))
        else:
            tones.append(0.12 * (u / r))
    return np.concatenate(alphas), np.concatenate(tones)


def _two_colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Background and object, [b, 1, 1, 3], told apart by at least 0.25 in one channel."""
    back = _uniform(rng, 0.1, 0.9, channels=3)
    step = _uniform(rng, 0.0, 0.5, channels=3)
    step *= np.maximum(0.3 / step.max(axis=-1, keepdims=True), 1)
    return back, np.where(back > 0.5, back - step, back + step)


def _paint(rng: np.random.Generator, front: np.ndarray, back: np.ndarray, tone: np.ndarray):
    """The object's colours: from its own at tone 0 towards another one at tone 1."""
    other = back + 0.25 * _uniform(rng, -1, 1, channels=3)
    return front + tone[..., None] * (other - front)


def _background(rng: np.random.Generator, back: np.ndarray) -> np.ndarray:
    image = np.broadcast_to(back, (CHUNK, SIZE, SIZE, 3)).copy()
    for cells, amount in ((3, 0.25), (9, 0.12)):
        weights = drawing.upsample_weights(SIZE, cells)
        corners = rng.random((CHUNK, cells + 1, cells + 1, 3), np.float32) - 0.5
        strength = amount * 2 * _uniform(rng, 0.1, 1, channels=1)
        rows = np.tensordot(corners, weights, axes=(1, 1))  # [b, columns, 3, h]
        image += strength * np.tensordot(rows, weights, axes=(1, 1)).transpose(0, 2, 3, 1)
    return image


def _clutter(rng, image, x, y, *, count: int, alpha: tuple[float, float]) -> np.ndarray:
    """Strokes and spots, each with its own colour and strength, one over the other."""
    for _ in range(count):
        dx, dy = x - _uniform(rng, -16, 16), y - _uniform(rng, -16, 16)
        half_length, width = _uniform(rng, 0, 7), _uniform(rng, 0.6, 2.2)
        distance = drawing.capsule(dx, dy, _uniform(rng, 0, np.pi), half_length) - width
        opacity = drawing.coverage(distance) * _uniform(rng, *alpha)
        image += opacity[..., None] * (_uniform(rng, 0, 1, channels=3) - image)
    return image


def _light_and_noise(rng, image, x, y) -> np.ndarray:
    slope = (x * _uniform(rng, -1, 1) + y * _uniform(rng, -1, 1)) / SIZE
    image *= 1 + 0.5 * slope[..., None]
    noise = rng.standard_normal(image.shape, np.float32)
    image += noise * _uniform(rng, 0.01, 0.09, channels=1)
    return image


def _uniform(rng, low: float, high: float, channels: int | None = None) -> np.ndarray:
    """One number, or one for each channel, for every image: [b, 1, 1] or [b, 1, 1, channels]."""
    shape = (CHUNK, 1, 1) if channels is None else (CHUNK, 1, 1, channels)
    return np.float32(low) + np.float32(high - low) * rng.random(shape, np.float32)
