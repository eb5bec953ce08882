"""What PyTorch calls the variables of a network, and how its layers are renamed."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Rename = Mapping[str, str | None] | Callable[[str], str | None] | None

COLLECTIONS = {"params", "batch_stats"}  # of Linen; NNX has none
ENTRIES = {  # our leaf: PyTorch's entry
    "kernel": "weight",
    "scale": "weight",
    "embedding": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
AXES = {"kernel": range(2, 6), "embedding": range(2, 3)}  # how many; of any other at most one
FLAX_TRANSPOSED = re.compile(r"(^|/)ConvTranspose_\d+/kernel$")


class Leaf(NamedTuple):
    """One variable of a network."""

    path: str  # params/block1/conv/kernel
    layer: str  # block1.conv
    entry: str | None  # PyTorch's name in the layer; None for what PyTorch does not have
    value: Any  # an array, or its shape and dtype

    @property
    def name(self) -> str:
        """PyTorch's name, if the layer were called there as here."""
        return joined(self.layer, self.entry or "")

    @property
    def is_kernel(self) -> bool:
        return self.path.rpartition("/")[2] == "kernel"

    @property
    def torch_shape(self) -> tuple[int, ...]:
        """[o, c, *size] of a kernel [*size, c, o]; any other shape as it is."""
        *size, c, o = self.value.shape if self.is_kernel else (0, 0)
        return (o, c, *size) if self.is_kernel else tuple(self.value.shape)

    @property
    def ambiguity(self) -> str | None:
        """Why nobody can tell which axis is which, if so."""
        shape = tuple(self.value.shape)
        if self.entry is None:
            return None
        if FLAX_TRANSPOSED.search(self.path):
            return f"{self.path} is of Flax's ConvTranspose, not PyTorch's: use TransposeConv"
        if len(shape) not in AXES.get(self.path.rpartition("/")[2], range(2)):
            return f"the axes of {self.path} {shape} are ambiguous: port it by hand"
        return None


def leaves_of(variables: Any) -> tuple[list[Leaf], Any]:
    """The variables of Linen or `nnx.state` in the order of their tree, and its structure."""
    found, structure = jax.tree.flatten_with_path(variables)
    return [_leaf([_step(key) for key in path], value) for path, value in found], structure


def _leaf(steps, value):
    if steps[-1:] == [".value"]:  # of an NNX variable
        steps = steps[:-1]
    path = "/".join(steps).replace("/.", "/").removeprefix(".")
    collection, *rest = path.split("/")
    names = rest if collection in COLLECTIONS and rest else [collection, *rest]
    entry = ENTRIES.get(names[-1], names[-1])
    if not jnp.issubdtype(value.dtype, jnp.inexact):  # random streams, counters
        entry = None
    return Leaf(path, ".".join(names[:-1]), entry, value)


def _step(key):
    match key:
        case jax.tree_util.DictKey(key=name) | jax.tree_util.FlattenedIndexKey(key=name):
            return str(name)
        case jax.tree_util.SequenceKey(idx=number):
            return str(number)
        case jax.tree_util.GetAttrKey(name=name):
            return f".{name}"
    raise ValueError(f"expected variables as nested dicts or nnx.state, got a part {key}")


def joined(*parts: str) -> str:
    """Names with dots between them; empty ones leave none."""
    return ".".join(part for part in parts if part)


def renamer(rename: Rename) -> Callable[[str], str | None]:
    """`rename` as a function of a layer's name."""
    if rename is None:
        return lambda layer: layer
    if callable(rename):
        return rename

    def by_prefix(layer):
        fitting = [
            prefix for prefix in rename if not prefix or f"{layer}.".startswith(f"{prefix}.")
        ]
        if not fitting:
            return layer
        longest = max(fitting, key=len)
        new = rename[longest]
        return None if new is None else joined(new, layer[len(longest) :].removeprefix("."))

    return by_prefix


def inverted(rename: Rename) -> Rename:
    """A dict the other way round, without what it leaves out; the first of those that become one.

    A function is the caller's to invert: it is left as it is.
    """
    if not isinstance(rename, Mapping):
        return rename
    back: dict[str, str | None] = {}
    for theirs, ours in rename.items():
        if ours is not None:
            back.setdefault(ours, theirs)
    return back
