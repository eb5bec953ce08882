"""What a convolution reads, as integers, and its definition in terms of XLA."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxconv.ops.geometry import Pair, effective_kernel_size

Ints = tuple[int, ...]  # one an axis of space


class Window(NamedTuple):
    """Where a kernel reads: output o, tap i read place o*stride + i*dilation - low of the input.

    With an input dilation D the pixels of x lie at the places 0, D, 2D, ...; zeros elsewhere.
    Every field but the last has an entry for each axis of space.
    """

    stride: Ints
    padding: tuple[Pair, ...]  # (low, high) an axis; negative crops
    input_dilation: Ints
    dilation: Ints
    groups: int

    @property
    def axes(self) -> int:
        """How many axes of space there are."""
        return len(self.stride)

    @property
    def is_stretched(self) -> bool:
        """Whether there is an input dilation."""
        return set(self.input_dilation) != {1}


def dimension_numbers(axes: int) -> tuple[str, str, str]:
    """Channels last, for `lax`: ("NHWC", "HWIO", "NHWC") of two axes of space."""
    space = "DHW"[-axes:]
    return f"N{space}C", f"{space}IO", f"N{space}C"


def definition(
    x: jax.Array, kernel: jax.Array, window: Window, dtype: jnp.dtype | None = None
) -> jax.Array:
    """The convolution itself: x [b, *space, c], kernel [*taps, c/groups, o] -> [b, *space', o].

    The result is of `dtype`, or of that of x.
    """
    return lax.conv_general_dilated(
        x,
        kernel,
        window.stride,
        window.padding,
        lhs_dilation=window.input_dilation,
        rhs_dilation=window.dilation,
        dimension_numbers=dimension_numbers(window.axes),
        feature_group_count=window.groups,
        preferred_element_type=dtype,
    )


def output_space(window: Window, input_space: Ints, kernel_space: Ints) -> Ints:
    """The output's sizes in space."""
    sizes = []
    for axis, (size, taps) in enumerate(zip(input_space, kernel_space, strict=True)):
        extent = (size - 1) * window.input_dilation[axis] + sum(window.padding[axis])
        free = extent - window.dilation[axis] * (taps - 1)
        sizes.append(free // window.stride[axis] + 1)
    return tuple(sizes)


def adjoint_kernel(kernel: jax.Array | np.ndarray, groups: int) -> jax.Array:
    """[*taps, c/groups, o] flipped in space, in and out channels exchanged within each group."""
    *taps, c, o = kernel.shape
    axes = range(len(taps))
    split = jnp.flip(kernel, axes).reshape(*taps, c, groups, o // groups)
    exchanged = jnp.swapaxes(split, -3, -1)  # [*taps, o/groups, groups, c]
    return exchanged.reshape(*taps, o // groups, groups * c)


def adjoint_window(window: Window, input_space: Ints, kernel_space: Ints) -> Window:
    """The window that spreads output pixels back over the input: stride becomes input dilation."""
    padding = []
    for axis, output in enumerate(output_space(window, input_space, kernel_space)):
        reach = effective_kernel_size(kernel_space[axis], window.dilation[axis])
        low = reach - 1 - window.padding[axis][0]
        wanted = (input_space[axis] - 1) * window.input_dilation[axis] + reach
        given = (output - 1) * window.stride[axis] + 1
        padding.append((low, wanted - low - given))
    return Window(
        window.input_dilation, tuple(padding), window.stride, window.dilation, window.groups
    )
