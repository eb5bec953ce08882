"""What jaxconv computes for the page's images, to hold the page to.

`python explorer/cases/network.py` writes network.json beside it: for each drawing its logits, and
the mean and one number of every block's map. tests/test_explorer.py checks that it is still right.
"""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxconv import S9Net
from jaxconv.weights.pretrained import load_pretrained

HERE = Path(__file__).parent
DRAWINGS = HERE.parent / "src" / "data" / "drawings.bin"
PLACE = (1, 2, 5)  # row, column, channel of the number that is kept of each block


def main():
    (HERE / "network.json").write_text(json.dumps(compute(), indent=1) + "\n")


def compute() -> dict:
    """Logits [10, 10]; block means and numbers, [12, 10] each."""
    variables, card = load_pretrained()
    levels = np.frombuffer(DRAWINGS.read_bytes(), np.uint8).reshape(10, 32, 32, 3)
    images = (levels / np.float32(255) - np.float32(card.mean)) / np.float32(card.std)
    logits, state = S9Net().apply(
        variables,
        jnp.asarray(images, jnp.float32),
        train=False,
        capture_intermediates=lambda module, _: (module.name or "").startswith("block"),
    )
    blocks = [np.asarray(state["intermediates"][f"block{n}"]["__call__"][0]) for n in range(1, 13)]
    row, col, channel = PLACE
    return {
        "logits": np.asarray(logits).tolist(),
        "means": [block.mean(axis=(1, 2, 3), dtype=np.float64).tolist() for block in blocks],
        "numbers": [block[:, row, col, channel].tolist() for block in blocks],
        "shapes": [list(block.shape[1:]) for block in blocks],
    }


if __name__ == "__main__":
    main()
