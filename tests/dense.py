"""Every variant said a second way: as one dense convolution with an explicit kernel, in float64.

These are the laws of the guide: a separable kernel is a product, a dilated kernel has holes, a
grouped kernel is block diagonal, a transposed convolution is a convolution of a stuffed image.
"""

from functools import reduce

import numpy as np
import reference


def conv(x, kernel, *, groups=1, **options):
    return reference.conv(x, block_diagonal(kernel, groups), **options)


def pointwise_conv(x, kernel, *, stride=1, padding=0, padding_mode="zeros"):
    """A matrix product for each pixel that the stride keeps."""
    axes = kernel.ndim - 2
    steps = [slice(None, None, step) for step in reference.each(stride, axes)]
    frame = reference.pads(padding, [1] * axes, [1] * axes)
    framed = np.pad(x, ((0, 0), *frame, (0, 0)), reference.BORDERS[padding_mode])
    return framed[(slice(None), *steps)] @ kernel.reshape(kernel.shape[-2:])


def depthwise_conv(x, kernel, **options):
    """Output channel i reads input channel i // multiplier: a kernel that is almost all zeros."""
    return reference.conv(x, depthwise_as_dense(kernel, x.shape[-1]), **options)


def depthwise_separable_conv(x, depthwise, pointwise, *, pointwise_padding=0, **options):
    """The product of the two kernels; the padding of the 1x1 half is a ring of zeros."""
    dense = depthwise_as_dense(depthwise, x.shape[-1]) @ pointwise.reshape(pointwise.shape[-2:])
    axes = depthwise.ndim - 2
    ring = reference.pads(pointwise_padding, [1] * axes, [1] * axes)
    return np.pad(reference.conv(x, dense, **options), ((0, 0), *ring, (0, 0)))


def dilated_conv(x, kernel, *, dilation=2, groups=1, **options):
    kernel = block_diagonal(kernel, groups)
    axes = range(kernel.ndim - 2)
    dilated = with_holes(kernel, reference.each(dilation, len(axes)), axes=axes)
    return reference.conv(x, dilated, **options)


def spatially_separable_conv(x, *kernels, **options):
    """The outer product of the kernels, summed over the middle channels."""
    return reference.conv(x, reduce(np.matmul, kernels), **options)


def transpose_conv(
    x, kernel, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1, padding_mode="zeros"
):
    """Zeros between the pixels, a frame of zeros, the flipped kernel; then the crop."""
    axes = range(kernel.ndim - 2)
    rank = len(axes)
    steps = reference.each(dilation, rank)
    frame = reference.pads(padding, kernel.shape[:-2], steps)
    dense = with_holes(block_diagonal(kernel, groups), steps, axes=axes)
    flipped = np.swapaxes(np.flip(dense, axes), -1, -2)
    stuffed = with_holes(x, reference.each(stride, rank), axes=[axis + 1 for axis in axes])
    full = reference.conv(stuffed, flipped, padding=[size - 1 for size in dense.shape[:-2]])
    longer = [(0, extra) for extra in reference.each(output_padding, rank)]
    full = np.pad(full, ((0, 0), *longer, (0, 0)))
    if padding_mode != "zeros":
        return _unpad(full, frame, padding_mode)
    cuts = [
        slice(low, size - high) for (low, high), size in zip(frame, full.shape[1:], strict=False)
    ]
    return full[(slice(None), *cuts)]


def _unpad(full, pads, mode):
    """Times the transpose of the matrix of zeros and ones that pads an axis."""
    for axis, (low, high) in enumerate(pads, start=1):
        size = full.shape[axis] - low - high
        matrix = np.pad(np.eye(size), ((low, high), (0, 0)), reference.BORDERS[mode])
        full = np.moveaxis(np.moveaxis(full, axis, -1) @ matrix, -1, axis)
    return full


def block_diagonal(kernel, groups):
    """[*taps, c/groups, o] -> [*taps, c, o], zero where a group does not read."""
    *taps, c, o = kernel.shape
    dense = np.zeros((*taps, c * groups, o), kernel.dtype)
    for group in range(groups):
        writes = slice(group * (o // groups), (group + 1) * (o // groups))
        dense[..., group * c : (group + 1) * c, writes] = kernel[..., writes]
    return dense


def depthwise_as_dense(kernel, channels):
    """[*taps, 1, c*m] -> [*taps, c, c*m]."""
    dense = np.zeros((*kernel.shape[:-2], channels, kernel.shape[-1]), kernel.dtype)
    multiplier = kernel.shape[-1] // channels
    for feature in range(kernel.shape[-1]):
        dense[..., feature // multiplier, feature] = kernel[..., 0, feature]
    return dense


def with_holes(array, steps, axes):
    """`array` with steps - 1 zeros between neighbours along some axes."""
    shape, places = list(array.shape), [slice(None)] * array.ndim
    for axis, step in zip(axes, steps, strict=True):
        shape[axis] = (array.shape[axis] - 1) * step + 1
        places[axis] = slice(None, None, step)
    stuffed = np.zeros(shape, array.dtype)
    stuffed[tuple(places)] = array
    return stuffed
