"""The convolutions as Flax NNX modules: each owns its kernels and calls its function.

A tuple `kernel_size` decides the number of spatial axes, one to three; an int is for images with
their batch, [b, h, w, c].
"""

from collections.abc import Sequence
from numbers import Integral
from typing import Unpack

from flax import nnx
from jaxtyping import Array, Num

from jaxconv.nnx.module import (
    ConvModule,
    HalfOptions,
    Options,
    image_kernel,
    require_images,
    static,
)
from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.depthwise_separable import depthwise_conv
from jaxconv.ops.padding import Padding
from jaxconv.ops.parameters import depthwise_features, factors, require_channels
from jaxconv.ops.pointwise import pointwise_conv
from jaxconv.ops.standard import conv
from jaxconv.ops.transpose import transpose_conv


class Conv(ConvModule):
    """`conv` with a learned kernel: [b, *space, c] -> [b, *space', out_features].

    Example:
        >>> import jax.numpy as jnp
        >>> layer = Conv(3, 32, kernel_size=3, padding=1, rngs=nnx.Rngs(0))
        >>> layer(jnp.ones((8, 32, 32, 3))).shape
        (8, 32, 32, 32)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: IntOrPair = 3,
        *,
        dilation: IntOrPair = 1,
        groups: int = 1,
        rngs: nnx.Rngs,
        **options: Unpack[Options],
    ):
        require_channels(in_features, out_features, groups)
        channels = (in_features // groups, out_features)
        super().__init__(kernel_size, channels, out_features, rngs=rngs, **options)
        self.dilation = static(dilation)
        self.groups = groups

    def __call__(self, x: Num[Array, "*b_space c_in"]) -> Num[Array, "*b_space_out c_out"]:
        return self.convolve(conv, x, dilation=self.dilation, groups=self.groups)


class PointwiseConv(ConvModule):
    """`pointwise_conv` with a learned kernel: [b, *space, c] -> [b, *space', out_features].

    `axes` is the number of spatial axes; None is 2, for images with their batch.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        axes: int | None = None,
        rngs: nnx.Rngs,
        **options: Unpack[Options],
    ):
        require_channels(in_features, out_features)
        size = 1 if axes is None else (1,) * axes
        super().__init__(size, (in_features, out_features), out_features, rngs=rngs, **options)

    def __call__(self, x: Num[Array, "*b_space c_in"]) -> Num[Array, "*b_space_out c_out"]:
        return self.convolve(pointwise_conv, x)


class DepthwiseConv(ConvModule):
    """`depthwise_conv` with a learned kernel: [b, *space, c] -> [b, *space', out_features].

    `out_features` is in_features times the multiplier; `multiplier` can be given instead, and is 1
    if neither is.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int | None = None,
        kernel_size: IntOrPair = 3,
        *,
        dilation: IntOrPair = 1,
        multiplier: int | None = None,
        rngs: nnx.Rngs,
        **options: Unpack[Options],
    ):
        out_features = depthwise_features(in_features, out_features, multiplier)
        super().__init__(kernel_size, (1, out_features), out_features, rngs=rngs, **options)
        self.dilation = static(dilation)

    def __call__(self, x: Num[Array, "*b_space c_in"]) -> Num[Array, "*b_space_out c_out"]:
        return self.convolve(depthwise_conv, x, dilation=self.dilation)


class DepthwiseSeparableConv(nnx.Module):
    """`depthwise_separable_conv` with learned kernels, in the submodules `depthwise`, `pointwise`.

    [b, *space, c] -> [b, *space', out_features]; `multiplier` is m. Stride, padding and dilation
    are of the depthwise half, and `pointwise_padding` of the other, of zeros.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: IntOrPair = 3,
        *,
        stride: IntOrPair = 1,
        padding: Padding = 0,
        padding_mode: str = "zeros",
        dilation: IntOrPair = 1,
        pointwise_padding: Padding = 0,
        multiplier: int = 1,
        rngs: nnx.Rngs,
        **options: Unpack[HalfOptions],
    ):
        self.depthwise = DepthwiseConv(
            in_features,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            padding_mode=padding_mode,
            dilation=dilation,
            multiplier=multiplier,
            rngs=rngs,
            **options,
        )
        self.pointwise = PointwiseConv(
            in_features * multiplier,
            out_features,
            axes=len(image_kernel(kernel_size)),
            padding=pointwise_padding,
            rngs=rngs,
            **options,
        )

    def __call__(self, x: Num[Array, "*b_space c_in"]) -> Num[Array, "*b_space_out c_out"]:
        return self.pointwise(self.depthwise(x))


