"""What a convolution reads, as integers, and its definition in terms of XLA."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.ops.geometry import Pair, effective_kernel_size

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


class Window(NamedTuple):
    """Where a kernel reads: output o, tap i read place o*stride + i*dilation - low of the input.

    With an input dilation D the pixels of x lie at the places 0, D, 2D, ...; zeros elsewhere.
    """

    stride: Pair
    padding: tuple[Pair, Pair]  # ((low, high) of h, (low, high) of w); negative crops
    input_dilation: Pair
    dilation: Pair
    groups: int


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


def output_hw(window: Window, input_hw: Pair, kernel_hw: Pair) -> Pair:
    """Height and width of the output."""
    sizes = []
    for axis in (0, 1):
        extent = (input_hw[axis] - 1) * window.input_dilation[axis] + sum(window.padding[axis])
        free = extent - window.dilation[axis] * (kernel_hw[axis] - 1)
        sizes.append(free // window.stride[axis] + 1)
    return sizes[0], sizes[1]


def adjoint_kernel(kernel: jax.Array, groups: int) -> jax.Array:
    """[kh, kw, c/groups, o] flipped in space, in and out channels exchanged within each group."""
    kh, kw, c, o = kernel.shape
    split = kernel[::-1, ::-1].reshape(kh, kw, c, groups, o // groups)
    return jnp.transpose(split, (0, 1, 4, 3, 2)).reshape(kh, kw, o // groups, groups * c)


def adjoint_window(window: Window, input_hw: Pair, kernel_hw: Pair) -> Window:
    """The window that spreads output pixels back over the input: stride becomes input dilation."""
    padding = []
    for axis, output in enumerate(output_hw(window, input_hw, kernel_hw)):
        reach = effective_kernel_size(kernel_hw[axis], window.dilation[axis])
        low = reach - 1 - window.padding[axis][0]
        wanted = (input_hw[axis] - 1) * window.input_dilation[axis] + reach
        given = (output - 1) * window.stride[axis] + 1
        padding.append((low, wanted - low - given))
    return Window(
        window.input_dilation, tuple(padding), window.stride, window.dilation, window.groups
    )


def crop(x: jax.Array, window: Window) -> tuple[jax.Array, Window]:
    """What is left of x, and the window without negative padding that says the same of it."""
    slices, padding = [], []
    for axis, (low, high) in enumerate(window.padding):
        step, size = window.input_dilation[axis], x.shape[1 + axis]
        start, stop = max(0, -(low // step)), size - max(0, -(high // step))
        slices.append(slice(start, max(start, stop)))
        padding.append((low + start * step, high + (size - stop) * step))
    return x[:, slices[0], slices[1]], window._replace(padding=tuple(padding))
