"""State dicts in files: .safetensors both ways, and PyTorch's own .pt, without PyTorch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from jaxconv.files import write_whole
from jaxconv.interop.kernels import as_array
from jaxconv.interop.torch_zip import read_torch_zip


def save_state_dict(
    path: str | Path, state_dict: Mapping[str, Any], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes arrays or tensors as .safetensors; a file there is replaced once the new one is whole.

    Raises:
        ValueError: another ending.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"a state dict is written as .safetensors, got {path}")
    arrays = {name: np.array(as_array(array), order="C") for name, array in state_dict.items()}
    write_whole(path, save(arrays, dict(metadata) if metadata else None))


def load_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Reads a state dict from a .safetensors file, or from what `torch.save` wrote.

    PyTorch is not needed, and nothing in the file is run: of a pickle, tensors by name are read,
    and anything else is refused.

    Args:
        path: ends with .safetensors, or with .pt, .pth or .bin (PyTorch 1.6 or later).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: another ending, a damaged file, or a file that holds more than tensors by name.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
        except AttributeError as error:  # of NumPy, for the dtype
            raise ValueError(f"{path} has numbers that NumPy does not know: {error}") from error
    if path.suffix in (".pt", ".pth", ".bin"):
        return read_torch_zip(path)
    raise ValueError(f"a state dict is read from .safetensors, .pt or .pth, got {path}")
