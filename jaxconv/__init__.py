"""Six convolutions with PyTorch's exact semantics, and the CIFAR-10 network built from them."""

from jaxconv.linen.convolutions import (
    Conv,
    DepthwiseConv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
    SpatiallySeparableConv,
    TransposeConv,
)
from jaxconv.linen.layers import BatchNorm, Dropout
from jaxconv.memory import keep_freed_memory
from jaxconv.models.s9 import S9Net
from jaxconv.ops.depthwise_separable import depthwise_conv, depthwise_separable_conv
from jaxconv.ops.dilated import dilated_conv
from jaxconv.ops.pointwise import pointwise_conv
from jaxconv.ops.spatially_separable import spatially_separable_conv
from jaxconv.ops.standard import conv
from jaxconv.ops.transpose import transpose_conv
from jaxconv.weights.pretrained import load_pretrained

__version__ = "0.2.0"

__all__ = [
    "BatchNorm",
    "Conv",
    "DepthwiseConv",
    "DepthwiseSeparableConv",
    "DilatedConv",
    "Dropout",
    "PointwiseConv",
    "S9Net",
    "SpatiallySeparableConv",
    "TransposeConv",
    "conv",
    "depthwise_conv",
    "depthwise_separable_conv",
    "dilated_conv",
    "keep_freed_memory",
    "load_pretrained",
    "pointwise_conv",
    "spatially_separable_conv",
    "transpose_conv",
]
