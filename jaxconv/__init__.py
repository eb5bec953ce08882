"""Six convolutions with PyTorch's exact semantics, and the CIFAR-10 network built from them."""

from jaxconv.conv.depthwise_separable import (
    DepthwiseConv,
    DepthwiseSeparableConv,
    depthwise_conv,
    depthwise_separable_conv,
)
from jaxconv.conv.dilated import DilatedConv, dilated_conv
from jaxconv.conv.pointwise import PointwiseConv, pointwise_conv
from jaxconv.conv.spatially_separable import SpatiallySeparableConv, spatially_separable_conv
from jaxconv.conv.standard import Conv, conv
from jaxconv.conv.transpose import TransposeConv, transpose_conv
from jaxconv.models.s9 import S9Net
from jaxconv.weights.pretrained import load_pretrained

__all__ = [
    "Conv",
    "DepthwiseConv",
    "DepthwiseSeparableConv",
    "DilatedConv",
    "PointwiseConv",
    "S9Net",
    "SpatiallySeparableConv",
    "TransposeConv",
    "conv",
    "depthwise_conv",
    "depthwise_separable_conv",
    "dilated_conv",
    "load_pretrained",
    "pointwise_conv",
    "spatially_separable_conv",
    "transpose_conv",
]
