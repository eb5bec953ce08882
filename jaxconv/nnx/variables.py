"""Linen's variables in an NNX model of the same names."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import nnx
from flax.traverse_util import flatten_dict


def set_variables(model: nnx.Module, variables: Mapping[str, Any]) -> None:
    """Puts the variables of a Linen network into `model`, which has its names and shapes.

    Args:
        model: changed in place: every variable but its random streams and counters.
        variables: {"params": ..., "batch_stats": ...}, arrays of JAX or NumPy.

    Raises:
        ValueError: variables are missing, too many or of another shape; all are listed.

    Example:
        >>> from jaxconv import load_pretrained
        >>> from jaxconv.nnx import S9Net
        >>> model = S9Net(rngs=nnx.Rngs(0))
        >>> set_variables(model, load_pretrained().variables)
    """
    given: dict[tuple, Any] = {
        path: array
        for collection in variables.values()
        for path, array in flatten_dict(dict(collection)).items()
    }
    state = nnx.to_flat_state(nnx.state(model, nnx.Not(nnx.RngState)))
    expected = dict(zip(state.paths, state.leaves, strict=True))
    wrong = [f"missing {_name(path)}" for path in expected if path not in given]
    wrong += [f"unexpected {_name(path)}" for path in given if path not in expected]
    wrong += [
        f"{_name(path)} has shape {given[path].shape}, expected {variable.shape}"
        for path, variable in expected.items()
        if path in given and given[path].shape != variable.shape
    ]
    if wrong:
        raise ValueError(f"not the variables of this {type(model).__name__}: {'; '.join(wrong)}")
    values = [(path, variable.replace(jnp.asarray(given[path]))) for path, variable in state]
    nnx.update(model, nnx.from_flat_state(values))


def _name(path):
    return "/".join(map(str, path))
