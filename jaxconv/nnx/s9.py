"""S9Net as a Flax NNX module, from the rows of the Linen one."""

import jax
import jax.numpy as jnp
from flax import nnx

from jaxconv.linen import convolutions as linen
from jaxconv.models.s9 import ROWS, Row
from jaxconv.nnx.convolutions import Conv, DepthwiseSeparableConv, DilatedConv, PointwiseConv
from jaxconv.nnx.layers import BatchNorm, Dropout

OURS = {
    linen.Conv: Conv,
    linen.DepthwiseSeparableConv: DepthwiseSeparableConv,
    linen.DilatedConv: DilatedConv,
}

BLOCKS = {f"block{number}": row for number, row in enumerate(ROWS, start=1)}


class Block(nnx.Module):
    """[b, h, w, in_features] -> [b, h', w', row.features]; submodules `conv` and `norm`."""

    def __init__(
        self, row: Row, in_features: int, dropout_rate: float, dtype: jnp.dtype, rngs: nnx.Rngs
    ):
        options = {"padding": 1, "dtype": dtype, "rngs": rngs, **row.options}
        self.conv = OURS[row.conv](in_features, row.features, **options)
        self.norm = BatchNorm(row.features, rngs=rngs)
        self.dropout = Dropout(dropout_rate, rngs=rngs)
        self.residual = row.residual

    def __call__(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        y = self.dropout(self.norm(nnx.relu(self.conv(x)), mask=mask))
        return x + y if self.residual else y


class S9Net(nnx.Module):
    """The network of the guide, for 32x32 RGB images; any size from 32x32 up works.

    Its parts have the names of the Linen network's, so that `set_variables` takes the variables of
    one: those that `jaxconv.load_pretrained()` or a run has, or `s9_variables` brings from PyTorch.
    `model.train()` (as made) and `model.eval()` choose batch or running statistics, and dropout.

    Args:
        num_classes: logits an image.
        dropout_rate: of the Dropout that ends each block.
        dtype: of the convolutions; parameters, statistics and logits are float32.
        rngs: of the initial weights ("params") and of dropout.
    """

    def __init__(
        self,
        num_classes: int = 10,
        dropout_rate: float = 0.1,
        dtype: jnp.dtype = jnp.float32,
        *,
        rngs: nnx.Rngs,
    ):
        self.dtype = dtype
        features = 3
        for name, row in BLOCKS.items():
            setattr(self, name, Block(row, features, dropout_rate, dtype, rngs))
            features = row.features
        self.head = PointwiseConv(features, num_classes, dtype=dtype, rngs=rngs)

    def __call__(self, images: jax.Array, *, mask: jax.Array | None = None) -> jax.Array:
        """Returns logits [b, num_classes], float32.

        Args:
            images: [b, h, w, 3], normalised, floating point.
            mask: [b], 1 for examples, 0 for padding, which may hold anything: it is not seen.
        """
        if mask is not None:
            images = jnp.where(mask.astype(bool)[:, None, None, None], images, 0)
        x = images.astype(self.dtype)
        for name in BLOCKS:
            x = getattr(self, name)(x, mask)
        x = jnp.mean(x, axis=(1, 2), keepdims=True, dtype=jnp.float32).astype(self.dtype)
        return self.head(x)[:, 0, 0, :].astype(jnp.float32)
