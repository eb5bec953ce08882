"""S9Net's weights to and from the original PyTorch network, whose names it knows."""

import contextlib
import functools
from collections.abc import Hashable, Mapping
from typing import Any, cast

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxconv.interop.kernels import as_array
from jaxconv.interop.state_dicts import listed, port, refuse, torch_from_variables
from jaxconv.linen.convolutions import (
    DepthwiseSeparableConv,
    DilatedConv,
    SpatiallySeparableConv,
)
from jaxconv.models.s9 import S9Net
from jaxconv.text import printable

LARGE = 1024  # pixels a side, as many as a config allows


def s9_variables(state_dict: Mapping[str, Any], model: S9Net | None = None) -> dict[str, Any]:
    """A PyTorch S9's state dict as variables of `S9Net`, bit for bit.

    Args:
        state_dict: exactly the names of the original network; `num_batches_tracked` entries may be
            there and are not used. The number of classes is read off the last weight.
        model: the network, where it is not the documented one; its blocks are named alike.

    Returns:
        {"params": ..., "batch_stats": ...} of NumPy arrays, dtypes kept.

    Raises:
        ValueError: names are missing or too many, or a shape is not S9Net's; all are listed.
    """
    layers = _layers(S9Net() if model is None else model)
    head = as_array(state_dict.get(f"{next(iter(layers))}.weight"))
    return port(state_dict, _shapes(model, head, 0), layers, "an S9Net")


def s9_state_dict(
    variables: Mapping[str, Any], model: S9Net | None = None, *, num_batches_tracked: int = 0
) -> dict[str, np.ndarray]:
    """The inverse of `s9_variables`: what a PyTorch S9 loads with `strict=True`.

    Args:
        variables: {"params": ..., "batch_stats": ...} of `S9Net`.
        model: as in `s9_variables`.
        num_batches_tracked: written for each BatchNorm; PyTorch's default momentum ignores it.

    Raises:
        ValueError: variables are missing or too many (all are listed), or a shape is not S9Net's.
    """
    arrays = unflatten_dict(require_s9(variables, model), sep="/")
    layers = _layers(S9Net() if model is None else model)
    return torch_from_variables(arrays, layers, num_batches_tracked=num_batches_tracked)


def require_s9(variables: Mapping[str, Any], model: S9Net | None = None) -> dict[str, np.ndarray]:
    """The arrays of S9Net's `variables` by name, `params/head/kernel` for one, once checked.

    Args:
        variables: {"params": ..., "batch_stats": ...} of `S9Net`.
        model: whose they must be; None for the documented network, of any number of classes.

    Raises:
        ValueError: variables are missing or too many (all are listed), or a shape is not S9Net's.
    """
    arrays: dict[str, Any] = flatten_dict(jax.tree.map(np.asarray, dict(variables)), sep="/")
    if model is None:
        made = _shapes(None, arrays.get("params/head/kernel", np.empty(0)), 3)
    else:
        made = _shapes_of(model)
    expected: dict[str, Any] = flatten_dict(made, sep="/")
    shapes = {path: array.shape for path, array in expected.items()}
    missing = [name for name in shapes if name not in arrays]
    extra = [printable(name) for name in arrays if name not in shapes]
    refuse("the variables of an S9Net", listed(missing, extra))
    wrong = [
        f"{name} has shape {arrays[name].shape}, expected {shape}"
        for name, shape in shapes.items()
        if arrays[name].shape != shape
    ]
    refuse("the variables of an S9Net", wrong)
    return arrays


_NESTED = {  # inside a block; the original wraps these once more
    DilatedConv: {"0.0": "conv"},
    DepthwiseSeparableConv: {"0.0": "conv.depthwise", "0.1": "conv.pointwise"},
    SpatiallySeparableConv: {"0.0": "conv.column", "0.1": "conv.row"},
}


def _layers(model):
    """The names of the original and ours, the head first: in a block 0 is the convolution, 2 the
    BatchNorm. The head is numbered as if one more block came before it."""
    layers = {f"conv_block{len(model.rows) + 2}.0": "head"}
    for number, row in enumerate(model.rows, start=1):
        for theirs, ours in (_NESTED.get(row.conv, {"0": "conv"}) | {"2": "norm"}).items():
            layers[f"conv_block{number}.{theirs}"] = f"block{number}.{ours}"
    return layers


def _shapes(model, head, classes_axis):
    """The variables of the model as shapes, as many classes as the last kernel has."""
    classes = head.shape[classes_axis] if head.ndim == 4 and head.size else 10
    model = (S9Net() if model is None else model).clone(num_classes=classes)
    return _shapes_of(model)


def _shapes_of(model: S9Net) -> Any:
    """The same, asked of the model itself."""
    return _traced(cast(Hashable, model))  # by its fields, as Flax makes it


@functools.lru_cache(maxsize=8)  # it takes a tenth of a second
def _traced(model: Any) -> Any:
    try:
        return _traced_with(model, 32)
    except ValueError:
        # Images of all sizes have the same variables, and some kernels need large ones.
        with contextlib.suppress(ValueError):
            return _traced_with(model, LARGE)
        raise


def _traced_with(model, size):
    image = jax.ShapeDtypeStruct((1, size, size, 3), np.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
