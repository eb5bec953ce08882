"""The convolutions as Flax Linen modules: each owns its kernels and calls its function."""

from dataclasses import field

import jax
from flax import linen as nn

from jaxconv.linen.module import ConvModule, sizes_for
from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.depthwise_separable import depthwise_conv
from jaxconv.ops.dilated import dilated_conv
from jaxconv.ops.geometry import pair
from jaxconv.ops.parameters import depthwise_features, require_channels
from jaxconv.ops.pointwise import pointwise_conv
from jaxconv.ops.standard import conv
from jaxconv.ops.transpose import transpose_conv


class Conv(ConvModule):
    """`conv` with a learned kernel: [b, *space, c_in] -> [b, *space', features]."""

    features: int
    kernel_size: IntOrPair = 3
    dilation: IntOrPair = field(default=1, kw_only=True)
    groups: int = field(default=1, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        require_channels(x.shape[-1], self.features, self.groups)
        size = sizes_for(self.kernel_size, x)
        shape = (*size, x.shape[-1] // self.groups, self.features)
        options = {"dilation": self.dilation, "groups": self.groups}
        return self.convolve(conv, x, shape, self.features, **options)


class PointwiseConv(ConvModule):
    """`pointwise_conv` with a learned kernel: [b, *space, c_in] -> [b, *space', features]."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        require_channels(x.shape[-1], self.features)
        shape = (*sizes_for(1, x), x.shape[-1], self.features)
        return self.convolve(pointwise_conv, x, shape, self.features)


class DepthwiseConv(ConvModule):
    """`depthwise_conv` with a learned kernel: [b, *space, c_in] -> [b, *space', features].

    `features` is c_in times the multiplier; `multiplier` may be given in its place.
    """

    features: int | None = None
    kernel_size: IntOrPair = 3
    dilation: IntOrPair = field(default=1, kw_only=True)
    multiplier: int | None = field(default=None, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        features = depthwise_features(x.shape[-1], self.features, self.multiplier)
        shape = (*sizes_for(self.kernel_size, x), 1, features)
        return self.convolve(depthwise_conv, x, shape, features, dilation=self.dilation)


class DepthwiseSeparableConv(ConvModule):
    """`depthwise_separable_conv` with learned kernels: [b, *space, c_in] -> [b, *space', features].

    Its halves are the submodules `depthwise` and `pointwise`; `multiplier` is m.
    """

    features: int
    kernel_size: IntOrPair = 3
    dilation: IntOrPair = field(default=1, kw_only=True)
    pointwise_padding: IntOrPair = field(default=0, kw_only=True)
    multiplier: int = field(default=1, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        depthwise = DepthwiseConv(
            kernel_size=self.kernel_size,
            multiplier=self.multiplier,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            name="depthwise",
            **self.half_options(),
        )
        pointwise = PointwiseConv(
            self.features, padding=self.pointwise_padding, name="pointwise", **self.half_options()
        )
        return pointwise(depthwise(x))


class DilatedConv(ConvModule):
    """`dilated_conv` with a learned kernel: [b, *space, c_in] -> [b, *space', features]."""

    features: int
    kernel_size: IntOrPair = 3
    dilation: IntOrPair = field(default=2, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        require_channels(x.shape[-1], self.features)
        shape = (*sizes_for(self.kernel_size, x), x.shape[-1], self.features)
        return self.convolve(dilated_conv, x, shape, self.features, dilation=self.dilation)


class SpatiallySeparableConv(ConvModule):
    """`spatially_separable_conv` with learned kernels: [b, h, w, c_in] -> [b, h', w', features].

    Its halves are the submodules `column` and `row`; `mid_features` is c_mid (`features` if None).
    """

    features: int
    kernel_size: IntOrPair = 3
    mid_features: int | None = field(default=None, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel_h, kernel_w = pair(self.kernel_size, "kernel_size", minimum=1)
        stride_h, stride_w = pair(self.stride, "stride", minimum=1)
        padding_h, padding_w = pair(self.padding, "padding", minimum=0)
        column = Conv(
            self.features if self.mid_features is None else self.mid_features,
            (kernel_h, 1),
            stride=(stride_h, 1),
            padding=(padding_h, 0),
            name="column",
            **self.half_options(),
        )
        row = Conv(
            self.features,
            (1, kernel_w),
            stride=(1, stride_w),
            padding=(0, padding_w),
            name="row",
            **self.half_options(),
        )
        return row(column(x))


class TransposeConv(ConvModule):
    """`transpose_conv` with a learned kernel: [b, *space, c_in] -> [b, *space', features]."""

    features: int
    kernel_size: IntOrPair = 3
    output_padding: IntOrPair = field(default=0, kw_only=True)
    dilation: IntOrPair = field(default=1, kw_only=True)
    groups: int = field(default=1, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        require_channels(x.shape[-1], self.features, self.groups)
        size = sizes_for(self.kernel_size, x)
        shape = (*size, self.features // self.groups, x.shape[-1])
        options = {
            "output_padding": self.output_padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }
        return self.convolve(transpose_conv, x, shape, self.features, **options)
