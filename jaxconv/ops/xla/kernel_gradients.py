"""The gradient of any kernel: as one more convolution, as products, or as JAX derives it."""

from itertools import product
from math import prod

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.ops.window import Window, definition, dimension_numbers
from jaxconv.ops.xla.stored import stored
from jaxconv.ops.xla.sums import wide
from jaxconv.ops.xla.types import vary_alike

PIXELS_A_PIECE = 2048  # of outputs
MOST_READ = 8  # times as many pixels of the input
LEAST_RUN = 128  # of pixels, for a number of features at which YNNPACK is slow


def canonical_kernel_gradient(x, cotangent, window, kernel_shape, least_run=1):
    """A convolution of x with the cotangent, in pieces of the batch that stay in the cache.

    Two are done at once, one for each of two cores. A piece has images enough for `least_run`
    pixels in a run of what is contracted.
    """
    dtype, (batch, *space, _), taps = wide(x.dtype), cotangent.shape, kernel_shape[:-2]
    along = min(reversed(range(len(taps))), key=taps.__getitem__)  # copied for each tap there

    def piece(start, length):
        parts = (lax.dynamic_slice_in_dim(each, start, length) for each in (x, cotangent))
        x_part, part = (jnp.swapaxes(each.astype(dtype), 1 + along, -2) for each in parts)
        last, shape = len(taps) - 1, (*_swapped(taps, along, -1), *kernel_shape[-2:])
        turned = Window._make([*(_swapped(each, along, -1) for each in window[:4]), window.groups])
        return jnp.swapaxes(_kernel_gradient_of(x_part, part, turned, shape), along, last)

    def turn(i, sums):
        return tuple(each + piece((2 * i + j) * length, length) for j, each in enumerate(sums))

    pixels = max(prod(space), prod(x.shape[1:-1]) // MOST_READ)
    length, turns = _pieces(batch, pixels, -(-least_run // max(space[along], 1)))
    zeros, _, _ = vary_alike(jnp.zeros(kernel_shape, dtype), x, cotangent)
    total, done = zeros, 2 * turns * length
    if turns:
        first, second = lax.fori_loop(0, turns, turn, (zeros, zeros))
        total = first + second
    if not isinstance(batch, int) or done < batch:
        total = total + piece(done, batch - done)
    return total.astype(x.dtype)


def _pieces(batch: int, pixels: int, least: int) -> tuple[int, int]:
    """How many images, at least `least`, a piece has, and how often two are done; some are left."""
    if not isinstance(batch, int):
        return 0, 0
    most = max(PIXELS_A_PIECE // max(pixels, 1), 1)
    # A power of two: the images of a piece lie beside each other, in vectors.
    length = max(1 << (most.bit_length() - 1), 1 << (least - 1).bit_length())
    return length, batch // (2 * length)


def _swapped(entries: tuple, i: int, j: int) -> tuple:
    changed = list(entries)
    changed[i], changed[j] = entries[j], entries[i]
    return tuple(changed)


def _kernel_gradient_of(x, cotangent, window, kernel_shape):
    """Convolves x with the cotangent over all axes of space but the last.

    What it contracts are long runs: the pixels of the last axis, of all images, are its channels.
    In place of the last axis stand the channels of x, once for each tap there: a row of outputs is
    long, too. Outputs stand `stride` apart, so that the cotangent is a kernel with that dilation.
    """
    *taps, _, features = kernel_shape
    kernel = jnp.moveaxis(cotangent, 0, -2)  # [*space, b, o]
    *lead, pixels, images, _ = kernel.shape
    gradient = lax.conv_general_dilated(
        _reads_of_taps(x, window, taps[-1], pixels)[None],
        kernel.reshape(*lead, 1, pixels * images, features),
        (*window.dilation[:-1], 1),
        (*window.padding[:-1], (0, 0)),
        lhs_dilation=(*window.input_dilation[:-1], 1),
        rhs_dilation=(*window.stride[:-1], 1),
        dimension_numbers=dimension_numbers(window.axes),
        feature_group_count=window.groups,
    )[0]
    # A stride may leave pixels that no output reads: taps too many.
    return gradient[tuple(map(slice, taps[:-1]))].reshape(kernel_shape)


def _reads_of_taps(x: jax.Array, window: Window, taps: int, pixels: int) -> jax.Array:
    """What each tap of the last axis reads: [*lead, taps * c/groups, groups * pixels * b]."""
    stride, dilation, (low, high) = window.stride[-1], window.dilation[-1], window.padding[-1]
    stretch, groups, (b, *lead, size, channels) = window.input_dilation[-1], window.groups, x.shape
    width = low + (size - 1) * stretch + 1 + high
    config = [(0, 0, 0)] * x.ndim
    config[-2] = low, high + -width % stride, stretch - 1
    padded = lax.pad(x, jnp.zeros((), x.dtype), config)
    # Pixels that are a stride apart become neighbours, so that a tap reads a run of them.
    split = padded.reshape(b, *lead, -1, stride, groups, channels // groups)
    line, phase, group, channel = range(1 + len(lead), split.ndim)
    # Stored: each tap would transpose x anew.
    places = stored(jnp.transpose(split, (*range(1, line), channel, group, phase, line, 0)))
    reads = []
    for i in range(taps):
        start, offset = divmod(i * dilation, stride)
        reads.append(places[..., offset, start : start + pixels, :])
    stacked = jnp.stack(reads, axis=len(lead))
    return stacked.reshape(*lead, taps * channels // groups, groups * pixels * b)


def definition_kernel_gradient(x, cotangent, window, kernel_shape):
    """The gradient that JAX derives from `definition`."""
    # Varying as x does: of a kernel that does not, shard_map would add up the gradients.
    zero, _ = vary_alike(jnp.zeros(kernel_shape, x.dtype), x)
    _, pullback = jax.vjp(lambda kernel: definition(x, kernel, window), zero)
    return pullback(cotangent)[0]


def tap_by_tap_kernel_gradient(x, cotangent, window, kernel_shape):
    """A matrix product over pixels for each tap: of a window without padding or input dilation."""
    *taps, per_group, features = kernel_shape
    groups, (b, *space, _) = window.groups, cotangent.shape
    grouped = cotangent.reshape(b, *space, groups, features // groups)
    pixels, group_axis = tuple(range(window.axes + 1)), (window.axes + 1,)
    products = []
    for place in product(*map(range, taps)):
        part = x
        axes = zip(place, space, window.stride, window.dilation, strict=True)
        for axis, (i, n, s, d) in enumerate(axes, start=1):
            part = lax.slice_in_dim(part, i * d, i * d + (n - 1) * s + 1, s, axis=axis)
        read = part.reshape(b, *space, groups, per_group)
        numbers = (pixels, pixels), (group_axis, group_axis)
        products.append(
            lax.dot_general(read, grouped, numbers, preferred_element_type=wide(x.dtype))
        )
    tapwise = jnp.swapaxes(jnp.stack(products), 1, 2)  # [taps, c/groups, groups, o/groups]
    return tapwise.reshape(kernel_shape).astype(x.dtype)
