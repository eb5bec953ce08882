"""The convolutions as Flax Linen modules: each owns its kernels and calls its function.

A tuple `kernel_size` decides the number of spatial axes, one to three; an int follows x.
"""

from collections.abc import Sequence
from dataclasses import field

from flax import linen as nn
from jaxtyping import Array, Num

from jaxconv.linen.module import ConvModule, sizes_for
from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.depthwise_separable import depthwise_conv
from jaxconv.ops.padding import Padding
from jaxconv.ops.parameters import depthwise_features, factors, require_channels
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
    def __call__(self, x: Num[Array, "*b_space c_in"]) -> Num[Array, "*b_space_out c_out"]:
        require_channels(x.shape[-1], self.features, self.groups)
        size = sizes_for(self.kernel_size, x)
        shape = (*size, x.shape[-1] // self.groups, self.features)
        options = {"dilation": self.dilation, "groups": self.groups}
        return self.convolve(conv, x, shape, self.features, **options)


class PointwiseConv(ConvModule):
    """`pointwise_conv` with a learned kernel: [b, *space, c_in] -> [b, *space', features].

    `axes` is the number of spatial axes; None follows x, which then needs its batch.
    """

    features: int
    axes: int | None = field(default=None, kw_only=True)

    @nn.compact
    def __call__(self, x: Num[Array, "*b_space c_in"]) -> Num[Array, "*b_space_out c_out"]:
        require_channels(x.shape[-1], self.features)
        size = sizes_for(1 if self.axes is None else (1,) * self.axes, x)
        shape = (*size, x.shape[-1], self.features)
        return self.convolve(pointwise_conv, x, shape, self.features)


class DepthwiseConv(ConvModule):
    """`depthwise_conv` with a learned kernel: [b, *space, c_in] -> [b, *space', features].

    `features` is c_in times the multiplier; `multiplier` can be given instead, and is 1
    if neither is.
    """

    features: int | None = None
    kernel_size: IntOrPair = 3
    dilation: IntOrPair = field(default=1, kw_only=True)
    multiplier: int | None = field(default=None, kw_only=True)

    @nn.compact
    def __call__(self, x: Num[Array, "*b_space c_in"]) -> Num[Array, "*b_space_out c_out"]:
        features = depthwise_features(x.shape[-1], self.features, self.multiplier)
        shape = (*sizes_for(self.kernel_size, x), 1, features)
        return self.convolve(depthwise_conv, x, shape, features, dilation=self.dilation)


class DepthwiseSeparableConv(ConvModule):
    """`depthwise_separable_conv` with learned kernels: [b, *space, c_in] -> [b, *space', features].

    Its halves are the submodules `depthwise` and `pointwise`; `multiplier` is m. Stride, padding
    and dilation belong to the depthwise half; `pointwise_padding` is of zeros, around its output.
    """

    features: int
    kernel_size: IntOrPair = 3
    dilation: IntOrPair = field(default=1, kw_only=True)
    pointwise_padding: Padding = field(default=0, kw_only=True)
    multiplier: int = field(default=1, kw_only=True)

    @nn.compact
    def __call__(self, x: Num[Array, "*b_space c_in"]) -> Num[Array, "*b_space_out c_out"]:
        depthwise = DepthwiseConv(
            kernel_size=self.kernel_size,
            multiplier=self.multiplier,
            stride=self.stride,
            padding=self.padding,
            padding_mode=self.padding_mode,
            dilation=self.dilation,
            name="depthwise",
            **self.half_options(),
        )
        pointwise = PointwiseConv(
            self.features,
            axes=len(sizes_for(self.kernel_size, x)),
            padding=self.pointwise_padding,
            name="pointwise",
            **self.half_options(),
        )
        return pointwise(depthwise(x))


class DilatedConv(Conv):
    """`dilated_conv` with a learned kernel: [b, *space, c_in] -> [b, *space', features].

    `Conv` with another default: a dilation of 2.
    """

    dilation: IntOrPair = field(default=2, kw_only=True)


class SpatiallySeparableConv(ConvModule):
    """`spatially_separable_conv` with learned kernels: [b, *space, c_in] -> [b, *space', features].

    For images its halves are the submodules `column` and `row`; for volumes `depth` comes before
    them, and for signals there is only `row`. `mid_features` is c_mid (`features` if None).
    """

    features: int
    kernel_size: IntOrPair = 3
    mid_features: int | None = field(default=None, kw_only=True)

    @nn.compact
    def __call__(self, x: Num[Array, "*b_space c_in"]) -> Num[Array, "*b_space_out c_out"]:
        mid_features = self.features if self.mid_features is None else self.mid_features
        for factor in factors(sizes_for(self.kernel_size, x), self.stride, self.padding):
            x = Conv(
                self.features if factor.name == "row" else mid_features,
                **factor._asdict(),
                padding_mode=self.padding_mode,
                **self.half_options(),
            )(x)
        return x


class TransposeConv(ConvModule):
    """`transpose_conv` with a learned kernel: [b, *space, c_in] -> [b, *space', features].

    `output_size`, the spatial sizes of the output, may be given in the call, as in PyTorch, in the
    place of `output_padding`: `layer.apply(variables, x, output_size=(32, 32))`, or a whole shape,
    `output_size=skip.shape`.

    Attributes:
        stride: pixels of the output between what two neighbouring pixels of x write.
        padding: pixels cropped from each border of the output, in every form that `Conv` takes.
        padding_mode: "zeros" crops; the other modes add what they crop to the pixels that `Conv`
            with that mode reads there.
    """

    features: int
    kernel_size: IntOrPair = 3
    output_padding: IntOrPair = field(default=0, kw_only=True)
    dilation: IntOrPair = field(default=1, kw_only=True)
    groups: int = field(default=1, kw_only=True)

    @nn.compact
    def __call__(
        self, x: Num[Array, "*b_space c_in"], output_size: Sequence[int] | None = None
    ) -> Num[Array, "*b_space_out c_out"]:
        require_channels(x.shape[-1], self.features, self.groups)
        size = sizes_for(self.kernel_size, x)
        shape = (*size, self.features // self.groups, x.shape[-1])
        options = {
            "output_padding": self.output_padding if output_size is None else 0,
            "output_size": output_size,
            "dilation": self.dilation,
            "groups": self.groups,
        }
        return self.convolve(transpose_conv, x, shape, self.features, **options)
