"""One image under each augmentation by name: what the figure of a run's augmentations shows."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.augment.device import make_device_augment, visit
from jaxconv.augment.host import make_host_augment
from jaxconv.augment.transform import Transform


def named_augmentations(
    pipeline: Sequence[Transform], image: np.ndarray, *, seed: int = 1, engine: str = "device"
) -> list[tuple[str, np.ndarray]]:
    """Show what each transform of a pipeline does to one image.

    Args:
        pipeline: transforms from `parse_pipeline` for the same engine.
        image: uint8 [h, w, c].
        seed: of the parameters drawn; by default one that leaves something to see of each transform
            of the documented pipeline (its brightness may well turn an image black).
        engine: 'device' or 'albumentations'.

    Returns:
        (name, uint8 image) pairs: the original; every transform alone, applied for certain
        (Normalize stretched to the visible range); all of them with their own probabilities.
    """
    shown = [("original", image)]
    for position, step in enumerate(pipeline):
        certain = step._replace(arguments={**step.arguments, "p": 1.0})
        shown.append((step.name, _augment_one([certain], image, seed, position, engine)))
    colours = [step for step in pipeline if step.name != "Normalize"]
    shown.append(("all together", _augment_one(colours, image, seed, len(pipeline), engine)))
    return shown


def _augment_one(
    pipeline: Sequence[Transform], image: np.ndarray, seed: int, position: int, engine: str
) -> np.ndarray:
    if engine == "device":
        visits = jax.vmap(visit, (None, None, 0))(jax.random.key(seed), position, jnp.arange(1))
        (result,) = np.asarray(make_device_augment(pipeline)(visits, jnp.asarray(image[None])))
    else:
        (result,) = make_host_augment(pipeline, seed=seed)(image[None], 0, [position])
    if any(step.name == "Normalize" for step in pipeline):
        low, high = result.min(), result.max()
        result = 255 * (result - low) / max(high - low, 1e-6)
    return np.rint(result).clip(0, 255).astype(np.uint8)
