"""A pipeline run by albumentations on the host: every transform that it has.

Importing this file does not import albumentations; building a pipeline does.
"""

import functools
import inspect
import os
import random
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxconv.augment.transform import Transform, unknown
from jaxconv.errors import JaxconvError
from jaxconv.text import one_line


class AugmentationError(JaxconvError, ValueError):
    """A pipeline fails on an image; the message says why."""


_ONE_AT_A_TIME = threading.Lock()  # how to take warnings is the whole process's


def make_host_augment(
    pipeline: Sequence[Transform], *, seed: int
) -> Callable[[np.ndarray, int, Sequence[int]], np.ndarray]:
    """Build augment(images, epoch, indices) from a parsed pipeline.

    An example's result is a function of (seed, epoch, its index) and its pixels: the same for any
    batch and order. Several threads may call it; Python's own lock keeps them from being faster
    than one on small images.

    Args:
        pipeline: transforms from `parse_pipeline(spec, engine="albumentations")`.
        seed: of the run, at least 0.

    Returns:
        A function of images uint8 [b, h, w, c], the epoch (at least 0) and indices [b] of the
        examples in their data set, giving float32 [b, h', w', c].

    Raises:
        ValueError: a seed below 0; what albumentations refuses or would warn about. From
            augment: an empty batch; transforms that leave the images of a batch in different sizes,
            or that fail (`AugmentationError`).
    """
    if seed < 0:
        raise ValueError(f"seed={seed}: expected at least 0")
    _compose(pipeline)  # whatever is wrong with it is known now, not in a thread
    local = threading.local()  # a Compose carries the state of its random numbers

    def augment(images: np.ndarray, epoch: int, indices: np.ndarray | Sequence[int]) -> np.ndarray:
        if len(images) == 0:
            raise ValueError("an empty batch: expected at least one image")
        if not hasattr(local, "compose"):
            local.compose = _compose(pipeline)
        results = []
        for image, index in zip(images, indices, strict=True):
            local.compose.set_random_state(*_random_states(seed, epoch, int(index)))
            try:
                results.append(local.compose(image=image)["image"])
            except Exception as error:  # of albumentations, of OpenCV and of what they call
                raise AugmentationError(
                    f"albumentations can't augment an image {list(image.shape)} by this pipeline "
                    f"({one_line(error)}); change config.augment.transforms"
                ) from error
        shapes = {image.shape for image in results}
        if len(shapes) > 1:
            raise ValueError(f"augmented images of different sizes {sorted(shapes)}: expected one")
        return np.asarray(results, np.float32)

    return augment


def build_transform(transform: Transform) -> Any:
    """The albumentations object of one transform.

    Raises:
        ValueError: in one line, an unknown transform or argument (the nearest right name is
            given), or a value that albumentations refuses or would only warn about.
    """
    name, arguments = transform
    classes = _transform_classes()
    if name not in classes:
        raise ValueError(unknown("transform of albumentations", name, classes))
    known = list(inspect.signature(classes[name]).parameters)
    for argument in arguments:
        if argument not in known:
            raise ValueError(unknown(f"argument of {name}", argument, known))
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("error")
        # It says that Affine should be used instead, which does no harm.
        warnings.filterwarnings("ignore", "ShiftScaleRotate is a special case of Affine")
        try:
            return classes[name](**arguments)
        except (ValueError, TypeError, UserWarning) as error:
            raise ValueError(f"{name}: {_reason(error)}") from None


def _compose(pipeline: Sequence[Transform]) -> Any:
    transforms = [build_transform(transform) for transform in pipeline]
    return albumentations().Compose(transforms, is_check_shapes=False)


def albumentations() -> Any:
    """The library, imported without its question to the network for a newer version."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations

    return albumentations


@functools.cache
def _transform_classes() -> dict[str, type]:
    library = albumentations()
    found = {
        name: value
        for name, value in vars(library).items()
        if isinstance(value, type) and issubclass(value, library.BasicTransform)
    }

    class SubpixelAffine(library.Affine):
        """Affine, but a shift drawn from `translate_percent` keeps its fraction of a pixel."""

        def _get_translate_params(self, image_shape: tuple[int, ...]) -> dict[str, float]:
            if self.translate_percent is None:
                return super()._get_translate_params(image_shape)
            height, width = image_shape[:2]
            return {
                axis: self.py_random.uniform(*self.translate_percent[axis]) * size
                for axis, size in (("x", width), ("y", height))
            }

    return {**found, SubpixelAffine.__name__: SubpixelAffine}


def _reason(error: Exception) -> str:
    """pydantic reports over many lines, with addresses: the parts that say what was expected."""
    details = getattr(error.__cause__, "errors", None)
    if details is None:
        return one_line(error, longest=1000)
    found = (
        f"{'.'.join(str(part) for part in item['loc'])}={item['input']!r}, {item['msg'].lower()}"
        for item in details()
    )
    return "; ".join(found)


def _random_states(seed: int, epoch: int, index: int) -> tuple[np.random.Generator, random.Random]:
    """The two sources of random numbers that albumentations draws from, for one example."""
    sequence = np.random.SeedSequence((seed, epoch, index))
    first, second = sequence.generate_state(8).reshape(2, 4)
    return np.random.default_rng(first), random.Random(int.from_bytes(second.tobytes(), "little"))
