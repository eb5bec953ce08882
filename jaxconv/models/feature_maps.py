"""What a classifier sees on its way: the maps of its layers, and where a class comes from.

For any linen classifier called as `model.apply(variables, images, train=False)` -> logits [b, k].
A layer is meant by its path in the model: "block5", or "block5/conv" inside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


def feature_maps(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array, *, layers: Sequence[str]
) -> dict[str, jax.Array]:
    """The outputs of `layers` for `images` [b, h, w, c], by name: [b, h', w', c'] each.

    Raises:
        ValueError: the model calls no layer of that name.
    """

    def wanted(module: nn.Module, method: str) -> bool:
        return method == "__call__" and "/".join(module.path) in layers

    _, seen = model.apply(
        variables, images, train=False, capture_intermediates=wanted, mutable=["intermediates"]
    )
    found: Any = seen.get("intermediates", {})
    return {layer: _at(found, layer) for layer in layers}


def grad_cam(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    *,
    layer: str,
    classes: jax.Array | None = None,
) -> jax.Array:
    """Where in `images` [b, h, w, c] the evidence for a class lies: float [b, h', w'], at least 0.

    With A_k the maps of `layer` and s the logit of the class, heat = ReLU(sum_k w_k A_k), where
    w_k is the mean of ds/dA_k over the places of the map.

    Args:
        layer: its output is [b, h', w', c'].
        classes: int [b], the class to explain for each image; by default the predicted one.

    Raises:
        ValueError: the model calls no layer of that name.

    Source: Selvaraju et al., "Grad-CAM" (2017), equations 1 and 2.
    """
    maps = feature_maps(model, variables, images, layers=[layer])[layer]

    def logits(replaced: jax.Array) -> jax.Array:
        def swap(call, args, kwargs, context):
            here = context.method_name == "__call__" and "/".join(context.module.path) == layer
            return replaced if here else call(*args, **kwargs)

        with nn.intercept_methods(swap):
            applied: Any = model.apply(variables, images, train=False)
            return applied

    outputs, pull_back = jax.vjp(logits, maps)
    chosen = outputs.argmax(axis=1) if classes is None else classes
    (gradients,) = pull_back(jax.nn.one_hot(chosen, outputs.shape[1], dtype=outputs.dtype))
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    return nn.relu(jnp.sum(weights * maps, axis=3))


def _at(seen: Mapping[str, Any], layer: str) -> jax.Array:
    found: Any = seen
    for name in (*layer.split("/"), "__call__"):
        if name not in found:
            raise ValueError(f"the model calls no layer {layer!r}; see `python -m jaxconv summary`")
        found = found[name]
    return found[0]
