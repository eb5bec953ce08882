"""How XLA is asked to compute a convolution: exact rewrites and gradient rules.

`definition` is what a convolution means; everything else here is a faster way to the same numbers.
Each gradient of a convolution is again a convolution, so one function, `convolve`, serves all
three passes, and differentiating twice needs no further rule.
"""

from functools import partial
from math import gcd
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.conv.geometry import Pair, effective_kernel_size

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


class Window(NamedTuple):
    """Where the kernel reads: output pixel o, tap i read input pixel o*stride + i*dilation - low."""

    stride: Pair
    padding: tuple[Pair, Pair]  # ((low, high) of h, (low, high) of w); negative crops
    input_dilation: Pair  # zeros put between input pixels: 1 is none
    dilation: Pair
    groups: int

    def output_size(self, axis: int, size: int, kernel_size: int) -> int:
        low, high = self.padding[axis]
        stretched = (size - 1) * self.input_dilation[axis] + 1 if size else 0
        free = stretched + low + high - effective_kernel_size(kernel_size, self.dilation[axis])
        return max(0, free // self.stride[axis] + 1)


def definition(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """The convolution itself: x [b, h, w, c], kernel [kh, kw, c/groups, o] -> [b, h', w', o]."""
    return lax.conv_general_dilated(
        x,
        kernel,
        window.stride,
        window.padding,
        lhs_dilation=window.input_dilation,
        rhs_dilation=window.dilation,
        dimension_numbers=DIMENSIONS,
        feature_group_count=window.groups,
    )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """`definition`, computed the fastest known exact way."""
    return definition(x, kernel, window)


def _forward(x, kernel, window):
    return convolve(x, kernel, window), (x, kernel)


def _backward(window, residuals, cotangent):
    x, kernel = residuals
    return (
        input_gradient(cotangent, kernel, window, x.shape),
        kernel_gradient(x, cotangent, window, kernel.shape),
    )


convolve.defvjp(_forward, _backward)


def adjoint_kernel(kernel: jax.Array, groups: int) -> jax.Array:
    """[kh, kw, c/groups, o] flipped in space, in and out channels exchanged within each group."""
    kh, kw, c, o = kernel.shape
    split = kernel[::-1, ::-1].reshape(kh, kw, c, groups, o // groups)
    return jnp.transpose(split, (0, 1, 4, 3, 2)).reshape(kh, kw, o // groups, groups * c)


def adjoint_window(window: Window, input_hw: Pair, output_hw: Pair, kernel_hw: Pair) -> Window:
    """The window that spreads output pixels back over the input: stride becomes input dilation."""
    padding = []
    for axis in (0, 1):
        reach = effective_kernel_size(kernel_hw[axis], window.dilation[axis])
        low = reach - 1 - window.padding[axis][0]
        wanted = (input_hw[axis] - 1) * window.input_dilation[axis] + reach
        given = (output_hw[axis] - 1) * window.stride[axis] + 1
        padding.append((low, wanted - low - given))
    return Window(
        window.input_dilation, tuple(padding), window.stride, window.dilation, window.groups
    )


def input_gradient(cotangent, kernel, window, x_shape):
    """Gradient of `convolve` for its input, [b, h, w, c]."""
    back = adjoint_window(window, x_shape[1:3], cotangent.shape[1:3], kernel.shape[:2])
    return convolve(cotangent, adjoint_kernel(kernel, window.groups), back)


def kernel_gradient(x, cotangent, window, kernel_shape):
    """Gradient of `convolve` for its kernel, [kh, kw, c/groups, o]."""
    _, pullback = jax.vjp(
        lambda kernel: definition(x, kernel, window), jnp.zeros(kernel_shape, x.dtype)
    )
    return pullback(cotangent)[0]
