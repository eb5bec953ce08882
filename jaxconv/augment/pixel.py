"""The device transforms that move or change whole pixels: crop, flips, contrast, holes, scaling.

Each is a pair of pure functions over a batch: `sample` turns uniform numbers into parameters and
`apply` uses them, so that the second can be held against albumentations at the same parameters.
What a coin leaves out gets parameters that change nothing.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


class DeviceTransform(NamedTuple):
    """One transform of a pipeline on the device."""

    draws: int  # uniform numbers for one example; the first is the coin
    sample: Callable[[jax.Array, tuple[int, int]], Any]  # f32 [draws, b], (h, w) -> params [b, ...]
    apply: Callable[[Any, jax.Array], jax.Array]  # params, images [b, h, w, c] -> images
    alternates: bool = False  # its numbers are drawn once, and go half way round in each epoch


def between(interval: tuple[float, float], uniform: jax.Array) -> jax.Array:
    """Stretch numbers uniform in [0, 1) over the interval."""
    low, high = interval
    return low + (high - low) * uniform


def whole_between(low: Any, high: Any, uniform: jax.Array) -> jax.Array:
    """A whole number from low to high, both included, from a number uniform in [0, 1)."""
    return jnp.floor(low + (high - low + 1) * uniform).astype(jnp.int32)


def per_channel(value: float | tuple[float, ...], images: jax.Array) -> np.ndarray:
    """One number or one for each channel, in the shape of a pixel of images [..., c]."""
    channels = images.shape[-1]
    if isinstance(value, tuple) and len(value) != channels:
        raise ValueError(f"{value} for images of {channels} channels: expected {channels} numbers")
    return np.broadcast_to(np.asarray(value, np.float32), (1,) * (images.ndim - 1) + (channels,))


def random_crop(arguments: Mapping[str, Any]) -> DeviceTransform:
    """albumentations.RandomCrop; a crop of the image's own size changes nothing."""
    height, width, p = arguments["height"], arguments["width"], arguments["p"]

    def sample(uniforms, size):
        _, row, column = uniforms
        return whole_between(0, size[0] - height, row), whole_between(0, size[1] - width, column)

    def apply(corner, images):
        _, h, w, channels = images.shape
        if (h, w) == (height, width):
            return images
        if height > h or width > w:
            raise ValueError(f"RandomCrop to {height} x {width} from images of {h} x {w}")
        if p != 1:
            raise ValueError(
                f"RandomCrop with p={p} to {height} x {width} from {h} x {w} would give images of "
                "different sizes: expected p=1"
            )
        crop = partial(lax.dynamic_slice, slice_sizes=(height, width, channels))
        return jax.vmap(lambda image, y, x: crop(image, (y, x, jnp.zeros_like(y))))(images, *corner)

    return DeviceTransform(3, sample, apply)


def horizontal_flip(arguments: Mapping[str, Any]) -> DeviceTransform:
    """albumentations.HorizontalFlip: left and right change places."""
    return _flip(arguments["p"], axis=2)


def alternating_flip(arguments: Mapping[str, Any]) -> DeviceTransform:
    """Left and right change places in every second epoch: in which ones, a coin says once.

    In two epochs the network sees each image both ways, where coins would show a half of them the
    same way twice.

    Source: Keller Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024).
    """
    return _flip(arguments.get("p", 0.5), axis=2)._replace(alternates=True)


def vertical_flip(arguments: Mapping[str, Any]) -> DeviceTransform:
    """albumentations.VerticalFlip: top and bottom change places."""
    return _flip(arguments["p"], axis=1)


def _flip(p: float, axis: int) -> DeviceTransform:
    return DeviceTransform(
        1,
        lambda uniforms, _size: uniforms[0] < p,
        lambda on, images: jnp.where(on[:, None, None, None], jnp.flip(images, axis), images),
    )


class ContrastParams(NamedTuple):
    """new = factor * old + shift * 255, or * the image's mean; both f32 [b]."""

    factor: jax.Array
    shift: jax.Array


def brightness_contrast(arguments: Mapping[str, Any]) -> DeviceTransform:
    """albumentations.RandomBrightnessContrast on uint8 images; fractions are cut off, as there."""

    def sample(uniforms, _size):
        coin, contrast, brightness = uniforms
        on = coin < arguments["p"]
        return ContrastParams(
            jnp.where(on, 1 + between(arguments["contrast_limit"], contrast), 1.0),
            jnp.where(on, between(arguments["brightness_limit"], brightness), 0.0),
        )

    def apply(params, images):
        factor, shift = (value[:, None, None, None] for value in params)
        levels = images.astype(jnp.float32)
        unit = 255.0 if arguments["brightness_by_max"] else levels.mean((1, 2, 3), keepdims=True)
        return jnp.clip(levels * factor + shift * unit, 0, 255).astype(images.dtype)

    return DeviceTransform(3, sample, apply)


class Holes(NamedTuple):
    """Rectangles, ends excluded, int32 [holes, b]; one of no height is none."""

    top: jax.Array
    bottom: jax.Array
    left: jax.Array
    right: jax.Array


def coarse_dropout(arguments: Mapping[str, Any]) -> DeviceTransform:
    """albumentations.CoarseDropout with a fill of numbers (cut to whole levels on uint8)."""
    fewest, most = arguments["num_holes_range"]

    def sample(uniforms, size):
        coin, count = uniforms[:2]
        count = jnp.where(coin < arguments["p"], whole_between(fewest, most, count), 0)
        height, width, top, left = uniforms[2:].reshape(4, most, -1)
        height = _side(arguments["hole_height_range"], size[0], height)
        width = _side(arguments["hole_width_range"], size[1], width)
        height = jnp.where(jnp.arange(most)[:, None] < count[None, :], height, 0)
        top = whole_between(0, size[0] - height, top)
        left = whole_between(0, size[1] - width, left)
        return Holes(top, top + height, left, left + width)

    def apply(holes, images):
        _, h, w, _ = images.shape
        top, bottom, left, right = (edge[:, :, None, None] for edge in holes)
        row, column = jnp.arange(h)[None, None, :, None], jnp.arange(w)[None, None, None, :]
        hidden = (row >= top) & (row < bottom) & (column >= left) & (column < right)
        fill = jnp.asarray(per_channel(arguments["fill"], images).astype(images.dtype))
        return jnp.where(hidden.any(0)[..., None], fill, images)

    return DeviceTransform(2 + 4 * most, sample, apply)


def _side(interval: tuple, size: int, uniform: jax.Array) -> jax.Array:
    """A hole's side in pixels; the interval is in pixels (int) or fractions of the image's side."""
    low, high = interval
    if not isinstance(high, int):
        return jnp.floor(size * between(interval, uniform)).astype(jnp.int32)
    if low > size:
        raise ValueError(f"CoarseDropout with holes of at least {low} in images of {size} pixels")
    return whole_between(low, min(high, size), uniform)


def normalize(arguments: Mapping[str, Any]) -> DeviceTransform:
    """albumentations.Normalize: (levels - 255 mean) / (255 std), float32."""

    def apply(_params, images):
        unit = np.float32(arguments["max_pixel_value"])
        mean = per_channel(arguments["mean"], images) * unit
        factor = 1 / (per_channel(arguments["std"], images) * unit)
        return (images.astype(jnp.float32) - mean) * factor

    return DeviceTransform(0, lambda _uniforms, _size: (), apply)
