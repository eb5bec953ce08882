"""The convolutions as Flax Linen modules: each owns its kernels and calls its function."""

from dataclasses import field

import jax
from flax import linen as nn

from jaxconv.linen.module import ConvModule, add_bias
from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.depthwise_separable import depthwise_conv
from jaxconv.ops.dilated import dilated_conv
from jaxconv.ops.geometry import pair
from jaxconv.ops.pointwise import pointwise_conv
from jaxconv.ops.standard import conv
from jaxconv.ops.transpose import transpose_conv


class Conv(ConvModule):
    """`conv` with a learned kernel: [b, h, w, c_in] -> [b, h', w', features]; options as `conv`."""

    features: int
    kernel_size: IntOrPair = 3
    dilation: IntOrPair = field(default=1, kw_only=True)
    groups: int = field(default=1, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        size = pair(self.kernel_size, "kernel_size", minimum=1)
        shape = (*size, x.shape[-1] // max(self.groups, 1), self.features)
        x, kernel, bias = self.parameters(x, shape, self.features)
        y = conv(
            x,
            kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return add_bias(y, bias)


class PointwiseConv(ConvModule):
    """`pointwise_conv` with a learned kernel: [b, h, w, c_in] -> [b, h', w', features]."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x, kernel, bias = self.parameters(x, (1, 1, x.shape[-1], self.features), self.features)
        return add_bias(pointwise_conv(x, kernel, stride=self.stride, padding=self.padding), bias)


class DepthwiseConv(ConvModule):
    """`depthwise_conv` with a learned kernel: [b, h, w, c_in] -> [b, h', w', features].

    `features` is c_in times the multiplier; anything else is refused.
    """

    features: int
    kernel_size: IntOrPair = 3
    dilation: IntOrPair = field(default=1, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (*pair(self.kernel_size, "kernel_size", minimum=1), 1, self.features)
        x, kernel, bias = self.parameters(x, shape, self.features)
        y = depthwise_conv(
            x, kernel, stride=self.stride, padding=self.padding, dilation=self.dilation
        )
        return add_bias(y, bias)


class DepthwiseSeparableConv(ConvModule):
    """`depthwise_separable_conv` with learned kernels: [b, h, w, c_in] -> [b, h', w', features].

    Its halves are the submodules `depthwise` and `pointwise`; `multiplier` is m.
    """

    features: int
    kernel_size: IntOrPair = 3
    dilation: IntOrPair = field(default=1, kw_only=True)
    pointwise_padding: IntOrPair = field(default=0, kw_only=True)
    multiplier: int = field(default=1, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shared = {
            name: getattr(self, name)
            for name in ("use_bias", "dtype", "param_dtype", "kernel_init")
        }
        depthwise = DepthwiseConv(
            x.shape[-1] * self.multiplier,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            name="depthwise",
            **shared,
        )
        pointwise = PointwiseConv(
            self.features, padding=self.pointwise_padding, name="pointwise", **shared
        )
        return pointwise(depthwise(x))


class DilatedConv(ConvModule):
    """`dilated_conv` with a learned kernel: [b, h, w, c_in] -> [b, h', w', features]."""

    features: int
    kernel_size: IntOrPair = 3
    dilation: IntOrPair = field(default=2, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (*pair(self.kernel_size, "kernel_size", minimum=1), x.shape[-1], self.features)
        x, kernel, bias = self.parameters(x, shape, self.features)
        y = dilated_conv(
            x, kernel, dilation=self.dilation, stride=self.stride, padding=self.padding
        )
        return add_bias(y, bias)


class SpatiallySeparableConv(ConvModule):
    """`spatially_separable_conv` with learned kernels: [b, h, w, c_in] -> [b, h', w', features].

    Its halves are the submodules `column` and `row`; `mid_features` is c_mid (`features` if None).
    """

    features: int
    kernel_size: IntOrPair = 3
    mid_features: int | None = field(default=None, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shared = {
            name: getattr(self, name)
            for name in ("use_bias", "dtype", "param_dtype", "kernel_init")
        }
        kernel_h, kernel_w = pair(self.kernel_size, "kernel_size", minimum=1)
        (stride_h, stride_w) = pair(self.stride, "stride", minimum=1)
        (padding_h, padding_w) = pair(self.padding, "padding", minimum=0)
        column = Conv(
            self.features if self.mid_features is None else self.mid_features,
            (kernel_h, 1),
            stride=(stride_h, 1),
            padding=(padding_h, 0),
            name="column",
            **shared,
        )
        row = Conv(
            self.features,
            (1, kernel_w),
            stride=(1, stride_w),
            padding=(0, padding_w),
            name="row",
            **shared,
        )
        return row(column(x))


class TransposeConv(ConvModule):
    """`transpose_conv` with a learned kernel: [b, h, w, c_in] -> [b, h', w', features]."""

    features: int
    kernel_size: IntOrPair = 3
    output_padding: IntOrPair = field(default=0, kw_only=True)
    dilation: IntOrPair = field(default=1, kw_only=True)
    groups: int = field(default=1, kw_only=True)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        size = pair(self.kernel_size, "kernel_size", minimum=1)
        shape = (*size, self.features // max(self.groups, 1), x.shape[-1])
        x, kernel, bias = self.parameters(x, shape, self.features)
        y = transpose_conv(
            x,
            kernel,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return add_bias(y, bias)
