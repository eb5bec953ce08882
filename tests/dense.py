"""Every variant said a second way: as one dense convolution with an explicit kernel, in float64.

These are the laws of the guide: a separable kernel is a product, a dilated kernel has holes, a
grouped kernel is block diagonal, a transposed convolution is a convolution of a stuffed image.
"""

import numpy as np
import reference


def conv(x, kernel, *, groups=1, **options):
    return reference.conv(x, block_diagonal(kernel, groups), **options)


def pointwise_conv(x, kernel, *, stride=1, padding=0):
    """A matrix product for each pixel that the stride keeps."""
    (sh, sw), (ph, pw) = _both(stride), _both(padding)
    framed = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    return np.einsum("bhwc,co->bhwo", framed[:, ::sh, ::sw], kernel[0, 0], dtype=np.float64)


def depthwise_conv(x, kernel, **options):
    """Output channel i reads input channel i // multiplier: a kernel that is almost all zeros."""
    return reference.conv(x, depthwise_as_dense(kernel, x.shape[3]), **options)


def depthwise_separable_conv(x, depthwise, pointwise, *, pointwise_padding=0, **options):
    """The product of the two kernels; the padding of the 1x1 half is a ring of zeros."""
    dense = np.einsum("ijcm,mo->ijco", depthwise_as_dense(depthwise, x.shape[3]), pointwise[0, 0])
    ring_h, ring_w = _both(pointwise_padding)
    ring = ((0, 0), (ring_h, ring_h), (ring_w, ring_w), (0, 0))
    return np.pad(reference.conv(x, dense, **options), ring)


def dilated_conv(x, kernel, *, dilation=2, **options):
    return reference.conv(x, with_holes(kernel, _both(dilation), axes=(0, 1)), **options)


def spatially_separable_conv(x, column, row, **options):
    """The outer product of column and row, summed over the middle channels."""
    return reference.conv(x, np.einsum("icm,jmo->ijco", column[:, 0], row[0]), **options)


def transpose_conv(x, kernel, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Zeros between the pixels, a frame of zeros, the flipped kernel; then the crop."""
    dense = with_holes(block_diagonal(kernel, groups), _both(dilation), axes=(0, 1))
    flipped = dense[::-1, ::-1].transpose(0, 1, 3, 2)
    stuffed = with_holes(x, _both(stride), axes=(1, 2))
    full = reference.conv(stuffed, flipped, padding=(dense.shape[0] - 1, dense.shape[1] - 1))
    (ph, pw), (eh, ew) = _both(padding), _both(output_padding)
    longer = np.pad(full, ((0, 0), (0, eh), (0, ew), (0, 0)))
    return longer[:, ph : longer.shape[1] - ph, pw : longer.shape[2] - pw]


def block_diagonal(kernel, groups):
    """[kh, kw, c/groups, o] -> [kh, kw, c, o], zero where a group does not read."""
    kh, kw, c, o = kernel.shape
    dense = np.zeros((kh, kw, c * groups, o), kernel.dtype)
    for group in range(groups):
        writes = slice(group * (o // groups), (group + 1) * (o // groups))
        dense[:, :, group * c : (group + 1) * c, writes] = kernel[..., writes]
    return dense


def depthwise_as_dense(kernel, channels):
    """[kh, kw, 1, c*m] -> [kh, kw, c, c*m]."""
    dense = np.zeros((*kernel.shape[:2], channels, kernel.shape[3]), kernel.dtype)
    multiplier = kernel.shape[3] // channels
    for feature in range(kernel.shape[3]):
        dense[:, :, feature // multiplier, feature] = kernel[:, :, 0, feature]
    return dense


def with_holes(array, steps, axes):
    """`array` with steps - 1 zeros between neighbours along two axes."""
    shape, places = list(array.shape), [slice(None)] * array.ndim
    for axis, step in zip(axes, steps, strict=True):
        shape[axis] = (array.shape[axis] - 1) * step + 1
        places[axis] = slice(None, None, step)
    stuffed = np.zeros(shape, array.dtype)
    stuffed[tuple(places)] = array
    return stuffed


def _both(option):
    return (option, option) if isinstance(option, int) else option
