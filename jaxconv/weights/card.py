"""A trained network in one file: its variables, and a card that says what they are.

The file is safetensors: tensors under the names of the variables, `params/block1/conv/kernel` for
one, and as metadata one entry, "card", in JSON: the same network gives the same bytes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError, safe_open

from jaxconv.errors import JaxconvError
from jaxconv.interop.files import save_state_dict
from jaxconv.interop.torch import require_s9
from jaxconv.models.s9 import S9Net, s9_from_json
from jaxconv.text import one_line

MOST_BYTES = 1 << 30  # of a file; that of the package has 0.8 million


class WeightsError(JaxconvError):
    """A weights file that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Card:
    """Where weights come from, and what their images and outputs are."""

    network: str  # "S9Net"
    dataset: str  # what it was trained and tested on
    class_names: tuple[str, ...]  # of the outputs, in order
    mean: tuple[float, ...]  # of the channels, for images in [0, 1]: (x - mean) / std goes in
    std: tuple[float, ...]
    test_accuracy: float  # percent of the whole test split, after `epoch`
    test_loss: float  # mean cross-entropy in nats
    selection: str  # how `epoch` was chosen
    epoch: int  # epochs done, of `config["epochs"]`
    step: int
    seed: int
    train_count: int
    test_count: int
    commit: str | None  # of the program that trained; "+" at its end: with changes
    trained_utc: str  # when training started
    device: str
    versions: Mapping[str, str]
    config: Mapping[str, Any]  # the whole recipe, as config.json of the run

    def __post_init__(self) -> None:
        if not self.class_names or not all(type(name) is str for name in self.class_names):
            raise ValueError(f"class_names {self.class_names!r}: expected texts")
        three = {len(self.mean), len(self.std)} == {3}
        if not three or not all(map(_is_number, self.mean + self.std)) or min(self.std) <= 0:
            raise ValueError(f"mean {self.mean}, std {self.std}: expected three numbers each")
        for name, (expected, holds) in _RULES.items():
            if not holds(getattr(self, name)):
                raise ValueError(f"{name} {getattr(self, name)!r}: expected {expected}")
        if not isinstance(self.config.get("model", {}), Mapping):
            raise TypeError(f"config.model {self.config['model']!r}: expected fields")
        _ = self.model  # refuses rows that are none

    @property
    def model(self) -> S9Net:
        """The network that the weights are of."""
        return s9_from_json(self.config.get("model", {}), len(self.class_names))


def _is_number(value: Any) -> bool:
    """Whether it is finite, and small enough to be anything that is measured."""
    return type(value) in (int, float) and -1e30 < value < 1e30


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


_NUMBERS = ("numbers", lambda value: _is_number(value) and value >= 0)
_COUNT = ("a whole number from 0, below 2**31", _is_count)
_TEXT = ("text", lambda value: type(value) is str)
_RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "network": _TEXT,
    "dataset": _TEXT,
    "test_accuracy": _NUMBERS,
    "test_loss": _NUMBERS,
    "selection": _TEXT,
    "epoch": _COUNT,
    "step": _COUNT,
    "seed": ("a whole number below 2**32", lambda value: type(value) is int and 0 <= value < 2**32),
    "train_count": _COUNT,
    "test_count": _COUNT,
    "commit": ("text or null", lambda value: value is None or type(value) is str),
    "trained_utc": _TEXT,
    "device": _TEXT,
    "versions": ("fields", lambda value: isinstance(value, Mapping)),
    "config": ("fields", lambda value: isinstance(value, Mapping)),
}


class Weights(NamedTuple):
    """What a network needs to be used."""

    variables: Mapping[str, Any]  # {"params", "batch_stats"}: float32 arrays, for `S9Net.apply`
    card: Card


def save_weights(path: str | Path, weights: Weights) -> None:
    """Writes a .safetensors file, whole or not at all.

    Raises:
        ValueError: another ending, or variables that are not those of the card's network.
    """
    require_s9(weights.variables, weights.card.model)
    card = {"card": json.dumps(asdict(weights.card))}
    save_state_dict(path, flatten_dict(weights.variables, sep="/"), metadata=card)


def load_weights(path: str | Path) -> Weights:
    """Reads what `save_weights` wrote; arrays are NumPy's.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: the file is damaged, has no card, or does not hold the weights of an S9Net.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise WeightsError(f"{path} is no plain file, or larger than an S9Net can be")
    try:
        with safe_open(path, framework="np") as file:
            card = _read_card(path, file.metadata() or {})
            arrays = {name: _read_tensor(file, name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {error}") from error
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    try:
        variables = unflatten_dict(arrays, sep="/")
        require_s9(variables, card.model)
    except (IndexError, TypeError, ValueError) as error:  # of a name that is within another
        raise WeightsError(f"{path}: {one_line(error, longest=1000)}") from error
    return Weights(variables, card)


def _read_tensor(file: Any, name: str) -> np.ndarray:
    if (dtype := file.get_slice(name).get_dtype()) != "F32":
        raise ValueError(f"{name} is {dtype}, expected F32")
    array = file.get_tensor(name)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a value that is not finite: training has diverged")
    if name.endswith("/var") and (array < 0).any():
        raise ValueError(f"{name} holds a variance below 0")
    return array


def _read_card(path: Path, metadata: Mapping[str, str]) -> Card:
    if "card" not in metadata:
        raise WeightsError(
            f"{path} has no card; write it with `python -m jaxconv export --safetensors`"
        )
    try:
        entries = json.loads(metadata["card"])
        for name in ("class_names", "mean", "std"):
            entries[name] = tuple(entries[name])
        return Card(**entries)
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its card cannot be read ({one_line(error)})") from error
