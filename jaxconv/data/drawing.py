"""Drawing many small pictures at once with NumPy: outlines, patterns, backgrounds.

Outlines are signed distances: negative inside, in units of the object's radius, from coordinates
`u`, `v` in which the object is the unit disc or what fits in it. Everything is float32 and works on
[b, h, w] at once.
"""

from __future__ import annotations

import numpy as np

TAU = np.float32(2 * np.pi)


def disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.hypot(u, v) - 1


def ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.hypot(u, v) - 0.74) - 0.26


def square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - 0.8


def cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Two bars of equal length."""
    long, short = np.maximum(np.abs(u), np.abs(v)), np.minimum(np.abs(u), np.abs(v))
    return np.maximum(long - 0.98, short - 0.27)


def triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Equilateral: the largest of the distances to its three sides."""
    slope = np.float32(np.sqrt(3) / 2)
    return np.maximum(v - 0.5, slope * np.abs(u) - 0.5 * v - 0.5)


def star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Five points: folded by angle into half a point, whose edge is one straight line."""
    radius, half = np.hypot(u, v), TAU / 10
    angle = np.abs(np.mod(np.arctan2(u, v) + half, 2 * half) - half)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    inner = np.float32(0.42)  # radius of the five notches between the points
    notch_x, notch_y = inner * np.cos(half), inner * np.sin(half)
    edge = np.array([notch_x - 1, notch_y], np.float32)
    length = np.hypot(*edge)
    return ((x - 1) * edge[1] - y * edge[0]) / length


def spiral(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """One arm that winds outwards two and a half times."""
    pitch, width = np.float32(0.4), np.float32(0.11)
    radius = np.hypot(u, v)
    turns = radius / pitch - np.arctan2(v, u) / TAU
    return np.maximum(np.abs(turns - np.rint(turns)) * pitch - width, radius - 1)


def squircle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Between a disc and a square: an outline that says nothing about what is inside."""
    uu, vv = u * u, v * v
    return np.sqrt(np.sqrt(uu * uu + vv * vv)) - 0.9


def stripes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A pattern in [0, 1] with period 1 in its coordinates, as all patterns here."""
    return _edge(np.sin(TAU * x))


def checker(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _edge(np.sin(TAU / 2 * x) * np.sin(TAU / 2 * y) * 1.5)


def dots(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """0 on the dots, 1 between them."""
    return _edge((np.hypot(x - np.rint(x), y - np.rint(y)) - 0.34) * 4)


def capsule(x: np.ndarray, y: np.ndarray, angle: np.ndarray, half_length: np.ndarray) -> np.ndarray:
    """Distance to a segment through the origin, in the units of x and y."""
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    beyond = np.maximum(np.abs(along) - half_length, 0)
    return np.sqrt(beyond * beyond + across * across)


def coverage(distance_px: np.ndarray, softness_px: np.ndarray | float = 1.0) -> np.ndarray:
    """How much of a pixel lies inside an outline: 1 inside, 0 outside, a ramp on the edge."""
    return np.clip(0.5 - distance_px / softness_px, 0, 1)


def upsample_weights(size: int, cells: int) -> np.ndarray:
    """Matrix [size, cells + 1] that interpolates smoothly from grid corners to pixels."""
    place = (np.arange(size, dtype=np.float32) + 0.5) * (cells / size)
    left = place.astype(np.int32)
    t = place - left
    t = t * t * (3 - 2 * t)
    weights = np.zeros((size, cells + 1), np.float32)
    weights[np.arange(size), left] = 1 - t
    weights[np.arange(size), left + 1] = t
    return weights


def _edge(wave: np.ndarray) -> np.ndarray:
    return np.clip(0.5 + 1.2 * wave, 0, 1)
