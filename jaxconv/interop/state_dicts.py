"""The state dict of any PyTorch network as variables of the same network here, and back."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxconv.interop.kernels import as_array, from_torch_axes, to_torch_axes
from jaxconv.interop.leaves import Leaf, Rename, inverted, joined, leaves_of, renamer
from jaxconv.text import printable

COUNTER = "num_batches_tracked"
ORDER = ("weight", "bias", "running_mean", "running_var", COUNTER)


def variables_from_torch(
    state_dict: Mapping[str, Any], variables: Any, rename: Rename = None
) -> Any:
    """A PyTorch network's state dict as the variables of the same network here, bit for bit.

    Layers are known by the names of their leaves: convolutions and transposed ones of one to three
    axes (`kernel`: one permutation, as in `kernel_from_torch`), linear layers (`kernel` [in, out]),
    embeddings (`embedding`), batch, group, layer and instance norms (`scale`, `bias`, `mean`,
    `var`), and other parameters of at most one axis by their own names. `num_batches_tracked` of a
    norm may be there and is not used. Leaves that are not floating point numbers (NNX's random
    streams, counters) stay as they are.

    Two cases cannot be detected, so handle them yourself. A linear layer after a flattened map
    reads [c, h, w] in PyTorch and [h, w, c] here, unless the map is transposed first. Flax's own
    ConvTranspose has its kernel the other way round: take `TransposeConv`.

    There is no partial load: every variable is filled, or the call raises.

    Args:
        state_dict: names to arrays or tensors.
        variables: of the network here, as `init` or `nnx.state` made them, or their shapes from
            `jax.eval_shape`. A layer's name is its path joined by dots, without the collection:
            params/block1/conv/kernel is `block1.conv.weight` for PyTorch.
        rename: PyTorch's names of layers to those here, where they differ. A dict maps prefixes
            (the longest that fits, at a dot; None leaves the entries out); a function takes a
            layer's name, `features.3`, and returns the one here, or None.

    Returns:
        The structure of `variables`, with NumPy arrays of the dtypes of `state_dict`.

    Raises:
        ValueError: entries that are missing, too many, of another shape, or whose axes are
            ambiguous (a parameter of an unknown name and more than one axis, a kernel of Flax's own
            ConvTranspose where its name tells); all are listed.

    Example:
        >>> import jax
        >>> from jaxconv import Conv
        >>> shapes = jax.eval_shape(Conv(8).init, jax.random.key(0), np.ones((1, 9, 9, 3)))
        >>> variables_from_torch({"0.weight": np.ones((8, 3, 3, 3))}, shapes, {"0": ""})[
        ...     "params"]["kernel"].shape
        (3, 3, 3, 8)
    """
    return port(state_dict, variables, rename, "this network")


def torch_from_variables(
    variables: Any, rename: Rename = None, *, num_batches_tracked: int = 0
) -> dict[str, np.ndarray]:
    """The inverse of `variables_from_torch`: what PyTorch loads with `strict=True`.

    Args:
        variables: as there, with arrays.
        rename: the same dict as there; or a function, from a layer's name here to PyTorch's.
        num_batches_tracked: written for each BatchNorm; PyTorch's default momentum ignores it.

    Returns:
        Arrays by PyTorch's names, in natural order: block2 before block10.

    Raises:
        ValueError: leaves whose axes are ambiguous, or several with the same name; all are listed.

    Example:
        >>> torch_from_variables({"params": {"fc": {"kernel": np.ones((3, 5))}}})["fc.weight"].shape
        (5, 3)
    """
    leaves, _ = leaves_of(variables)
    to_theirs = renamer(inverted(rename))
    taken: dict[str, Leaf] = {}
    wrong = [leaf.ambiguity for leaf in leaves if leaf.ambiguity]
    for leaf in leaves:
        layer = to_theirs(leaf.layer)
        if layer is None or leaf.entry is None:
            continue
        name = joined(layer, leaf.entry)
        if name in taken:
            wrong.append(f"{taken[name].path} and {leaf.path} both become {name}")
        taken[name] = leaf
    refuse("the variables of a PyTorch network", wrong)
    found = {}
    for name in sorted(taken, key=_place):
        array = as_array(taken[name].value)
        found[name] = to_torch_axes(array) if taken[name].is_kernel else array.copy()
        if taken[name].entry == "running_var":
            counter = f"{name.removesuffix('running_var')}{COUNTER}"
            found[counter] = np.array(num_batches_tracked, np.int64)
    return found


def port(state_dict, variables, rename, network):
    """`variables_from_torch`, with a name of the network for its error."""
    leaves, structure = leaves_of(variables)
    expected: dict[str, Leaf] = {}
    extra, wrong = [], [leaf.ambiguity for leaf in leaves if leaf.ambiguity]
    for leaf in (leaf for leaf in leaves if leaf.entry is not None):
        if leaf.name in expected:
            wrong.append(f"{expected[leaf.name].path} and {leaf.path} are both called {leaf.name}")
        expected[leaf.name] = leaf
    to_ours, to_theirs = renamer(rename), _names_for_people(rename)
    given: dict[str, tuple[str, np.ndarray]] = {}
    for theirs, value in state_dict.items():
        layer, _, entry = theirs.rpartition(".")
        ours = to_ours(layer)
        if ours is None:
            continue
        name = joined(ours, entry)
        if name in given:
            wrong.append(f"{printable(given[name][0])} and {printable(theirs)} both become {name}")
        elif name in expected:
            given[name] = theirs, as_array(value)
        elif entry != COUNTER or joined(ours, "running_var") not in expected:
            extra.append(printable(theirs))
    missing = [
        joined(to_theirs(leaf.layer) or "", leaf.entry or "")
        for name, leaf in expected.items()
        if name not in given and not leaf.ambiguity
    ]
    for name, (theirs, array) in given.items():
        if expected[name].ambiguity:
            continue
        if array.shape != expected[name].torch_shape:
            shapes = f"has shape {array.shape}, expected {expected[name].torch_shape}"
            wrong.append(f"{printable(theirs)} {shapes}")
        elif not np.issubdtype(array.dtype, np.number) and array.dtype.kind != "V":
            wrong.append(f"{printable(theirs)} holds no numbers but {array.dtype}")
    refuse(f"the state dict of {network}", listed(sorted(missing, key=_place), extra) + wrong)
    return structure.unflatten(
        leaf.value if leaf.entry is None else _as_ours(leaf, given[leaf.name][1]) for leaf in leaves
    )


def _names_for_people(rename):
    """PyTorch's names of our layers, as far as they are known: a function has no inverse."""
    return renamer(inverted(rename) if isinstance(rename, Mapping) else None)


def _as_ours(leaf, array):
    return from_torch_axes(array) if leaf.is_kernel else array.copy()


def listed(missing: Sequence[str], extra: Sequence[str]) -> list[str]:
    found = [f"missing {', '.join(missing)}"] * bool(missing)
    return found + [f"unexpected {', '.join(extra)}"] * bool(extra)


def refuse(what: str, complaints: Sequence[str]) -> None:
    if complaints:
        raise ValueError(f"not {what}: {'; '.join(complaints)}")


def _place(name):
    """Numbers in a name sort as numbers, the entries of a layer as PyTorch has them."""
    layer, _, entry = name.rpartition(".")
    parts = re.split(r"(\d+)", layer)
    numbered = [int(part) if part.isdecimal() else part for part in parts]
    return numbered, ORDER.index(entry) if entry in ORDER else len(ORDER), entry
