"""The standard convolution: every output channel reads every input channel of its group."""

import jax

from jaxconv.ops.arguments import IntOrPair, conv_window
from jaxconv.ops.xla.primitives import convolve


def conv(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> jax.Array:
    """Two-dimensional convolution with PyTorch's stride, padding, dilation and groups.

        y[b, h, w, o] = sum over i, j, c of kernel[i, j, c, o]
            * x[b, h*stride + i*dilation - padding, w*stride + j*dilation - padding, c]

    Pixels outside x are zero. With `groups` > 1, output channel o reads only the c_in/groups input
    channels of its own group. The kernel is not flipped (deep learning's cross-correlation).

    Args:
        x: [b, h, w, c_in], floating point; b may be 0.
        kernel: [kh, kw, c_in/groups, c_out], dtype of x.
        stride: pixels between reads, at least 1; an int or (vertical, horizontal), as all below.
        padding: pixels of zeros at each border, at least 0; may exceed the kernel.
        dilation: pixels between taps, at least 1.
        groups: independent channel groups; divides c_in and c_out.

    Returns:
        [b, h', w', c_out] of the dtype of x, accumulated in at least float32, with
        h' = floor((h + 2*padding - dilation*(kh - 1) - 1) / stride) + 1.

    Raises:
        ValueError: a wrong rank, dtype or option, channels that disagree, or an output of size 0.

    Cost:
        h' * w' * kh * kw * c_in/groups * c_out multiply-adds an image.

    Example:
        >>> import jax.numpy as jnp
        >>> conv(jnp.ones((1, 5, 5, 3)), jnp.ones((3, 3, 3, 32))).shape
        (1, 3, 3, 32)

    Source: LeCun et al., "Backpropagation applied to handwritten zip code recognition" (1989).
    Differs from torch.nn.functional.conv2d in layout only: channels last, kernel [kh, kw, in, out].
    """
    window = conv_window(
        x, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    return convolve(x, kernel, window)
