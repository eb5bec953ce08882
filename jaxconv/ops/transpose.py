"""The transposed convolution: the adjoint of a convolution, which grows the map."""

import jax

from jaxconv.ops.arguments import IntOrPair, transpose_window
from jaxconv.ops.window import adjoint_kernel
from jaxconv.ops.xla.primitives import convolve


def transpose_conv(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> jax.Array:
    """Transposed convolution (deconvolution) with PyTorch's options, all of them together.

        y[b, h*stride + i*dilation - padding, w*stride + j*dilation - padding, o] +=
            x[b, h, w, c] * kernel[i, j, o, c]   for every h, w, i, j, c

    Against the standard convolution: each input pixel is spread over the output by the kernel. It
    is the adjoint of `conv` with the very same kernel array and options:
    <conv(u, kernel), x> == <u, transpose_conv(x, kernel)>.

    Args:
        x: [b, h, w, c_in], floating point; b may be 0.
        kernel: [kh, kw, c_out/groups, c_in], dtype of x.
        stride: output pixels between spreads, at least 1; an int or (vertical, horizontal).
        padding: pixels cropped from each border of the output, at least 0.
        output_padding: pixels more at the bottom and right, below max(stride, dilation). They
            choose among the input sizes that one strided convolution maps to the same output.
        dilation: pixels between taps, at least 1.
        groups: independent channel groups; divides c_in and c_out.

    Returns:
        [b, h', w', c_out] of the dtype of x, accumulated in at least float32, with
        h' = (h - 1)*stride - 2*padding + dilation*(kh - 1) + output_padding + 1.

    Raises:
        ValueError: as `conv`, or an output_padding that is not below stride or dilation.

    Cost:
        h * w * kh * kw * c_in * c_out/groups multiply-adds an image.

    Example:
        >>> import jax.numpy as jnp
        >>> transpose_conv(jnp.ones((1, 3, 3, 1)), jnp.ones((3, 3, 1, 1))).shape
        (1, 5, 5, 1)

    Source: Zeiler et al., "Deconvolutional networks" (2010); the arithmetic of Dumoulin and Visin
    (2016). Differs from torch.nn.functional.conv_transpose2d in layout only. Differs from
    jax.lax.conv_transpose, whose padding counts from another origin and which has no groups.
    """
    window = transpose_window(
        x,
        kernel,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
    )
    return convolve(x, adjoint_kernel(kernel, groups), window)
