"""The integer arithmetic of convolution: sizes, receptive fields and costs. No array library.

Every size is in pixels, along one axis; options are given per axis. The formulas are those of
Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), with PyTorch's
names and meanings.
"""

from collections.abc import Sequence
from operator import index

Pair = tuple[int, int]


def pair(value: int | Sequence[int], name: str, *, minimum: int) -> Pair:
    """Returns `value` as (vertical, horizontal); an int stands for both.

    Raises:
        ValueError: `value` is neither an int nor a pair of ints, or one is below `minimum`.

    >>> pair(2, "stride", minimum=1)
    (2, 2)
    """
    try:
        numbers = (
            (index(value),) * 2 if not isinstance(value, Sequence) else tuple(map(index, value))
        )
    except TypeError:
        numbers = ()
    if isinstance(value, (str, bool)) or len(numbers) != 2:
        raise ValueError(f"{name} must be an int or a pair of ints, got {value!r}")
    if min(numbers) < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    return numbers


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
    """Receptive field after a layer, from the `field` and `jump` (input pixels a step) before it.

    >>> receptive_field(1, 1, kernel_size=3, dilation=2)
    5
    """
    return field + jump * (effective_kernel_size(kernel_size, dilation) - 1)


def multiply_adds(output_shape: Sequence[int], kernel_shape: Sequence[int]) -> int:
    """Multiply-adds of a convolution of one image, those with zero padding counted.

    Args:
        output_shape: [h, w, c_out] of the output.
        kernel_shape: [kh, kw, c_in/groups, c_out].

    >>> multiply_adds((32, 32, 32), (3, 3, 3, 32))
    884736
    """
    height, width, features = output_shape
    kernel_height, kernel_width, channels, _ = kernel_shape
    return height * width * features * kernel_height * kernel_width * channels


def transpose_multiply_adds(input_shape: Sequence[int], kernel_shape: Sequence[int]) -> int:
    """Multiply-adds of a transposed convolution of one image: each input pixel meets each tap.

    Args:
        input_shape: [h, w, c_in] of the input.
        kernel_shape: [kh, kw, c_out/groups, c_in].

    >>> transpose_multiply_adds((3, 3, 1), (3, 3, 1, 1))
    81
    """
    return multiply_adds(input_shape, kernel_shape)
