"""S9Net as a Flax NNX module, from the rows of the Linen one."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxconv.linen import convolutions as linen
from jaxconv.models.rows import Row
from jaxconv.models.s9 import ROWS
from jaxconv.nnx import convolutions as ours
from jaxconv.nnx.layers import BatchNorm, Dropout

OURS = {
    linen.Conv: ours.Conv,
    linen.PointwiseConv: ours.PointwiseConv,
    linen.DepthwiseConv: ours.DepthwiseConv,
    linen.DepthwiseSeparableConv: ours.DepthwiseSeparableConv,
    linen.DilatedConv: ours.DilatedConv,
    linen.SpatiallySeparableConv: ours.SpatiallySeparableConv,
    linen.TransposeConv: ours.TransposeConv,
}


class Block(nnx.Module):
    """[b, h, w, in_features] -> [b, h', w', out_features]; submodules `conv` and `norm`."""

    def __init__(
        self,
        row: Row,
        in_features: int,
        out_features: int,
        *,
        dropout_rate: float,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        options = {"padding": 1, **row.options}
        self.conv = OURS[row.conv](in_features, out_features, dtype=dtype, rngs=rngs, **options)
        self.norm = BatchNorm(out_features, rngs=rngs)
        self.dropout = Dropout(dropout_rate, rngs=rngs)
        self.residual = row.residual

    def __call__(
        self, x: Float[Array, "b h w c"], mask: Shaped[Array, " b"] | None
    ) -> Float[Array, "b h_out w_out c_out"]:
        y = self.conv(x)
        if self.residual and y.shape != x.shape:
            raise ValueError(
                f"a residual block makes {y.shape[1:]} of {x.shape[1:]} [h, w, c]; "
                "keep the shape, or set residual to False"
            )
        y = self.dropout(self.norm(nnx.relu(y), mask=mask))
        return x + y if self.residual else y


class S9Net(nnx.Module):
    """The network of the original guide, for 32x32 RGB images. Other sizes work from 13x13 up.

    The last map has 1x1 pixels for images from 13 to 20, 2x2 to 28, 3x3 to 36; below 13 it would
    have none. Networks with other rows have other limits.

    Its parts have the names of the Linen network's, so that `set_variables` takes the variables of
    one: those that `jaxconv.load_pretrained()` or a run has, or `s9_variables` brings from PyTorch.
    `model.train()` (as made) and `model.eval()` choose batch or running statistics, and dropout.

    Args:
        num_classes: number of classes, and so of logits per image.
        dropout_rate: of the Dropout that ends each block.
        dtype: of the convolutions; parameters, statistics and logits are float32.
        rows: the blocks, as the Linen network takes them.
        width: factor on the channels of every block (rounded, at least one channel).
        rngs: of the initial weights ("params") and of dropout.

    Raises:
        ValueError: no rows, a width that is not above 0, or a convolution that does not fit its
            input; in the call, a residual row that changes the shape.
    """

    def __init__(
        self,
        num_classes: int = 10,
        dropout_rate: float = 0.1,
        dtype: DTypeLike = jnp.float32,
        *,
        rows: Sequence[Row] = ROWS,
        width: float = 1,
        rngs: nnx.Rngs,
    ):
        if not rows or not width > 0:
            raise ValueError(
                f"S9Net needs rows and a width above 0, got {len(rows)} rows and {width=}"
            )
        self.dtype = dtype
        self.blocks = tuple(f"block{number}" for number in range(1, len(rows) + 1))
        c, options = 3, {"dropout_rate": dropout_rate, "dtype": dtype, "rngs": rngs}
        for name, row in zip(self.blocks, rows, strict=True):
            features = max(round(row.features * width), 1)
            setattr(self, name, Block(row, c, features, **options))
            c = features
        self.head = ours.PointwiseConv(c, num_classes, dtype=dtype, rngs=rngs)

    def __call__(
        self, images: Float[Array, "b h w 3"], *, mask: Shaped[Array, " b"] | None = None
    ) -> Float[Array, "b classes"]:
        """Returns logits [b, num_classes], float32.

        Args:
            images: [b, h, w, 3], normalised, floating point.
            mask: [b], 1 for examples, 0 for padding, which may hold anything: it is ignored.
        """
        if mask is not None:
            images = jnp.where(mask.astype(bool)[:, None, None, None], images, 0)
        x = images.astype(self.dtype)
        for name in self.blocks:
            x = getattr(self, name)(x, mask)
        x = jnp.mean(x, axis=(1, 2), keepdims=True, dtype=jnp.float32).astype(self.dtype)
        return self.head(x)[:, 0, 0, :].astype(jnp.float32)
