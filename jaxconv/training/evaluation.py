"""What a network makes of images: loss and accuracy of all of them, or probabilities of each."""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxconv.training.parallel import OneDevice, make_layout
from jaxconv.training.step import TrainState


def make_evaluate(
    eval_step: Callable,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int,
    layout: OneDevice | None = None,
) -> Callable[[TrainState], dict[str, float]]:
    """Returns `evaluate(state) -> {"test_loss", "test_accuracy"}` over exactly all n images.

    `test_loss` is the mean cross-entropy in nats, `test_accuracy` in percent. The last batch is
    filled up with images that the mask leaves out, so that one compilation serves all. Batches are
    split over all devices, and each process reads the images of its own.
    """
    layout = layout or make_layout()
    width = layout.padded(batch_size)
    starts = range(0, len(labels), width)
    places = [layout.part(np.arange(start, start + width)) for start in starts]
    batches = [
        layout.batch(
            {
                "image": images[place % len(labels)],
                "label": labels[place % len(labels)],
                "mask": place < len(labels),
            }
        )
        for place in places
    ]

    def evaluate(state):
        sums = jax.device_get([eval_step(state, batch) for batch in batches])
        count = sum(int(part["count"]) for part in sums)
        loss = math.fsum(float(part["loss_sum"]) for part in sums)
        correct = sum(int(part["correct"]) for part in sums)
        return {"test_loss": loss / count, "test_accuracy": 100 * correct / count}

    return evaluate


def predict(
    predict_step: Callable, variables: Any, images: np.ndarray, *, batch_size: int
) -> np.ndarray:
    """What `predict_step(variables, images)` says of images [n, h, w, c], n may be 0: f32 [n, k].

    Batch by batch, all of one size: there is one compilation.
    """
    if len(images) == 0:
        one = jax.eval_shape(
            predict_step, variables, jax.ShapeDtypeStruct((1, *images.shape[1:]), images.dtype)
        )
        return np.zeros((0, one.shape[1]), np.float32)
    parts = []
    for start in range(0, len(images), batch_size):
        place = np.arange(start, start + batch_size) % len(images)
        parts.append(np.asarray(predict_step(variables, images[place])))
    return np.concatenate(parts)[: len(images)]
