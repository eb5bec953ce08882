"""What the Flax modules share: common options, PyTorch's initial weights, dtypes, the bias."""

from collections.abc import Sequence
from math import prod

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype

from jaxconv.ops.arguments import IntOrPair

# PyTorch's default: uniform in +-1/sqrt(fan_in), fan_in = kh * kw * (the third axis of the kernel).
torch_kernel_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def torch_bias_init(fan_in: int) -> nn.initializers.Initializer:
    """PyTorch's default for a bias: uniform in +-1/sqrt(fan_in)."""

    def init(key, shape, dtype=jnp.float32):
        bound = fan_in**-0.5
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class ConvModule(nn.Module, kw_only=True):
    """Fields that every convolution module has.

    Attributes:
        stride: pixels between reads, as in the function of the same name.
        padding: pixels of zeros at each border.
        use_bias: adds a learned [features] to the output (of both halves where there are two).
        dtype: of the computation; None promotes x and the parameters together.
        param_dtype: of the parameters.
        kernel_init: PyTorch's default, uniform in +-1/sqrt(fan_in).
    """

    stride: IntOrPair = 1
    padding: IntOrPair = 0
    use_bias: bool = False
    dtype: jnp.dtype | None = None
    param_dtype: jnp.dtype = jnp.float32
    kernel_init: nn.initializers.Initializer = torch_kernel_init

    def parameters(
        self, x: jax.Array, kernel_shape: Sequence[int], features: int
    ) -> tuple[jax.Array, jax.Array, jax.Array | None]:
        """Returns x, the kernel and the bias (or None), all of the dtype to compute in."""
        kernel = self.param("kernel", self.kernel_init, tuple(kernel_shape), self.param_dtype)
        bias = None
        if self.use_bias:
            init = torch_bias_init(prod(kernel_shape[:3]))
            bias = self.param("bias", init, (features,), self.param_dtype)
        return tuple(promote_dtype(x, kernel, bias, dtype=self.dtype))


def add_bias(y: jax.Array, bias: jax.Array | None) -> jax.Array:
    """y [b, h, w, o] plus bias [o], if there is one."""
    return y if bias is None else y + bias[None, None, None, :]
