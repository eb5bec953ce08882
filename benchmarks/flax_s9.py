"""S9Net as a user of Flax alone writes it: nn.Conv, nn.BatchNorm, nn.Dropout.

The variables have the names and shapes of jaxconv's, so that both take the same.
"""

import jax
from flax import linen as nn

from jaxconv.linen.convolutions import DepthwiseSeparableConv
from jaxconv.models.s9 import ROWS, Row


class Separable(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        c = x.shape[-1]
        options = {"padding": 1, "use_bias": False}
        x = nn.Conv(c, (3, 3), feature_group_count=c, name="depthwise", **options)(x)
        return nn.Conv(self.features, (1, 1), name="pointwise", **options)(x)


class Block(nn.Module):
    row: Row
    dropout_rate: float

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        row = self.row
        if row.conv is DepthwiseSeparableConv:
            y = Separable(row.features, name="conv")(x)
        else:
            y = nn.Conv(
                row.features,
                (3, 3),
                strides=row.options.get("stride", 1),
                kernel_dilation=row.options.get("dilation", 1),
                padding=1,
                use_bias=False,
                name="conv",
            )(x)
        y = nn.relu(y)
        y = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="norm")(y)
        y = nn.Dropout(self.dropout_rate, deterministic=not train)(y)
        return x + y if row.residual else y


class FlaxS9(nn.Module):
    num_classes: int = 10
    dropout_rate: float = 0.1

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        x = images
        for number, row in enumerate(ROWS, start=1):
            x = Block(row, self.dropout_rate, name=f"block{number}")(x, train=train)
        x = x.mean(axis=(1, 2), keepdims=True)
        return nn.Conv(self.num_classes, (1, 1), use_bias=False, name="head")(x)[:, 0, 0, :]
