"""The slow, obvious judge: NumPy in float64, one pixel and one tap at a time, nothing imported.

Two definitions are written out, the gathering convolution and the scattering transposed one, over
any number of axes of space; the other variants are said in terms of them, as the guide says them.
"""

import numpy as np

BORDERS = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def conv(x, kernel, *, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros", bias=None):
    """Each output pixel gathers: y[o] = sum over taps i of x[o*stride + i*dilation - padding]."""
    x, kernel = _exact(x), _exact(kernel)
    (*taps, c, o), axes = kernel.shape, kernel.ndim - 2
    stride, dilation = each(stride, axes), each(dilation, axes)
    frame = pads(padding, taps, dilation)
    framed = np.pad(x, ((0, 0), *frame, (0, 0)), BORDERS[padding_mode])
    space = map(_gathered, framed.shape[1:-1], taps, stride, dilation)
    y = np.zeros((x.shape[0], *space, o), framed.dtype)
    for pixel in np.ndindex(*y.shape[1:-1]):
        for tap in np.ndindex(*taps):
            place = tuple(
                n * s + i * d for n, s, i, d in zip(pixel, stride, tap, dilation, strict=True)
            )
            for group in range(groups):
                reads = slice(group * c, (group + 1) * c)
                writes = slice(group * (o // groups), (group + 1) * (o // groups))
                read = framed[(slice(None), *place, reads)]
                y[(slice(None), *pixel, writes)] += read @ kernel[(*tap, slice(None), writes)]
    return y if bias is None else y + bias


def transpose_conv(
    x,
    kernel,
    *,
    stride=1,
    padding=0,
    output_padding=0,
    dilation=1,
    groups=1,
    padding_mode="zeros",
    bias=None,
):
    """Each input pixel scatters: y[n*stride + i*dilation - padding] += x[n] * kernel[i]."""
    x, kernel = _exact(x), _exact(kernel)
    (*taps, o, _), axes, c = kernel.shape, kernel.ndim - 2, x.shape[-1]
    stride, dilation, extra = (each(option, axes) for option in (stride, dilation, output_padding))
    full = [
        (n - 1) * s + (k - 1) * d + 1 + e
        for n, k, s, d, e in zip(x.shape[1:-1], taps, stride, dilation, extra, strict=True)
    ]
    y = np.zeros((x.shape[0], *full, o * groups), np.result_type(x, kernel))
    for pixel in np.ndindex(*x.shape[1:-1]):
        for tap in np.ndindex(*taps):
            place = tuple(
                n * s + i * d for n, s, i, d in zip(pixel, stride, tap, dilation, strict=True)
            )
            for group in range(groups):
                reads = slice(group * (c // groups), (group + 1) * (c // groups))
                writes = slice(group * o, (group + 1) * o)
                read = x[(slice(None), *pixel, reads)]
                y[(slice(None), *place, writes)] += read @ kernel[(*tap, slice(None), reads)].T
    for axis, (low, high) in enumerate(pads(padding, taps, dilation), start=1):
        y = _folded(y, axis, low, high, padding_mode)
    return y if bias is None else y + bias


def _folded(y, axis, low, high, mode):
    """Along one axis: the border cropped, or added to the pixels that it would be a copy of."""
    size = y.shape[axis] - low - high
    if mode == "zeros":
        return np.take(y, range(low, low + size), axis)
    inner = np.zeros_like(np.take(y, range(size), axis))
    for place, source in enumerate(np.pad(np.arange(size), (low, high), BORDERS[mode])):
        np.moveaxis(inner, axis, 0)[source] += np.moveaxis(y, axis, 0)[place]
    return inner


def pointwise_conv(x, kernel, **options):
    return conv(x, kernel, **options)


def depthwise_conv(x, kernel, **options):
    return conv(x, kernel, groups=x.shape[-1], **options)


def depthwise_separable_conv(
    x, depthwise_kernel, pointwise_kernel, *, pointwise_padding=0, bias=None, **options
):
    y = depthwise_conv(x, depthwise_kernel, **options)
    return conv(y, pointwise_kernel, padding=pointwise_padding, bias=bias)


def dilated_conv(x, kernel, *, dilation=2, **options):
    return conv(x, kernel, dilation=dilation, **options)


def spatially_separable_conv(x, *kernels, stride=1, padding=0, padding_mode="zeros", bias=None):
    axes = len(kernels)
    taps = [kernel.shape[axis] for axis, kernel in enumerate(kernels)]
    stride, frame = each(stride, axes), pads(padding, taps, [1] * axes)
    for axis, kernel in enumerate(kernels):
        own = [i == axis for i in range(axes)]
        x = conv(
            x,
            kernel,
            stride=[s if mine else 1 for s, mine in zip(stride, own, strict=True)],
            padding=[pair if mine else (0, 0) for pair, mine in zip(frame, own, strict=True)],
            padding_mode=padding_mode,
        )
    return x if bias is None else x + bias


def _exact(array):
    array = np.asarray(array)
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)


def each(option, axes):
    return [option] * axes if isinstance(option, int) else list(option)


def pads(padding, taps, dilation):
    """(low, high) of each axis."""
    if padding == "valid":
        padding = 0
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(taps, dilation, strict=True)]
        return [(total // 2, -(-total // 2)) for total in totals]
    each_axis = each(padding, len(taps))
    return [(pad, pad) if isinstance(pad, int) else tuple(pad) for pad in each_axis]


def _gathered(n, k, stride, dilation):
    """How many times the spread kernel fits: counted, not computed."""
    return len(range(0, n - (dilation * (k - 1) + 1) + 1, stride))
