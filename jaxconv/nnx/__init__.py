"""Flax NNX modules with PyTorch's semantics: those of `jaxconv.linen`, the same numbers.

    model = jaxconv.nnx.S9Net(rngs=nnx.Rngs(0))
    model.eval()
    logits = model(images)

Apart from `import jaxconv`, so that only those who use NNX wait for it.
"""

from jaxconv.nnx.convolutions import (
    Conv,
    DepthwiseConv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
    SpatiallySeparableConv,
    TransposeConv,
)
from jaxconv.nnx.layers import BatchNorm, Dropout
from jaxconv.nnx.s9 import S9Net
from jaxconv.nnx.variables import set_variables

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
    "set_variables",
]