class DilatedConv(Conv):
    """`dilated_conv` with a learned kernel: [b, *space, c] -> [b, *space', out_features].

    `Conv` with another default: a dilation of 2.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: IntOrPair = 3,
        *,
        dilation: IntOrPair = 2,
        groups: int = 1,
        rngs: nnx.Rngs,
        **options: Unpack[Options],
    ):
        super().__init__(
            in_features,
            out_features,
            kernel_size,
            dilation=dilation,
            groups=groups,
            rngs=rngs,
            **options,
        )


class SpatiallySeparableConv(nnx.Module):
    """`spatially_separable_conv` with learned kernels, one for each spatial axis.

    [b, *space, c] -> [b, *space', out_features]. For images they are in the submodules `column`
    and `row`; for volumes `depth` comes before them, and for signals there is only `row`.
    `mid_features` is c_mid (`out_features` if None).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: IntOrPair = 3,
        *,
        stride: IntOrPair = 1,
        padding: Padding = 0,
        padding_mode: str = "zeros",
        mid_features: int | None = None,
        rngs: nnx.Rngs,
        **options: Unpack[HalfOptions],
    ):
        mid_features = out_features if mid_features is None else mid_features
        self.for_images = isinstance(kernel_size, Integral)
        self.depth = self.column = self.row = nnx.data(None)
        for name, size, step, pairs in factors(image_kernel(kernel_size), stride, padding):
            features = out_features if name == "row" else mid_features
            made = Conv(
                in_features,
                features,
                size,
                stride=step,
                padding=pairs,
                padding_mode=padding_mode,
                rngs=rngs,
                **options,
            )
            setattr(self, name, made)
            in_features = features

    def __call__(self, x: Num[Array, "*b_space c_in"]) -> Num[Array, "*b_space_out c_out"]:
        if self.for_images:
            require_images(x)
        for factor in (self.depth, self.column, self.row):
            x = x if factor is None else factor(x)
        return x


class TransposeConv(ConvModule):
    """`transpose_conv` with a learned kernel: [b, *space, c] -> [b, *space', out_features].

    `output_size`, the spatial sizes of the output, may be given in the call, as in PyTorch:
    `layer(x, output_size=(32, 32))` or `layer(x, output_size=skip.shape)`, in the place of
    `output_padding`.

    Args:
        stride: pixels of the output between what two neighbouring pixels of x write.
        padding: pixels cropped from each border of the output, in every form that `Conv` takes.
        padding_mode: "zeros" crops; the other modes add what they crop to the pixels that `Conv`
            with that mode reads there.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: IntOrPair = 3,
        *,
        output_padding: IntOrPair = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
        rngs: nnx.Rngs,
        **options: Unpack[Options],
    ):
        require_channels(in_features, out_features, groups)
        channels = (out_features // groups, in_features)
        super().__init__(kernel_size, channels, out_features, rngs=rngs, **options)
        self.output_padding = static(output_padding)
        self.dilation = static(dilation)
        self.groups = groups

    def __call__(
        self, x: Num[Array, "*b_space c_in"], output_size: Sequence[int] | None = None
    ) -> Num[Array, "*b_space_out c_out"]:
        return self.convolve(
            transpose_conv,
            x,
            output_padding=self.output_padding if output_size is None else 0,
            output_size=output_size,
            dilation=self.dilation,
            groups=self.groups,
        )
