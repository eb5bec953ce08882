"""A pipeline as one pure function of (keys, images): jit it, or call it inside a train step."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxconv.augment import pixel, warp
from jaxconv.augment.arguments import INTER_LINEAR
from jaxconv.augment.pixel import DeviceTransform
from jaxconv.augment.transform import Transform, unknown

MAKERS: dict[str, Callable[[Mapping[str, Any]], DeviceTransform]] = {
    "RandomCrop": pixel.random_crop,
    "HorizontalFlip": pixel.horizontal_flip,
    "AlternatingFlip": pixel.alternating_flip,
    "VerticalFlip": pixel.vertical_flip,
    "Rotate": warp.rotate,
    "ShiftScaleRotate": warp.shift_scale_rotate,
    "Affine": warp.affine,
    "SubpixelAffine": warp.subpixel_affine,
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
    "SubpixelAffine": {"interpolation": INTER_LINEAR, "fit_output": False, "balanced_scale": False},
    "RandomBrightnessContrast": {"ensure_safe_range": False},
    "Normalize": {"normalization": "standard", "p": 1.0},
}
GREY_LEVELS = (
    "Rotate",
    "ShiftScaleRotate",
    "Affine",
    "SubpixelAffine",
    "RandomBrightnessContrast",
    "Normalize",
)


class Visit(NamedTuple):
    """What the augmentation of an example in an epoch follows from."""

    key: jax.Array  # typed; of run, epoch and example: what is drawn anew in each epoch
    example: jax.Array  # typed; of run and example: what is drawn once
    epoch: jax.Array  # integer


def visit(key: jax.Array, epoch: ArrayLike, example: ArrayLike) -> Visit:
    """The visit of an example in an epoch, both numbers; `key` is the run's. To be vmapped."""
    once = jax.random.fold_in(key, zlib.crc32(b"example"))  # no number of an epoch
    now = jax.random.fold_in(jax.random.fold_in(key, epoch), example)
    return Visit(now, jax.random.fold_in(once, example), jnp.asarray(epoch))


def alternates(pipeline: Sequence[Transform]) -> bool:
    """Whether keys are not enough for a pipeline: it must be given visits."""
    return any(_make(transform).alternates for transform in pipeline)


def make_device_augment(
    pipeline: Sequence[Transform],
) -> Callable[[jax.Array | Visit, jax.Array], jax.Array]:
    """Build augment(keys, images) from a parsed pipeline.

    An example's result depends on its own key and pixels alone, not on the batch around it or its
    place there (where XLA compiles another shape another way, a tie may round by a grey level).
    Pixels are rounded to uint8 after each transform, as on the host.

    Args:
        pipeline: transforms from `parse_pipeline`.

    Returns:
        A pure function of keys (typed; a scalar, folded with each position, or [b], one for each
        example; or a `Visit` of [b], which AlternatingFlip needs) and images uint8 [b, h, w, c],
        giving float32 [b, h, w, c]: normalised if the pipeline holds a Normalize, else grey levels.

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

    def augment(keys: jax.Array | Visit, images: jax.Array) -> jax.Array:
        _require_images(images)
        seen, now = (keys, keys.key) if isinstance(keys, Visit) else (None, keys)
        if now.ndim == 0:
            now = jax.vmap(jax.random.fold_in, (None, 0))(now, jnp.arange(len(images)))
        draws = sum(step.draws for step in steps if not step.alternates)
        uniforms = _uniforms(now, draws)
        for position, step in enumerate(steps):
            if step.alternates:
                drawn = _alternating(names[position], seen, position, step.draws)
            else:
                drawn, uniforms = uniforms[: step.draws], uniforms[step.draws :]
            params = step.sample(drawn, (images.shape[1], images.shape[2]))
            images = step.apply(params, images)
        return images.astype(jnp.float32)

    return augment


def _uniforms(keys: jax.Array, draws: int) -> jax.Array:
    """[draws, b], uniform in [0, 1), from typed keys [b]."""
    return jax.vmap(lambda key: jax.random.uniform(key, (draws,), jnp.float32), out_axes=1)(keys)


def _alternating(name: str, seen: Visit | None, position: int, draws: int) -> jax.Array:
    """Numbers [draws, b] that each example keeps, half way round the circle in every odd epoch."""
    if seen is None:
        raise ValueError(
            f"{name} follows from epoch and example, given keys alone: expected visits; "
            "make them by jaxconv.augment.device.visit"
        )
    keys = jax.vmap(jax.random.fold_in, (0, None))(seen.example, position)
    return (_uniforms(keys, draws) + 0.5 * (seen.epoch % 2)[None]) % 1


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
