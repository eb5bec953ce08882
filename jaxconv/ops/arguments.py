"""What the convolutions accept: options made canonical once, shapes checked, one-line errors."""

from collections.abc import Sequence
from math import prod
from numbers import Integral
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxconv.ops.geometry import (
    LARGEST,
    effective_kernel_size,
    per_axis,
    transpose_output_size,
)
from jaxconv.ops.padding import Padding, padding_pairs
from jaxconv.ops.window import Window, output_space

IntOrPair = int | Sequence[int]  # an int, or one per spatial axis
LETTERS = {1: "[b, w, c]", 2: "[b, h, w, c]", 3: "[b, d, h, w, c]"}


class Operands(NamedTuple):
    """Arrays of JAX, x with a batch."""

    x: jax.Array
    kernel: jax.Array
    bias: jax.Array | None
    batched: bool  # whether x came with its batch; else it has one of 1


def operands(x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> Operands:
    """What a convolution is given, made ready; NumPy's arrays get the dtypes that JAX has.

    The kernel says how many axes of space there are: its rank less two.

    Raises:
        ValueError: the ranks or dtypes do not fit, or are not those of numbers.
    """
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    axes = len(kernel.shape) - 2
    if axes not in LETTERS:
        raise ValueError(
            f"kernel must have 3 to 5 axes, one to three of them of space, got shape {kernel.shape}"
        )
    if x.ndim not in (axes + 1, axes + 2):
        raise ValueError(
            f"x must be {LETTERS[axes]}, with or without b, for a kernel with {axes} axes of "
            f"space, got x {x.shape} and kernel {kernel.shape}"
        )
    if x.dtype != kernel.dtype:
        raise ValueError(
            f"x and kernel must have one dtype, got {x.dtype} and {kernel.dtype}; convert one"
        )
    if not jnp.issubdtype(x.dtype, jnp.number):
        raise ValueError(f"x and kernel must be numbers, got {x.dtype}; convert them")
    batched = x.ndim == axes + 2
    bias = None if bias is None else jnp.asarray(bias)
    return Operands(x if batched else x[None], kernel, bias, batched)


def conv_window(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: IntOrPair,
    padding: Padding,
    dilation: IntOrPair,
    groups: int,
) -> Window:
    """The window of a convolution of x [b, *space, c] with kernel [*taps, c/groups, o].

    Raises:
        ValueError: an option or channel count does not fit, or no output is left.
    """
    axes = kernel.ndim - 2
    stride = per_axis(stride, "stride", axes=axes, minimum=1)
    dilation = per_axis(dilation, "dilation", axes=axes, minimum=1)
    taps, (per_group, features) = kernel.shape[:-2], kernel.shape[-2:]
    pairs = padding_pairs(padding, taps=taps, stride=stride, dilation=dilation)
    channels = x.shape[-1]
    _require_count(groups)
    _check_groups(groups, c_in=channels, c_out=features)
    _check_sizes(x, kernel)
    if per_group * groups != channels:
        raise ValueError(
            f"kernel {kernel.shape} reads {per_group} channels in each of {groups} groups, "
            f"but x {x.shape} has {channels}; expected kernel [*taps, c_in/groups, c_out]"
        )
    window = Window(stride, pairs, (1,) * axes, dilation, int(groups))
    _check_output(window, x, kernel, f"{stride=}, {padding=}, {dilation=}")
    return window


def transpose_window(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: IntOrPair,
    padding: Padding,
    output_padding: IntOrPair,
    dilation: IntOrPair,
    groups: int,
    output_size: Sequence[int] | None = None,
) -> Window:
    """The window of a transposed convolution of x [b, *space, c] with kernel [*taps, o/groups, c].

    Raises:
        ValueError: as `conv_window`, or `output_padding` is not below the larger of stride and
            dilation.
    """
    axes = kernel.ndim - 2
    stride = per_axis(stride, "stride", axes=axes, minimum=1)
    dilation = per_axis(dilation, "dilation", axes=axes, minimum=1)
    taps, (per_group, reads) = kernel.shape[:-2], kernel.shape[-2:]
    pairs = padding_pairs(padding, taps=taps, stride=stride, dilation=dilation)
    output_padding = per_axis(output_padding, "output_padding", axes=axes, minimum=0)
    if output_size is not None:
        output_padding = _padding_for(output_size, output_padding, x, taps, stride, pairs, dilation)
    for extra, s, d in zip(output_padding, stride, dilation, strict=True):
        if extra >= max(s, d):
            raise ValueError(
                f"output_padding must be smaller than stride or dilation, "
                f"got {output_padding=} with {stride=} and {dilation=}"
            )
    channels = x.shape[-1]
    _require_count(groups)
    _check_groups(groups, c_in=channels, c_out=per_group * groups)
    _check_sizes(x, kernel)
    if reads != channels:
        raise ValueError(
            f"kernel {kernel.shape} reads {reads} channels, but x {x.shape} has "
            f"{channels}; expected kernel [*taps, c_out/groups, c_in]"
        )
    pads = []
    for k, d, (low, high), extra in zip(taps, dilation, pairs, output_padding, strict=True):
        reach = d * (k - 1)
        pads.append((reach - low, reach - high + extra))
    window = Window((1,) * axes, tuple(pads), stride, dilation, int(groups))
    _check_output(window, x, kernel, f"{stride=}, {padding=}, {output_padding=}, {dilation=}")
    return window


def _padding_for(output_size, output_padding, x, taps, stride, pairs, dilation):
    """The output_padding that gives `output_size`."""
    wanted = _spatial_sizes(output_size, x)
    if any(output_padding):
        raise ValueError(
            f"give output_size or output_padding, got {output_size=} and {output_padding=}"
        )
    least = [
        transpose_output_size(n, kernel_size=k, stride=s, dilation=d) - sum(pads)
        for n, k, s, d, pads in zip(x.shape[1:-1], taps, stride, dilation, pairs, strict=True)
    ]
    extra = tuple(n - low for n, low in zip(wanted, least, strict=True))
    # What is not an int is the difference of a symbolic size and something else.
    if not all(isinstance(n, int) and 0 <= n < s for n, s in zip(extra, stride, strict=True)):
        most = tuple(n + s - 1 for n, s in zip(least, stride, strict=True))
        raise ValueError(
            f"output_size must lie between {tuple(least)} and {most} for x {x.shape}, "
            f"got {output_size!r}"
        )
    return extra


def _spatial_sizes(output_size, x):
    """[*space], from that or from a whole shape [*space, c] or [b, *space, c]."""
    axes = x.ndim - 2
    if isinstance(output_size, Sequence) and axes < len(output_size) <= axes + 2:
        output_size = output_size[-axes - 1 : -1]
    symbols = {type(size) for size in x.shape} - {int}
    whole = isinstance(output_size, Sequence) and len(output_size) == axes
    if whole and symbols & set(map(type, output_size)):
        return tuple(output_size)
    return per_axis(output_size, "output_size", axes=axes, minimum=1)


def check_bias(bias: jax.Array | None, x: jax.Array, features: int) -> None:
    """Raises ValueError where `bias` is not [features] of the dtype of x."""
    if bias is not None and (bias.shape != (features,) or bias.dtype != x.dtype):
        raise ValueError(
            f"bias must be [c_out] = ({features},) of x's {x.dtype}, "
            f"got shape {bias.shape} of {bias.dtype}"
        )


def _require_count(groups):
    if isinstance(groups, bool) or not isinstance(groups, Integral) or groups < 1:
        raise ValueError(f"groups must be an int of at least 1, got {groups!r}")


def _check_groups(groups, *, c_in, c_out):
    if c_in % groups or c_out % groups:
        raise ValueError(
            f"groups must divide the channels, got {groups=} for {c_in} in and {c_out} out"
        )


def _check_sizes(x, kernel):
    known = [size for size in (*x.shape[1:], *kernel.shape) if isinstance(size, int)]
    if 0 in known:
        raise ValueError(f"only the batch may be empty, got x {x.shape} and kernel {kernel.shape}")


def _check_output(window, x, kernel, options):
    """Refuses an empty output, and sizes that XLA cannot count; a symbolic size is believed."""
    space, taps = x.shape[1:-1], kernel.shape[:-2]
    out = output_space(window, space, taps)
    known = [size for size in out if isinstance(size, int)]
    given = f"x {x.shape} and kernel {kernel.shape} with {options}"
    if min(known, default=1) < 1:
        pixels = "x".join(map(str, out))
        raise ValueError(
            f"the output would be {pixels} pixels: x {x.shape} is too small for "
            f"kernel {kernel.shape} with {options}"
        )
    reaches = [effective_kernel_size(k, d) for k, d in zip(taps, window.dilation, strict=True)]
    wide = [
        (n - 1) * stretch + 1 + max(low, 0) + max(high, 0)
        for n, stretch, (low, high) in zip(
            space, window.input_dilation, window.padding, strict=True
        )
        if isinstance(n, int)
    ]
    elements = prod(known) * kernel.shape[-1] * (x.shape[0] if isinstance(x.shape[0], int) else 1)
    if max(*known, *reaches, *wide, 0) > LARGEST or elements * x.dtype.itemsize >= 2**63:
        raise ValueError(f"sizes must stay below 2**31 pixels an axis and 2**63 bytes, got {given}")
