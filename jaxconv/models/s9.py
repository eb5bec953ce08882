"""The documented CIFAR-10 network: 193,376 parameters, 105 pixels of receptive field."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxconv.linen.convolutions import (
    Conv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
)
from jaxconv.linen.layers import BatchNorm, Dropout, GlobalAvgPool, ReLU


class Row(NamedTuple):
    """One block of the network: conv -> ReLU -> BatchNorm -> Dropout, 3x3, padding 1, no bias."""

    conv: type[nn.Module]
    features: int
    options: Mapping[str, Any] = MappingProxyType({})
    residual: bool = False


SHRINK = {"stride": 2, "dilation": 2}

ROWS = (  # output h x w
    Row(Conv, 32),  # 32
    # The 1x1 half is padded too: the map grows, and its ring of zeros counts in the statistics.
    Row(DepthwiseSeparableConv, 32, {"pointwise_padding": 1}),  # 34
    Row(DilatedConv, 32, SHRINK),  # 16
    Row(Conv, 40),  # 16
    Row(Conv, 40, residual=True),  # 16
    Row(DilatedConv, 40, SHRINK),  # 7
    Row(Conv, 40),  # 7
    Row(Conv, 40, residual=True),  # 7
    Row(DilatedConv, 40, SHRINK),  # 3
    Row(Conv, 64),  # 3
    Row(Conv, 64, residual=True),  # 3
    Row(Conv, 64),  # 3
)


class Block(nn.Module):
    """[b, h, w, c] -> [b, h', w', row.features]; submodules `conv` and `norm`."""

    row: Row
    dropout_rate: float
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, mask: jax.Array | None) -> jax.Array:
        row = self.row
        y = row.conv(row.features, padding=1, dtype=self.dtype, name="conv", **row.options)(x)
        y = ReLU(name="relu")(y)
        y = BatchNorm(name="norm")(y, train=train, mask=mask)
        y = Dropout(self.dropout_rate, name="dropout")(y, train=train)
        return x + y if row.residual else y


class S9Net(nn.Module):
    """The network of the guide, for 32x32 RGB images; any size from 32x32 up works.

    Blocks `block1` to `block12`, then global average pooling and the 1x1 convolution `head`.

    Attributes:
        num_classes: logits an image.
        dropout_rate: of the Dropout that ends each block.
        dtype: of the convolutions; parameters, statistics and logits are float32.
    """

    num_classes: int = 10
    dropout_rate: float = 0.1
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self, images: jax.Array, *, train: bool, mask: jax.Array | None = None
    ) -> jax.Array:
        """Returns logits [b, num_classes], float32.

        Args:
            images: [b, h, w, 3], normalised, floating point.
            train: batch statistics and dropout (rng "dropout"); else running statistics, none.
            mask: [b], 1 for examples, 0 for padding, which may hold anything: it is not seen.
        """
        if mask is not None:
            images = jnp.where(mask.astype(bool)[:, None, None, None], images, 0)
        x = images.astype(self.dtype)
        for number, row in enumerate(ROWS, start=1):
            block = Block(row, self.dropout_rate, self.dtype, name=f"block{number}")
            x = block(x, train=train, mask=mask)
        x = GlobalAvgPool(name="pool")(x)
        x = PointwiseConv(self.num_classes, dtype=self.dtype, name="head")(x)
        return x[:, 0, 0, :].astype(jnp.float32)
