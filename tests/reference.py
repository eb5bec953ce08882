"""The slow, obvious judge: NumPy in float64, one pixel and one tap at a time, nothing imported.

Two definitions are written out, the gathering convolution and the scattering transposed one; the
other variants are said in terms of them, as the guide says them.
"""

import numpy as np


def conv(x, kernel, *, stride=1, padding=0, dilation=1, groups=1):
    """Each output pixel gathers: y[o] = sum over taps i of x[o*stride + i*dilation - padding]."""
    (sh, sw), (ph, pw), (dh, dw) = _both(stride), _both(padding), _both(dilation)
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    (b, h, w, _), (kh, kw, c, o) = x.shape, kernel.shape
    y = np.zeros((b, _gathered(h, kh, sh, ph, dh), _gathered(w, kw, sw, pw, dw), o))
    for row, column, i, j in np.ndindex(*y.shape[1:3], kh, kw):
        from_row, from_column = row * sh + i * dh - ph, column * sw + j * dw - pw
        if 0 <= from_row < h and 0 <= from_column < w:
            for group in range(groups):
                reads = slice(group * c, (group + 1) * c)
                writes = slice(group * (o // groups), (group + 1) * (o // groups))
                pixel = x[:, from_row, from_column, reads]
                y[:, row, column, writes] += pixel @ kernel[i, j, :, writes]
    return y


def transpose_conv(x, kernel, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Each input pixel scatters: y[n*stride + i*dilation - padding] += x[n] * kernel[i]."""
    (sh, sw), (ph, pw), (dh, dw) = _both(stride), _both(padding), _both(dilation)
    (eh, ew) = _both(output_padding)
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    (b, h, w, c), (kh, kw, o, _) = x.shape, kernel.shape
    y = np.zeros(
        (b, _scattered(h, kh, sh, ph, dh, eh), _scattered(w, kw, sw, pw, dw, ew), o * groups)
    )
    for row, column, i, j in np.ndindex(h, w, kh, kw):
        to_row, to_column = row * sh + i * dh - ph, column * sw + j * dw - pw
        if 0 <= to_row < y.shape[1] and 0 <= to_column < y.shape[2]:
            for group in range(groups):
                reads = slice(group * (c // groups), (group + 1) * (c // groups))
                writes = slice(group * o, (group + 1) * o)
                pixel = x[:, row, column, reads]
                y[:, to_row, to_column, writes] += pixel @ kernel[i, j, :, reads].T
    return y


def pointwise_conv(x, kernel, *, stride=1, padding=0):
    return conv(x, kernel, stride=stride, padding=padding)


def depthwise_conv(x, kernel, **options):
    return conv(x, kernel, groups=x.shape[3], **options)


def depthwise_separable_conv(
    x, depthwise_kernel, pointwise_kernel, *, pointwise_padding=0, **options
):
    y = depthwise_conv(x, depthwise_kernel, **options)
    return conv(y, pointwise_kernel, padding=pointwise_padding)


def dilated_conv(x, kernel, *, dilation=2, **options):
    return conv(x, kernel, dilation=dilation, **options)


def spatially_separable_conv(x, column_kernel, row_kernel, *, stride=1, padding=0):
    (sh, sw), (ph, pw) = _both(stride), _both(padding)
    y = conv(x, column_kernel, stride=(sh, 1), padding=(ph, 0))
    return conv(y, row_kernel, stride=(1, sw), padding=(0, pw))


def _both(option):
    return (option, option) if isinstance(option, int) else option


def _gathered(n, k, stride, padding, dilation):
    """How many times the spread kernel fits: counted, not computed."""
    last_start = n + 2 * padding - (dilation * (k - 1) + 1)
    return len(range(0, last_start + 1, stride))


def _scattered(n, k, stride, padding, dilation, extra):
    """One past the last pixel that is written to, cropped, with the extra ones."""
    return (n - 1) * stride + (k - 1) * dilation + 1 - 2 * padding + extra
