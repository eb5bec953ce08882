"""The work that every framework is given: the same weights, batches and optimizer. NumPy only."""

import zlib
from collections.abc import Mapping
from math import prod

import numpy as np

CLASSES = 10
DROPOUT_RATE = 0.1
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 1e-4
CHECKED_STEPS = 3
# Multiply-adds of S9Net for one image; training adds the gradients of weights and of inputs (none
# for the first layer's).
FORWARD_MULTIPLY_ADDS = 14_476_160
TRAINING_MULTIPLY_ADDS = 42_543_744


def draw_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Float32 arrays for a PyTorch S9's state dict, each from its name alone.

    Kernels [o, c, kh, kw] are uniform as PyTorch draws them; BatchNorm begins as PyTorch begins it.
    """
    return {name: _draw(name, shape) for name, shape in shapes.items()}


def _draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) == 4:
        rng, bound = np.random.default_rng(zlib.crc32(name.encode())), 1 / np.sqrt(prod(shape[1:]))
        return rng.uniform(-bound, bound, shape).astype(np.float32)
    if "num_batches_tracked" in name:
        return np.zeros(shape, np.int64)
    ones = name.endswith(("running_var", ".weight"))
    return np.full(shape, float(ones), np.float32)


def draw_batches(count: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images as after normalising, float32 [count*batch_size, 32, 32, 3], and labels int32."""
    size = count * batch_size
    images = np.random.default_rng(0).standard_normal((size, 32, 32, 3), dtype=np.float32)
    return images, np.random.default_rng(1).integers(CLASSES, size=size, dtype=np.int32)


def draw_pixels(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images as a data set holds them, uint8 [count, 32, 32, 3], and labels int32."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(count, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(CLASSES, size=count, dtype=np.int32)
