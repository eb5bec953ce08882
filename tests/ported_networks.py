"""The networks of torch_results/ported.py in Flax, as one who ports them would write them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx

import jaxconv.nnx
from jaxconv import BatchNorm, Conv, PointwiseConv, TransposeConv


class DCGAN(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = TransposeConv(16, 4, name="conv0")(x)
        x = nn.relu(BatchNorm(name="norm0")(x, train=train))
        x = TransposeConv(8, 4, stride=2, padding=1, name="conv1")(x)
        x = nn.relu(BatchNorm(name="norm1")(x, train=train))
        return jnp.tanh(TransposeConv(3, 4, stride=2, padding=1, name="conv2")(x))


class BasicBlock(nn.Module):
    features: int
    stride: int

    @nn.compact
    def __call__(self, x, *, train):
        y = Conv(self.features, 3, stride=self.stride, padding=1, name="conv1")(x)
        y = nn.relu(BatchNorm(name="bn1")(y, train=train))
        y = Conv(self.features, 3, padding=1, name="conv2")(y)
        y = BatchNorm(name="bn2")(y, train=train)
        half = (self.features - x.shape[-1]) // 2
        shortcut = x[:, :: self.stride, :: self.stride]
        return nn.relu(y + jnp.pad(shortcut, ((0, 0), (0, 0), (0, 0), (half, half))))


class ResNet20(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = Conv(16, 3, padding=1, name="conv1")(x)
        x = nn.relu(BatchNorm(name="bn1")(x, train=train))
        for stage, features in enumerate((16, 32, 64), start=1):
            for number in range(3):
                stride = 2 if number == 0 and stage > 1 else 1
                x = BasicBlock(features, stride, name=f"stage{stage}_{number}")(x, train=train)
        return nn.Dense(10, name="linear")(x.mean((1, 2)))


class InvertedResidual(nnx.Module):
    def __init__(self, rngs):
        wide = 36
        self.expand = jaxconv.nnx.PointwiseConv(6, wide, rngs=rngs)
        self.expand_norm = jaxconv.nnx.BatchNorm(wide, rngs=rngs)
        self.depthwise = jaxconv.nnx.DepthwiseConv(wide, padding=1, rngs=rngs)
        self.depthwise_norm = jaxconv.nnx.BatchNorm(wide, rngs=rngs)
        self.project = jaxconv.nnx.PointwiseConv(wide, 6, rngs=rngs)
        self.project_norm = jaxconv.nnx.BatchNorm(6, rngs=rngs)

    def __call__(self, x):
        y = jax.nn.relu6(self.expand_norm(self.expand(x)))
        y = jax.nn.relu6(self.depthwise_norm(self.depthwise(y)))
        return x + self.project_norm(self.project(y))


class Twice(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x, *, train):
        x = Conv(self.features, 3, padding=1, use_bias=True, name="0")(x)
        x = nn.relu(BatchNorm(name="1")(x, train=train))
        x = Conv(self.features, 3, padding=1, use_bias=True, name="3")(x)
        return nn.relu(nn.GroupNorm(2, epsilon=1e-5, name="4")(x))


class UNet(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        def up(features, name):
            return TransposeConv(features, 2, stride=2, use_bias=True, name=name)

        first = Twice(6, name="down1")(x, train=train)
        second = Twice(10, name="down2")(nn.max_pool(first, (2, 2), (2, 2)), train=train)
        x = Twice(14, name="bottom")(nn.max_pool(second, (2, 2), (2, 2)), train=train)
        x = jnp.concatenate([second, up(10, "up2")(x)], axis=-1)
        x = Twice(10, name="join2")(x, train=train)
        x = jnp.concatenate([first, up(6, "up1")(x)], axis=-1)
        x = Twice(6, name="join1")(x, train=train)
        return PointwiseConv(3, use_bias=True, name="head")(x)


class Paddings(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        def layer(name, features, size, **options):
            return Conv(features, size, use_bias=True, name=name, **options)

        x = layer("reflect", 6, 5, padding=(2, 3), padding_mode="reflect")(x)
        x = layer("same", 8, (4, 3), padding="same", dilation=(1, 2), groups=2)(jnp.tanh(x))
        circular = {"stride": 2, "padding": (1, 2), "padding_mode": "circular"}
        x = layer("circular", 6, 3, **circular)(jnp.tanh(x))
        replicate = {"padding": 2, "dilation": 2, "padding_mode": "replicate"}
        x = layer("replicate", 4, 3, **replicate)(jnp.tanh(x))
        reflect = {"padding": "same", "padding_mode": "reflect"}
        x = layer("same_reflect", 4, (2, 3), **reflect)(jnp.tanh(x))
        return layer("valid", 5, 2, padding="valid")(jnp.tanh(x))


class Audio(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        def gelu(x):
            return nn.gelu(x, approximate=False)

        x = Conv(12, 9, stride=4, padding=4, use_bias=True, name="encode")(x)
        x = gelu(nn.GroupNorm(3, epsilon=1e-5, name="norm")(x))
        x = x + nn.Embed(5, 12, name="speaker")(jnp.array([4, 0, 3]))[:, None]
        x = jaxconv.DepthwiseConv(None, 5, padding=4, dilation=2, multiplier=2, name="mix")(x)
        x = BatchNorm(name="batch_norm")(x, train=train)
        x = nn.LayerNorm(epsilon=1e-5, name="layer_norm")(x)
        x = gelu(nn.Dense(12, name="feed")(x))
        return TransposeConv(1, 8, stride=4, padding=2, use_bias=True, name="decode")(x)


class Volume(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = Conv(4, 3, padding=1, use_bias=True, name="first")(x)
        x = nn.relu(nn.InstanceNorm(epsilon=1e-5, name="instance_norm")(x))
        narrow = {"stride": (1, 2, 2), "groups": 2, "use_bias": True}
        x = Conv(6, (2, 3, 2), name="narrow", **narrow)(x)
        x = nn.relu(BatchNorm(name="batch_norm")(x, train=train))
        grow = {"stride": 2, "padding": 1, "output_padding": (1, 0, 1), "use_bias": True}
        return TransposeConv(2, 3, name="grow", **grow)(x)


class Ported(NamedTuple):
    x: tuple[int, ...]  # [b, *space, c]
    model: nn.Module
    rename: dict | None = None


NETWORKS = {
    "DCGAN": Ported(
        (3, 1, 1, 12),
        DCGAN(),
        {
            "main.0": "conv0",
            "main.1": "norm0",
            "main.3": "conv1",
            "main.4": "norm1",
            "main.6": "conv2",
        },
    ),
    "ResNet20": Ported(
        (2, 12, 12, 3),
        ResNet20(),
        {f"layer{s}.{n}": f"stage{s}_{n}" for s in (1, 2, 3) for n in range(3)},
    ),
    "UNet": Ported((2, 12, 8, 2), UNet()),
    "Paddings": Ported((2, 9, 10, 3), Paddings()),
    "Audio": Ported((3, 64, 1), Audio()),
    "Volume": Ported((2, 4, 5, 6, 1), Volume()),
}
