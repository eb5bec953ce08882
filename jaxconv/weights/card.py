"""A trained network in one file: its variables, and a card that says what they are.

The file is safetensors: tensors under the names of the variables, `params/block1/conv/kernel` for
one, and as metadata one entry, "card", in JSON: the same network gives the same bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError, safe_open

from jaxconv.errors import JaxconvError
from jaxconv.interop.files import save_state_dict
from jaxconv.interop.torch import require_s9
from jaxconv.models.s9 import S9Net, s9_from_json


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
        if {len(self.mean), len(self.std)} != {3} or min(self.std) <= 0:
            raise ValueError(f"mean {self.mean}, std {self.std}: expected three numbers each")
        numbers = (self.test_accuracy, self.test_loss, self.epoch, self.step)
        if not all(type(number) in (int, float) for number in numbers):
            raise TypeError(f"test_accuracy, test_loss, epoch, step {numbers}: expected numbers")
        if not isinstance(self.config, Mapping):
            raise TypeError(f"config {self.config!r}: expected fields")
        if not isinstance(self.config.get("model", {}), Mapping):
            raise TypeError(f"config.model {self.config['model']!r}: expected fields")
        _ = self.model

    @property
    def model(self) -> S9Net:
        """The network that the weights are of."""
        return s9_from_json(self.config.get("model", {}), len(self.class_names))


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
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="np") as file:
            card = _read_card(path, file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {error}") from error
    variables = unflatten_dict(arrays, sep="/")
    try:
        require_s9(variables, card.model)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    return Weights(variables, card)


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
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its card cannot be read ({error})") from error
