"""What a layer owns: the shapes of its kernels, and PyTorch's initial values for them."""

from collections.abc import Iterator, Sequence
from math import prod
from numbers import Integral
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxconv.ops.geometry import Pair, per_axis
from jaxconv.ops.padding import Padding, padding_pairs

Initializer = jax.nn.initializers.Initializer

#: PyTorch's default, as an initializer: uniform in +-1/sqrt(fan_in), fan_in = taps * (the last axis
#: but one).
torch_kernel_init = jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def torch_bias_init(kernel_shape: Sequence[int]) -> Initializer:
    """PyTorch's default for the bias beside a kernel: uniform in +-1/sqrt(fan_in).

    Of complex numbers both parts are.
    """
    bound = prod(kernel_shape[:-1]) ** -0.5

    def init(key, shape, dtype=jnp.float32, out_sharding=None):
        if jnp.issubdtype(dtype, jnp.complexfloating):
            of_part = jnp.finfo(dtype).dtype
            return jax.lax.complex(
                *(init(part, shape, of_part, out_sharding) for part in jax.random.split(key))
            )
        return jax.random.uniform(key, shape, dtype, -bound, bound, out_sharding=out_sharding)

    return init


def kernel_sizes(kernel_size: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """The size of a kernel along each axis of space; an int stands for `axes` equal ones.

    Raises:
        ValueError: neither an int nor one to three of them, or one is below 1.

    >>> kernel_sizes(3, axes=2)
    (3, 3)
    >>> kernel_sizes((5,), axes=2)
    (5,)
    """
    sizes = kernel_size if isinstance(kernel_size, Sequence) else (kernel_size,) * axes
    if not 1 <= len(sizes) <= 3 or not all(map(_is_int, sizes)):
        raise ValueError(f"kernel_size must be an int or one to three ints, got {kernel_size!r}")
    if min(sizes) < 1:
        raise ValueError(f"kernel_size must be at least 1, got {kernel_size!r}")
    return tuple(map(int, sizes))


def require_channels(c_in: int, c_out: int, groups: int = 1) -> None:
    """Refuses, by a ValueError, channels that are no channels, or that `groups` does not divide."""
    for name, value in (("input channels", c_in), ("features", c_out), ("groups", groups)):
        if not _is_count(value):
            raise ValueError(f"{name} must be an int of at least 1, got {value!r}")
    if c_in % groups or c_out % groups:
        raise ValueError(
            f"groups must divide the channels, got {groups=} for {c_in} in and {c_out} out"
        )


def depthwise_features(c_in: int, features: int | None, multiplier: int | None) -> int:
    """Output channels of a depthwise convolution: `features`, or `multiplier` (1) for each of c_in.

    Raises:
        ValueError: both are given and disagree, or the features are no multiple of c_in.

    >>> depthwise_features(4, None, 2)
    8
    """
    if multiplier is not None and not _is_count(multiplier):
        raise ValueError(f"multiplier must be an int of at least 1, got {multiplier!r}")
    if features is None:
        features = c_in * (multiplier or 1)
    require_channels(c_in, features)
    if features % c_in or multiplier not in (None, features // c_in):
        raise ValueError(
            f"a depthwise convolution has a multiple of its {c_in} input channels, "
            f"got {features=} and {multiplier=}; give one of them"
        )
    return features


class Factor(NamedTuple):
    """One of the convolutions that a spatially separable one is made of: along one axis."""

    name: str
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | tuple[Pair, ...]


def factors(
    sizes: tuple[int, ...], stride: int | Sequence[int], padding: Padding
) -> Iterator[Factor]:
    """The factors for a kernel of these sizes: of an image a column, then a row.

    >>> [(factor.name, factor.kernel_size) for factor in factors((3, 5), 1, 0)]
    [('column', (3, 1)), ('row', (1, 5))]
    """
    axes = len(sizes)
    steps = per_axis(stride, "stride", axes=axes, minimum=1)
    pairs = padding_pairs(padding, taps=sizes, stride=steps, dilation=(1,) * axes)
    for axis, name in enumerate(("depth", "column", "row")[-axes:]):

        def along(values, elsewhere, axis=axis):
            return tuple(v if i == axis else elsewhere for i, v in enumerate(values))

        low, high = zip(*along(pairs, (0, 0)), strict=True)
        own = low if low == high else tuple(zip(low, high, strict=True))
        yield Factor(name, along(sizes, 1), along(steps, 1), own)


def _is_int(value):
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_count(value):
    return _is_int(value) and value >= 1
