"""Numbers that the PyTorch programs and the tests both draw instead of storing them.

`random.Random(text).random()` is documented to give the same sequence for ever, which NumPy's
generators are not. Everything is rounded to float32, so that a float32 program starts from the very
numbers that the float64 references were computed from.
"""

import random
from math import prod

import numpy as np

# block: (kernel shapes in PyTorch's order, their names inside the block); the rest follows
_S9_CONVOLUTIONS = {
    1: {"0": (32, 3, 3, 3)},
    2: {"0.0": (32, 1, 3, 3), "0.1": (32, 32, 1, 1)},
    3: {"0.0": (32, 32, 3, 3)},
    4: {"0": (40, 32, 3, 3)},
    5: {"0": (40, 40, 3, 3)},
    6: {"0.0": (40, 40, 3, 3)},
    7: {"0": (40, 40, 3, 3)},
    8: {"0": (40, 40, 3, 3)},
    9: {"0.0": (40, 40, 3, 3)},
    10: {"0": (64, 40, 3, 3)},
    11: {"0": (64, 64, 3, 3)},
    12: {"0": (64, 64, 3, 3)},
    14: {"0": (10, 64, 1, 1)},
}


def draw(seed: str, shape: tuple[int, ...], low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """float32 array of `shape`, uniform in [low, high), the same for one seed everywhere."""
    source = random.Random(seed)
    numbers = [low + (high - low) * source.random() for _ in range(prod(shape))]
    return np.array(numbers, np.float32).reshape(shape)


def draw_kernel(seed: str, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """float32 kernel that keeps the variance of what it reads."""
    bound = (3 / fan_in) ** 0.5
    return draw(seed, shape, -bound, bound)


def draw_entry(network: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An entry of a network's state dict, of the size that its name and shape make likely."""
    seed, entry = f"{network} {name}", name.rpartition(".")[2]
    if entry == "num_batches_tracked":
        return np.array(0, np.int64)
    if entry == "weight" and len(shape) > 1:
        return 1.5 * draw_kernel(seed, shape, prod(shape[1:]))
    ranges = {"weight": (0.5, 1.5), "bias": (-0.4, 0.4)}
    ranges |= {"running_mean": (-0.2, 0.8), "running_var": (0.3, 1.7)}
    return draw(seed, shape, *ranges[entry])


def s9_state_dict() -> dict[str, np.ndarray]:
    """Random weights and running statistics under the names of the original PyTorch network."""
    state = {}
    for block, convolutions in _S9_CONVOLUTIONS.items():
        for place, shape in convolutions.items():
            name = f"conv_block{block}.{place}.weight"
            state[name] = 2 * draw_kernel(name, shape, prod(shape[1:]))  # ReLU takes some away
        if block == 14:
            continue
        ranges = {"weight": (-0.5, 1.5), "bias": (-0.4, 0.4)}
        ranges |= {"running_mean": (-0.2, 0.8), "running_var": (0.3, 1.7)}
        for entry, (low, high) in ranges.items():
            name = f"conv_block{block}.2.{entry}"
            state[name] = draw(name, (shape[0],), low, high)
        state[f"conv_block{block}.2.num_batches_tracked"] = np.array(98, np.int64)
    return state


def s9_images() -> np.ndarray:
    """Two images of large patches with noise, so that their logits are not alike."""
    patches = draw("s9 patches", (2, 4, 4, 3), -2, 2).repeat(8, axis=1).repeat(8, axis=2)
    return patches + draw("s9 noise", (2, 32, 32, 3))
