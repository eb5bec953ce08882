"""A pipeline as one pure function of (keys, images): jit it, or call it inside a train step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxconv.augment import pixel, warp
from jaxconv.augment.arguments import INTER_LINEAR
from jaxconv.augment.pixel import DeviceTransform
from jaxconv.augment.transform import Transform, unknown

MAKERS: dict[str, Callable[[Mapping[str, Any]], DeviceTransform]] = {
    "RandomCrop": pixel.random_crop,
    "HorizontalFlip": pixel.horizontal_flip,
    "VerticalFlip": pixel.vertical_flip,
    "Rotate": warp.rotate,
    "ShiftScaleRotate": warp.shift_scale_rotate,
    "Affine": warp.affine,
    "RandomBrightnessContrast": pixel.brightness_contrast,
    "CoarseDropout": pixel.coarse_dropout,
    "Normalize": pixel.normalize,
}

# The one value that the device computes, of arguments for which albumentations takes others too.
ONLY: dict[str, dict[str, Any]] = {
    "RandomCrop": {"pad_if_needed": False},
    "Rotate": {"interpolation": INTER_LINEAR, "crop_border": False},
    "ShiftScaleRotate": {"interpolation": INTER_LINEAR},
    "Affine": {"interpolation": INTER_LINEAR, "fit_output": False, "balanced_scale": False},
    "RandomBrightnessContrast": {"ensure_safe_range": False},
    "Normalize": {"normalization": "standard", "p": 1.0},
}
GREY_LEVELS = ("Rotate", "ShiftScaleRotate", "Affine", "RandomBrightnessContrast", "Normalize")


def make_device_augment(
    pipeline: Sequence[Transform],
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Build augment(keys, images) from a parsed pipeline.

    An example's result depends on its own key and pixels alone, not on the batch around it or its
    place there (where XLA compiles another shape another way, a tie may round by a grey level).
    Pixels are rounded to uint8 after each transform, as on the host.

    Args:
        pipeline: transforms from `parse_pipeline`.

    Returns:
        A pure function of keys (typed; a scalar, folded with each position, or [b], one for each
        example) and images uint8 [b, h, w, c], giving float32 [b, h, w, c]: normalised if the
        pipeline holds a Normalize, else grey levels.

    Raises:
        ValueError: a transform, or the value of an argument, that only the host engine computes; a
            transform of grey levels after Normalize. From augment: images that are not uint8
            [b, h, w, c], or a crop or per-channel numbers that do not fit them.
    """
    steps = [_make(transform) for transform in pipeline]
    names = [transform.name for transform in pipeline]
    if "Normalize" in names:
        for name in names[names.index("Normalize") + 1 :]:
            if name in GREY_LEVELS:
                raise ValueError(f"{name} after Normalize: the device engine expects it before")

    def augment(keys: jax.Array, images: jax.Array) -> jax.Array:
        _require_images(images)
        if keys.ndim == 0:
            keys = jax.vmap(jax.random.fold_in, (None, 0))(keys, jnp.arange(len(images)))
        draws = sum(step.draws for step in steps)
        uniforms = jax.vmap(lambda key: jax.random.uniform(key, (draws,)), out_axes=1)(keys)
        for step in steps:
            params = step.sample(uniforms[: step.draws], (images.shape[1], images.shape[2]))
            images = step.apply(params, images)
            uniforms = uniforms[step.draws :]
        return images.astype(jnp.float32)

    return augment


def make_device_normalize(pipeline: Sequence[Transform]) -> Callable[[jax.Array], jax.Array]:
    """The Normalize of a pipeline alone, for evaluation: images -> float32 [b, h, w, c]."""
    steps = [_make(transform) for transform in pipeline if transform.name == "Normalize"]

    def normalize(images: jax.Array) -> jax.Array:
        _require_images(images)
        for step in steps:  # it draws nothing
            images = step.apply((), images)
        return images.astype(jnp.float32)

    return normalize


def _require_images(images):
    if images.ndim != 4 or images.dtype != jnp.uint8:
        raise ValueError(f"images {images.dtype}{images.shape}: expected uint8 [b, h, w, c]")


def _make(transform: Transform) -> DeviceTransform:
    name, arguments = transform
    if name not in MAKERS:
        raise ValueError(unknown("transform of the device engine", name, MAKERS))
    for argument, value in ONLY.get(name, {}).items():
        if arguments[argument] != value:
            raise ValueError(
                f"{name}: the device engine computes {argument}={value!r} only, "
                f"given {arguments[argument]!r}; the albumentations engine may know it"
            )
    if name == "CoarseDropout" and isinstance(arguments["fill"], str):
        raise ValueError(
            f"CoarseDropout: the device engine fills with numbers only, given "
            f"{arguments['fill']!r}; the albumentations engine knows it"
        )
    return MAKERS[name](arguments)
