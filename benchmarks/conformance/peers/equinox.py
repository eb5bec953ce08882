"""Equinox: `eqx.nn.Conv` and `eqx.nn.ConvTranspose`, which see one example; `jax.vmap` for more."""

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks.conformance.peers.common import key, layer_dtype


def function(case):
    groups = case.options.get("groups", 1)

    def run(x, weight, bias=None):
        options = {
            "kernel_size": weight.shape[2:],
            "stride": case.per_axis("stride", 1),
            "padding": case.pads,
            "dilation": case.per_axis("dilation", 1),
            "groups": groups,
            "use_bias": bias is not None,
            "dtype": layer_dtype(x),
            "key": key(),
        }
        channels = x.shape[-1 - case.axes]
        if case.transposed:
            options["output_padding"] = case.per_axis("output_padding", 0)
            features = weight.shape[1] * groups
            layer = eqx.nn.ConvTranspose(case.axes, channels, features, **options)
            weight = turned(weight, groups)
        else:
            layer = eqx.nn.Conv(case.axes, channels, weight.shape[0], **options)
        layer = eqx.tree_at(lambda layer: layer.weight, layer, weight)
        if bias is not None:
            bias = bias.reshape(-1, *[1] * case.axes)
            layer = eqx.tree_at(lambda layer: layer.bias, layer, bias)
        return jax.vmap(layer)(x) if case.batched else layer(x)

    return run


def turned(weight, groups):
    """PyTorch's transposed weight [c, o/groups, *taps] as Equinox's [o, c/groups, *taps], flipped.

    Equinox's documentation gives it for one group; each group is turned alike.
    """
    weight = jnp.flip(weight, range(2, weight.ndim))
    parts = [part.swapaxes(0, 1) for part in jnp.split(weight, groups)]
    return jnp.concatenate(parts)
