"""Any kernel: XLA's own convolution, and the gradient of its kernel as one more, in pieces.

Each predicate tells for which cases a way is meant; `lowering.py` says which is taken when.
"""

from itertools import product
from math import prod

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.ops.window import Window, definition, dimension_numbers, output_space
from jaxconv.ops.xla.rewrites import Case
from jaxconv.ops.xla.stored import stored
from jaxconv.ops.xla.sums import wide
from jaxconv.ops.xla.types import vary_alike

LEAST_MULTIPLY_ADDS = 2**15  # with fewer, arranging costs more than it saves
PIXELS_A_PIECE = 2048  # of outputs
MOST_READ = 8  # times as many pixels of the input
MOST_TAPS_OF_A_VOLUME = 64
LEAST_RUN = 128  # of pixels, for a slow number of features
MOST_OVERHANG = 0.3  # the largest share of a map worth computing and throwing away


def is_on_cpu(case: Case) -> bool:
    return case.backend == "cpu"


def is_small_on_cpu(case: Case) -> bool:
    outputs = prod(output_space(case.window, case.space, case.taps))
    work = case.x_shape[0] * outputs * prod(case.kernel_shape)
    return is_on_cpu(case) and work < LEAST_MULTIPLY_ADDS


def is_odd_on_cpu(case: Case) -> bool:
    """An odd number of channels, before jax 0.12."""
    channels, features = case.kernel_shape[-2:]
    plain = case.window.groups == 1 and not case.window.is_stretched
    slow = channels % 2 == 1 < channels and 16 < features <= 32
    return is_on_cpu(case) and plain and slow and case.jax_version < (0, 12)


def is_stretched_on_cpu(case: Case) -> bool:
    return is_on_cpu(case) and case.window.is_stretched and set(case.window.stride) == {1}


def is_volume_on_cpu(case: Case) -> bool:
    """Three axes of space; few taps, since each is written out in the program."""
    few = prod(case.taps) <= MOST_TAPS_OF_A_VOLUME
    return is_on_cpu(case) and case.window.axes == 3 and case.window.groups == 1 and few


def is_stretched_volume_on_cpu(case: Case) -> bool:
    """The products of all taps are kept at once: at most eight times the output."""
    fits = prod(case.taps) <= 8 * prod(case.window.input_dilation)
    return is_volume_on_cpu(case) and is_stretched_on_cpu(case) and fits


def is_slow_number(channels: int, features: int, jax_version: tuple[int, ...]) -> bool:
    """Whether YNNPACK, XLA's library for a CPU, convolves to so many features at half its speed.

    It computes 64 or 32 of them at a time, and a remainder less efficiently. Measured on AVX-512.
    """
    in_all = 24 < features < 32 or 48 < features < 64
    return in_all or (32 < features <= 48 and channels < 128 and jax_version >= (0, 12))


def is_slow_on_cpu(case: Case) -> bool:
    """Two axes of space, one group, any padding and dilation: what YNNPACK takes."""
    window, (channels, features) = case.window, case.kernel_shape[-2:]
    plain = window.groups == 1 and window.axes == 2 and not window.is_stretched
    return is_on_cpu(case) and plain and is_slow_number(channels, features, case.jax_version)


def has_eigen(dtype: jnp.dtype) -> bool:
    """Whether XLA has Eigen's convolution for it; of float64 it would take plain loops."""
    return dtype in (jnp.float32, jnp.bfloat16, jnp.float16)


def scattered(x: jax.Array, kernel: jax.Array, window: Window, dtype: jnp.dtype) -> jax.Array:
    """x times each tap, put where the tap reads it: no zero of the stretched image is multiplied.

    Of a window with stride 1 and one group.
    """
    taps, place_of = kernel.shape[:-2], zip(window.padding, window.input_dilation, strict=True)
    sizes, places = output_space(window, x.shape[1:-1], taps), list(place_of)
    total = jnp.zeros((x.shape[0], *sizes, kernel.shape[-1]), wide(x.dtype))
    for tap in product(*map(range, taps)):
        axes = zip(tap, window.dilation, places, x.shape[1:-1], sizes, strict=True)
        config = [(0, 0, 0)]
        for i, d, ((low, _), step), given, size in axes:
            first = low - i * d
            config.append((first, size - first - ((given - 1) * step + 1), step - 1))
        part = lax.dot_general(
            x,
            kernel[tap],
            (((x.ndim - 1,), (0,)), ((), ())),
            preferred_element_type=total.dtype,
        )
        total = total + lax.pad(part, jnp.zeros((), part.dtype), [*config, (0, 0, 0)])
    return total.astype(dtype)


def widened(x: jax.Array, kernel: jax.Array, window: Window, dtype: jnp.dtype) -> jax.Array:
    """With one channel more, of zeros."""
    zero, one_more = jnp.zeros((), x.dtype), (0, 1, 0)
    x = lax.pad(x, zero, [(0, 0, 0)] * (x.ndim - 1) + [one_more])
    kernel = lax.pad(kernel, zero, [(0, 0, 0)] * (kernel.ndim - 2) + [one_more, (0, 0, 0)])
    return definition(x, kernel, window, dtype)


def overhanging(x: jax.Array, kernel: jax.Array, window: Window, dtype: jnp.dtype) -> jax.Array:
    """Asks for rows or columns beyond the end and cuts them off.

    Where the output is larger than the input, XLA uses Eigen, its older library. Where that would
    take too many, the features are padded with zeros instead, to 32 or 64.
    """
    space = x.shape[1:-1]
    sizes = output_space(window, space, kernel.shape[:-2])
    more = [pixels + 1 - size for pixels, size in zip(space, sizes, strict=True)]
    if min(more) <= 0 or not has_eigen(x.dtype):
        return definition(x, kernel, window, dtype)
    axis = min(range(window.axes), key=lambda axis: more[axis] / max(sizes[axis], 1))
    if more[axis] > MOST_OVERHANG * sizes[axis]:
        return definition(x, _with_features(kernel), window, dtype)[..., : kernel.shape[-1]]
    low, high = window.padding[axis]
    padding = list(window.padding)
    padding[axis] = low, high + more[axis] * window.stride[axis]
    longer = definition(x, kernel, window._replace(padding=tuple(padding)), dtype)
    return lax.slice_in_dim(longer, 0, sizes[axis], axis=1 + axis)


def _with_features(array: jax.Array) -> jax.Array:
    """With zeros behind its last axis, up to 32 or 64."""
    features = array.shape[-1]
    more = -features % (32 if features < 32 else 64)
    config = [(0, 0, 0)] * (array.ndim - 1) + [(0, more, 0)]
    return lax.pad(array, jnp.zeros((), array.dtype), config)


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
        return tuple(sum + piece((2 * i + j) * length, length) for j, sum in enumerate(sums))

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
        start, phase = divmod(i * dilation, stride)
        reads.append(places[..., phase, start : start + pixels, :])
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
