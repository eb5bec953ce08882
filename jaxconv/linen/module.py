"""What the Flax Linen convolutions share: options, parameters, and the call of a function."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax.typing import DTypeLike

from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.padding import Padding
from jaxconv.ops.parameters import (
    Initializer,
    kernel_sizes,
    torch_bias_init,
    torch_kernel_init,
)


class ConvModule(nn.Module, kw_only=True):
    """Fields that every convolution module has.

    Attributes:
        stride: pixels from one read to the next, as in the function of the same name.
        padding: pixels at each border; an int, one int or (low, high) per axis, "same", "valid".
        padding_mode: what the border holds: "zeros", "reflect", "replicate" or "circular".
        use_bias: adds a learned [features] to the output (of both halves where there are two).
        dtype: of the computation; None promotes x and the parameters together.
        param_dtype: of the parameters.
        kernel_init: draws a kernel; `torch_kernel_init` is PyTorch's default, uniform in
            +-1/sqrt(fan_in), fan_in = taps * the last axis but one.
    """

    stride: IntOrPair = 1
    padding: Padding = 0
    padding_mode: str = "zeros"
    use_bias: bool = False
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32
    kernel_init: Initializer = torch_kernel_init

    def convolve(
        self,
        function: Callable[..., jax.Array],
        x: jax.Array,
        kernel_shape: tuple[int, ...],
        features: int,
        **options: Any,
    ) -> jax.Array:
        """`function` of x and the learned kernel and bias, with the module's options and these."""
        kernel = self.param("kernel", self.kernel_init, kernel_shape, self.param_dtype)
        bias = None
        if self.use_bias:
            bias_init = torch_bias_init(kernel_shape)
            bias = self.param("bias", bias_init, (features,), self.param_dtype)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        return function(
            x,
            kernel,
            stride=self.stride,
            padding=self.padding,
            padding_mode=self.padding_mode,
            bias=bias,
            **options,
        )

    def half_options(self) -> dict[str, Any]:
        """What both halves of a separable convolution take over."""
        return {
            "use_bias": self.use_bias,
            "dtype": self.dtype,
            "param_dtype": self.param_dtype,
            "kernel_init": self.kernel_init,
        }


def sizes_for(kernel_size: IntOrPair, x: jax.Array) -> tuple[int, ...]:
    """The kernel's size along each axis of space; an int follows the axes of x [b, *space, c].

    Only a tuple can tell that x has no batch.
    """
    if not 3 <= x.ndim <= 5 and isinstance(kernel_size, Integral):
        raise ValueError(
            f"x must be [b, *space, c] with one to three axes of space, got shape {x.shape}"
        )
    return kernel_sizes(kernel_size, axes=x.ndim - 2)
