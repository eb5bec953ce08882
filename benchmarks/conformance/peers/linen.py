"""Flax Linen: `nn.Conv`, and `nn.ConvTranspose` with `transpose_kernel`."""

from flax import linen as nn

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
        }
        if case.transposed:
            layer = nn.ConvTranspose(
                weight.shape[1], padding=spread_padding(case), transpose_kernel=True, **options
            )
        else:
            layer = nn.Conv(
                weight.shape[0], padding=case.pads, feature_group_count=groups, **options
            )
        params = {"kernel": kernel_of(weight)} | ({} if bias is None else {"bias": bias})
        y = layer.apply({"params": params}, channels_last(x, case.axes))
        return channels_first(y, case.axes)

    return run
