"""Flax NNX: `nnx.Conv`, and `nnx.ConvTranspose` with `transpose_kernel`."""

from flax import nnx

from benchmarks.conformance.peers.common import (
    CannotExpress,
    channels_first,
    channels_last,
    kernel_of,
    layer_dtype,
    spread_padding,
)


def function(case):
    groups = case.options.get("groups", 1)
    if case.transposed and groups > 1:
        raise CannotExpress("ConvTranspose has no groups")

    def run(x, weight, bias=None):
        options = {
            "kernel_size": weight.shape[2:],
            "strides": case.per_axis("stride", 1),
            "kernel_dilation": case.per_axis("dilation", 1),
            "use_bias": bias is not None,
            "dtype": x.dtype,
            "param_dtype": layer_dtype(x),
            "rngs": nnx.Rngs(0),
        }
        channels = x.shape[-1 - case.axes]
        if case.transposed:
            options |= {"padding": spread_padding(case), "transpose_kernel": True}
            layer = nnx.ConvTranspose(channels, weight.shape[1], **options)
        else:
            options |= {"padding": case.pads, "feature_group_count": groups}
            layer = nnx.Conv(channels, weight.shape[0], **options)
        layer.kernel = nnx.Param(kernel_of(weight))
        if bias is not None:
            layer.bias = nnx.Param(bias)
        return channels_first(layer(channels_last(x, case.axes)), case.axes)

    return run
