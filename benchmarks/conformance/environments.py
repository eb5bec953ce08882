"""An environment of its own for each library: a venv with pinned packages."""

import re
import subprocess
import sys
from pathlib import Path

_JAX = ("jax==0.10.2", "jaxlib==0.10.2", "numpy==2.4.6")
_FLAX = (*_JAX, "flax==0.12.8", "safetensors==0.8.0")

# peer: (its name on the page, the package whose version stands beside it, what is installed)
PEERS = {
    "jaxconv": ("jaxconv", "jaxconv", _FLAX),
    "linen": ("Flax Linen", "flax", _FLAX),
    "nnx": ("Flax NNX", "flax", _FLAX),
    "equinox": ("Equinox", "equinox", (*_JAX, "equinox==0.13.8")),
    "haiku": ("Haiku", "dm-haiku", (*_JAX, "dm-haiku==0.0.17")),
    "keras": ("Keras on JAX", "keras", (*_JAX, "keras==3.15.1")),
    "torchax": ("torchax", "torchax", (*_JAX, "torch==2.12.0", "torchax==0.0.13")),
    "torch2jax": ("torch2jax", "torch2jax", (*_JAX, "torch==2.13.0", "torch2jax==0.1.0")),
}


def version(peer: str) -> str:
    """The pinned version of a peer's package; none for this repository's own."""
    _, package, pins = PEERS[peer]
    (found,) = [p.partition("==")[2] for p in pins if p.startswith(package + "==")] or [""]
    return found


def python_for(peer: str, folder: Path) -> Path:
    """The Python of a peer's environment, made where there is none with these pins.

    Peers with the same pins share one.

    Raises:
        subprocess.CalledProcessError: pip cannot install them.
    """
    pins = PEERS[peer][2]
    name = "-".join(re.sub(r"\W+", "_", pin) for pin in pins[len(_JAX) :])
    home = folder / name
    python, made = home / "bin" / "python", home / "pins.txt"
    if not made.is_file() or made.read_text().split() != list(pins):
        print(f"{peer}: installing {' '.join(pins)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *pins], check=True)
        made.write_text("\n".join(pins))
    return python
