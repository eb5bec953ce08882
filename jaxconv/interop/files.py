"""State dicts in files: .safetensors both ways, and .pt where the user has PyTorch."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from jaxconv.files import write_whole


def save_state_dict(
    path: str | Path, state_dict: Mapping[str, Any], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a .safetensors file; an existing one is replaced only when the new one is whole.

    Raises:
        ValueError: another ending.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"a state dict is written as .safetensors, got {path}")
    arrays = {name: np.array(array, order="C") for name, array in state_dict.items()}
    write_whole(path, save(arrays, metadata and dict(metadata)))


def load_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Reads a state dict from a .safetensors file, or a .pt or .pth one where PyTorch is.

    A .pt file is a pickle, so PyTorch reads it with `weights_only=True`: nothing in it is run.

    Raises:
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: a .pt file, and PyTorch is not installed here.
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
    if path.suffix in (".pt", ".pth"):
        return _load_pickled(path)
    raise ValueError(f"a state dict is read from .safetensors, .pt or .pth, got {path}")


def _load_pickled(path):
    try:
        torch = importlib.import_module("torch")  # the user's own; no other line needs it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"reading {path} needs PyTorch, which is not installed here; "
            f"install it, or save the weights as .safetensors"
        ) from error
    try:
        state_dict = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the damage happens to cause
        raise ValueError(
            f"{path} does not hold plain weights: torch.load(weights_only=True) gave "
            f"{type(error).__name__}; save model.state_dict() into it"
        ) from error
    if not isinstance(state_dict, dict) or not all(map(torch.is_tensor, state_dict.values())):
        raise ValueError(f"{path} must hold tensors by name; save model.state_dict() into it")
    return {name: tensor.detach().numpy() for name, tensor in state_dict.items()}
