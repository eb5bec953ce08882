"""S9Net's weights to and from the original PyTorch network, whose names it knows."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxconv.interop.kernels import as_array
from jaxconv.interop.state_dicts import listed, port, refuse, torch_from_variables
from jaxconv.linen.convolutions import Conv, DepthwiseSeparableConv, DilatedConv
from jaxconv.models.s9 import ROWS, S9Net
from jaxconv.text import printable


def s9_variables(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """A PyTorch S9's state dict as variables of `S9Net`, bit for bit.

    Args:
        state_dict: exactly the names of the original network; `num_batches_tracked` entries may be
            there and are not used. The number of classes is read off the last weight.

    Returns:
        {"params": ..., "batch_stats": ...} of NumPy arrays, dtypes kept.

    Raises:
        ValueError: names are missing or too many, or a shape is not S9Net's; all are listed.
    """
    head = as_array(state_dict.get(f"{_HEAD}.weight"))
    return port(state_dict, _shapes(head, 0), _s9_layers(), "an S9Net")


def s9_state_dict(
    variables: Mapping[str, Any], *, num_batches_tracked: int = 0
) -> dict[str, np.ndarray]:
    """The inverse of `s9_variables`: what a PyTorch S9 loads with `strict=True`.

    Args:
        variables: {"params": ..., "batch_stats": ...} of `S9Net`.
        num_batches_tracked: written for each BatchNorm; PyTorch's default momentum ignores it.

    Raises:
        ValueError: variables are missing or too many (all are listed), or a shape is not S9Net's.
    """
    arrays = unflatten_dict(require_s9(variables), sep="/")
    return torch_from_variables(arrays, _s9_layers(), num_batches_tracked=num_batches_tracked)


def require_s9(
    variables: Mapping[str, Any], *, num_classes: int | None = None
) -> dict[str, np.ndarray]:
    """The arrays of S9Net's ``variables`` by name, `params/head/kernel` for one, once checked.

    Raises:
        ValueError: variables are missing or too many (all are listed), or a shape is not S9Net's.
    """
    arrays = flatten_dict(jax.tree.map(np.asarray, dict(variables)), sep="/")
    head = arrays.get("params/head/kernel", np.empty(0))
    made = _shapes(head if num_classes is None else np.empty((1, 1, 1, num_classes)), 3)
    shapes = {path: array.shape for path, array in flatten_dict(made, sep="/").items()}
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


_HEAD = "conv_block14.0"  # the original has no block 13


def _s9_layers() -> dict[str, str]:
    """The layers of the original: index 0 of a block is the convolution, 2 the BatchNorm."""
    inside = {  # nested once more where it was wrapped
        Conv: {"0": "conv"},
        DilatedConv: {"0.0": "conv"},
        DepthwiseSeparableConv: {"0.0": "conv.depthwise", "0.1": "conv.pointwise"},
    }
    layers = {_HEAD: "head"}
    for number, row in enumerate(ROWS, start=1):
        for theirs, ours in (inside[row.conv] | {"2": "norm"}).items():
            layers[f"conv_block{number}.{theirs}"] = f"block{number}.{ours}"
    return layers


def _shapes(head, classes_axis):
    """The variables of S9Net as shapes, as many classes as the last kernel has."""
    return _shapes_for(head.shape[classes_axis] if head.ndim == 4 and head.size else 10)


@functools.lru_cache(maxsize=8)
def _shapes_for(num_classes):
    """The same, asked of the model itself; that takes a tenth of a second."""
    model = S9Net(num_classes=num_classes)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
