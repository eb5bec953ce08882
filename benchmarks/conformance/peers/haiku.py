"""Haiku: `hk.ConvND` and `hk.ConvNDTranspose`."""

import haiku as hk
import jax.numpy as jnp

from benchmarks.conformance.peers.common import (
    CannotExpress,
    channels_first,
    channels_last,
    kernel_of,
    spread_padding,
)


def function(case):
    groups = case.options.get("groups", 1)
    if case.transposed and groups > 1:
        raise CannotExpress("ConvNDTranspose has no groups")
    if case.transposed and max(case.per_axis("dilation", 1)) > 1:
        raise CannotExpress("ConvNDTranspose has no dilation")

    def run(x, weight, bias=None):
        kernel, stride = kernel_of(weight), case.per_axis("stride", 1)
        options = {"kernel_shape": weight.shape[2:], "stride": stride}
        options["with_bias"] = bias is not None

        def network(x):
            if case.transposed:
                padding = spread_padding(case)
                layer = hk.ConvNDTranspose(case.axes, weight.shape[1], padding=padding, **options)
            else:
                options["rate"] = case.per_axis("dilation", 1)
                options["feature_group_count"] = groups
                layer = hk.ConvND(case.axes, weight.shape[0], padding=case.pads, **options)
            return layer(x)

        if case.transposed:  # Haiku does not turn the kernel
            kernel = jnp.flip(kernel, range(case.axes))
        name = "conv_nd_transpose" if case.transposed else "conv_nd"
        params = {name: {"w": kernel} | ({} if bias is None else {"b": bias})}
        apply = hk.without_apply_rng(hk.transform(network)).apply
        return channels_first(apply(params, channels_last(x, case.axes)), case.axes)

    return run
