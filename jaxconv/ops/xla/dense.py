"""Any kernel: XLA's own convolution, asked for in forms that it computes fast.

Each predicate tells for which cases a way is meant; `lowering.py` says which is taken when.
"""

from itertools import product
from math import prod

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.ops.window import Window, definition, output_space
from jaxconv.ops.xla.rewrites import Case
from jaxconv.ops.xla.sums import wide

LEAST_MULTIPLY_ADDS = 2**15  # with fewer, arranging costs more than it saves
MOST_TAPS_OF_A_VOLUME = 64
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
