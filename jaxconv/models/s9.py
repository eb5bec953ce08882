"""The documented CIFAR-10 network: 193,376 parameters, 105 pixels of receptive field."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax.core import FrozenDict
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxconv.linen.convolutions import (
    Conv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
)
from jaxconv.linen.layers import BatchNorm, Dropout, GlobalAvgPool, ReLU
from jaxconv.models.rows import Row, rows_from_json

WIDEST = 64  # times the channels of the guide
SHRINK = FrozenDict(stride=2, dilation=2)

ROWS = (  # output h x w
    Row(Conv, 32),  # 32
    # The 1x1 half is padded too: the map grows, and its ring of zeros counts in the statistics.
    Row(DepthwiseSeparableConv, 32, FrozenDict(pointwise_padding=1)),  # 34
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
    """[b, h, w, c] -> [b, h', w', features]; submodules `conv` and `norm`."""

    row: Row
    dropout_rate: float
    dtype: DTypeLike
    width: float = 1

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool, mask: Shaped[Array, " b"] | None
    ) -> Float[Array, "b h_out w_out c_out"]:
        row = self.row
        features = max(round(row.features * self.width), 1)
        options: dict[str, Any] = {"padding": 1, **row.options}
        y = row.conv(features, dtype=self.dtype, name="conv", **options)(x)
        if row.residual and y.shape != x.shape:
            raise ValueError(
                f"{self.name} ({row.conv.__name__}) is residual, but makes {y.shape[1:]} of "
                f"{x.shape[1:]} [h, w, c]; keep the shape, or set residual to False"
            )
        y = ReLU(name="relu")(y)
        y = BatchNorm(name="norm")(y, train=train, mask=mask)
        y = Dropout(self.dropout_rate, name="dropout")(y, train=train)
        return x + y if row.residual else y


class S9Net(nn.Module):
    """The network of the original guide, for 32x32 RGB images. Other sizes work from 13x13 up.

    The last map has 1x1 pixels for images from 13 to 20, 2x2 to 28, 3x3 to 36; below 13 it would
    have none. Networks with other rows have other limits.

    Blocks `block1` to `block12`, then global average pooling and the 1x1 convolution `head`.

    Attributes:
        num_classes: number of classes, and so of logits per image.
        dropout_rate: of the Dropout that ends each block.
        dtype: of the convolutions; parameters, statistics and logits are float32.
        rows: the blocks, of any convolutions of the package.
        width: factor on the channels of every block (rounded, at least one channel).

    Raises:
        ValueError: a residual row changes the shape, or a convolution does not fit its input.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxconv import DepthwiseSeparableConv
        >>> light = [Row(DepthwiseSeparableConv, 16), Row(DepthwiseSeparableConv, 32)]
        >>> network, images = S9Net(rows=light, width=0.5), jnp.zeros((1, 32, 32, 3))
        >>> variables = network.init(jax.random.key(0), images, train=False)
        >>> network.apply(variables, images, train=False).shape
        (1, 10)
    """

    num_classes: int = 10
    dropout_rate: float = 0.1
    dtype: DTypeLike = jnp.float32
    rows: Sequence[Row] = ROWS
    width: float = 1

    def __post_init__(self) -> None:
        self.rows = tuple(row.frozen() for row in self.rows)
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "b h w 3"],
        *,
        train: bool,
        mask: Shaped[Array, " b"] | None = None,
    ) -> Float[Array, "b classes"]:
        """Returns logits [b, num_classes], float32.

        Args:
            images: [b, h, w, 3], normalised, floating point.
            train: batch statistics and dropout (rng "dropout"); else running statistics, none.
            mask: [b], 1 for examples, 0 for padding, which may hold anything: it is ignored.
        """
        if not self.rows or not self.width > 0:
            raise ValueError(
                f"S9Net needs rows and a width above 0, got {len(self.rows)} rows and {self.width=}"
            )
        if mask is not None:
            images = jnp.where(mask.astype(bool)[:, None, None, None], images, 0)
        x = images.astype(self.dtype)
        for number, row in enumerate(self.rows, start=1):
            block = Block(row, self.dropout_rate, self.dtype, self.width, name=f"block{number}")
            x = block(x, train=train, mask=mask)
        x = GlobalAvgPool(name="pool")(x)
        x = PointwiseConv(self.num_classes, dtype=self.dtype, name="head")(x)
        return x[:, 0, 0, :].astype(jnp.float32)


def s9_from_json(fields: Mapping[str, Any], num_classes: int, **options: Any) -> S9Net:
    """The network that the fields of a config or a card describe.

    Args:
        fields: `rows` as `rows_to_json` gives them (None for those of the guide) and `width`;
            either may be missing.
        options: other attributes of `S9Net`.

    Raises:
        ValueError: a row that is none, or a width that is no number above 0, or above `WIDEST`.
    """
    rows, width = fields.get("rows"), fields.get("width", 1)
    if isinstance(width, bool) or not isinstance(width, int | float) or not 0 < width <= WIDEST:
        raise ValueError(f"width must be a number above 0 and at most {WIDEST}, got {width!r}")
    blocks = ROWS if rows is None else rows_from_json(rows)
    return S9Net(num_classes, rows=blocks, width=width, **options)
