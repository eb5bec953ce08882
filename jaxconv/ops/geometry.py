"""The integer arithmetic of convolution: sizes, receptive fields and costs. No array library.

Every size is in pixels, along one axis; options are given per axis. The formulas are those of
Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), with PyTorch's
names and meanings.
"""

from collections.abc import Sequence
from math import prod
from operator import index

Pair = tuple[int, int]
LARGEST = 2**31 - 1  # of an option or a size: XLA counts pixels in 32 bits


def per_axis(value: int | Sequence[int], name: str, *, axes: int, minimum: int) -> tuple[int, ...]:
    """Returns `value` as one int per axis; an int, or a sequence of one, stands for all.

    Raises:
        ValueError: `value` is neither an int nor one int per axis, or one is below `minimum` or
            2**31 and more.

    >>> per_axis(2, "stride", axes=3, minimum=1)
    (2, 2, 2)
    """
    try:
        numbers = tuple(map(index, value)) if isinstance(value, Sequence) else (index(value),)
    except TypeError:
        numbers = ()
    if isinstance(value, (str, bool)) or len(numbers) not in (1, axes):
        several = {1: "one", 2: "a pair of ints", 3: "three ints"}[axes]
        raise ValueError(f"{name} must be an int or {several}, got {value!r}")
    if min(numbers) < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    if max(numbers) > LARGEST:
        raise ValueError(f"{name} must be below 2**31, got {value!r}")
    return numbers * axes if len(numbers) == 1 else numbers


def pair(value: int | Sequence[int], name: str, *, minimum: int) -> Pair:
    """`per_axis` of an image: (vertical, horizontal).

    >>> pair(2, "stride", minimum=1)
    (2, 2)
    """
    vertical, horizontal = per_axis(value, name, axes=2, minimum=minimum)
    return vertical, horizontal


def effective_kernel_size(kernel_size: int, dilation: int = 1) -> int:
    """Extent of a kernel whose taps lie `dilation` pixels apart.

    >>> effective_kernel_size(3, dilation=2)
    5
    """
    return dilation * (kernel_size - 1) + 1


def output_size(
    size: int, *, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """Output size of a convolution; 0 or less where the kernel does not fit once.

    >>> output_size(16, kernel_size=3, stride=2, padding=1, dilation=2)
    7
    """
    return (size + 2 * padding - effective_kernel_size(kernel_size, dilation)) // stride + 1


def transpose_output_size(
    size: int,
    *,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> int:
    """Output size of a transposed convolution; 0 or less where the padding crops it all.

    >>> transpose_output_size(3, kernel_size=3)
    5
    >>> transpose_output_size(4, kernel_size=3, stride=2, padding=1, output_padding=1)
    8
    """
    stretched = (size - 1) * stride
    return stretched - 2 * padding + effective_kernel_size(kernel_size, dilation) + output_padding


def receptive_field(field: int, jump: int, *, kernel_size: int, dilation: int = 1) -> int:
    """Receptive field after a layer, from the `field` and the `jump` before it, in image pixels.

    One layer's step of the sum; `jaxconv.models.receptive_field.receptive_field` measures a whole
    network.

    >>> receptive_field(1, 1, kernel_size=3, dilation=2)
    5
    """
    return field + jump * (effective_kernel_size(kernel_size, dilation) - 1)


def multiply_adds(output_shape: Sequence[int], kernel_shape: Sequence[int]) -> int:
    """Multiply-adds of a convolution of one example, including those that multiply padding zeros.

    Args:
        output_shape: [*space, c_out] of the output.
        kernel_shape: [*taps, c_in/groups, c_out].

    >>> multiply_adds((32, 32, 32), (3, 3, 3, 32))
    884736
    """
    return prod(output_shape) * prod(kernel_shape[:-1])


def transpose_multiply_adds(input_shape: Sequence[int], kernel_shape: Sequence[int]) -> int:
    """Multiply-adds of a transposed convolution of one example: each pixel meets each tap.

    Args:
        input_shape: [*space, c_in] of the input.
        kernel_shape: [*taps, c_out/groups, c_in].

    >>> transpose_multiply_adds((3, 3, 1), (3, 3, 1, 1))
    81
    """
    return multiply_adds(input_shape, kernel_shape)
