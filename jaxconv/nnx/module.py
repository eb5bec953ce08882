"""What the Flax NNX convolutions share: options, parameters, and the call of a function."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.dtypes import promote_dtype
from jax.typing import DTypeLike

from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.padding import Padding
from jaxconv.ops.parameters import (
    Initializer,
    kernel_sizes,
    torch_bias_init,
    torch_kernel_init,
)


class HalfOptions(TypedDict, total=False):
    """Options of every module, which both halves of a separable convolution take over.

    use_bias: adds a learned [out_features] to the output, before the one rounding.
    dtype: of the computation; None promotes x and the parameters together.
    param_dtype: of the parameters.
    kernel_init: draws a kernel; `torch_kernel_init` is PyTorch's default, uniform in
        +-1/sqrt(fan_in), fan_in = taps * the last axis but one.
    """

    use_bias: bool
    dtype: DTypeLike | None
    param_dtype: DTypeLike
    kernel_init: Initializer


class Options(HalfOptions, total=False):
    """Options of every module.

    stride: pixels from one read to the next, as in the function of the same name.
    padding: pixels at each border; an int, one int or (low, high) per axis, "same" or "valid".
    padding_mode: what the border holds: "zeros", "reflect", "replicate" or "circular".
    """

    stride: IntOrPair
    padding: Padding
    padding_mode: str


class ConvModule(nnx.Module):
    """A kernel, a bias or None, and the options of the convolution.

    Params: `kernel` [*size, in, out] and, with `use_bias`, `bias` [out].
    """

    def __init__(
        self,
        kernel_size: IntOrPair,
        channels: tuple[int, int],
        out_features: int,
        *,
        rngs: nnx.Rngs,
        stride: IntOrPair = 1,
        padding: Padding = 0,
        padding_mode: str = "zeros",
        use_bias: bool = False,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        kernel_init: Initializer = torch_kernel_init,
    ):
        kernel_shape = (*image_kernel(kernel_size), *channels)
        self.kernel = nnx.Param(kernel_init(rngs.params(), kernel_shape, param_dtype))
        self.bias = nnx.data(None)
        if use_bias:
            bias_init = torch_bias_init(kernel_shape)
            self.bias = nnx.Param(bias_init(rngs.params(), (out_features,), param_dtype))
        self.for_images = isinstance(kernel_size, Integral)
        self.stride = static(stride)
        self.padding = static(padding)
        self.padding_mode = padding_mode
        self.dtype = dtype

    def convolve(
        self, function: Callable[..., jax.Array], x: jax.Array, **options: Any
    ) -> jax.Array:
        """`function` of x and the kernel and bias, with the module's options and these."""
        if self.for_images:
            require_images(x)
        bias = None if self.bias is None else self.bias[...]
        x, kernel, bias = promote_dtype((x, self.kernel[...], bias), dtype=self.dtype)
        return function(
            x,
            kernel,
            stride=self.stride,
            padding=self.padding,
            padding_mode=self.padding_mode,
            bias=bias,
            **options,
        )


def static(option: Any) -> Any:
    """An option with tuples for lists, which NNX would take for parts of the module."""
    return tuple(map(static, option)) if isinstance(option, list | tuple) else option


def require_images(x: jax.Array) -> None:
    """Refuses, by a ValueError, an x that could be a batch of signals or an image alone."""
    if x.ndim != 4:
        raise ValueError(
            f"a layer whose kernel_size is an int takes images [b, h, w, c], got x {x.shape}; for "
            "signals give kernel_size=(3,), for an image without b (3, 3), to PointwiseConv axes"
        )


def image_kernel(kernel_size: IntOrPair) -> tuple[int, ...]:
    """The size of a kernel along each spatial axis; an int stands for two equal ones."""
    return kernel_sizes(kernel_size, axes=2)
