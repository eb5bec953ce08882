"""The transposed convolution: the adjoint of a convolution, which grows the map."""

from collections.abc import Sequence

from jaxtyping import Array, Num

from jaxconv.ops.apply import convolve_with_bias, unrounded, with_bias
from jaxconv.ops.arguments import IntOrPair, check_bias, operands, transpose_window
from jaxconv.ops.padding import Padding, check_mode, fold_border, padding_pairs
from jaxconv.ops.window import adjoint_kernel


def transpose_conv(
    x: Num[Array, "*b_space c_in"],
    kernel: Num[Array, "*taps c_out_per_group c_in"],
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    output_size: Sequence[int] | None = None,
    padding_mode: str = "zeros",
    bias: Num[Array, " c_out"] | None = None,
) -> Num[Array, "*b_space_out c_out"]:
    """Transposed convolution (deconvolution) with PyTorch's options, all of them together.

        y[b, h*stride + i*dilation - padding, w*stride + j*dilation - padding, o] +=
            x[b, h, w, c] * kernel[i, j, o, c]   for every h, w, i, j, c;   y += bias

    Against the standard convolution: each input pixel is spread over the output by the kernel. It
    is the adjoint of `conv` with the very same kernel array and options:
    <conv(u, kernel), x> == <u, transpose_conv(x, kernel)>.

    Args:
        x: [b, *space, c_in], numbers; b may be 0, or left out. One to three spatial axes, by the
            rank of the kernel.
        kernel: [*taps, c_out/groups, c_in], dtype of x.
        stride: output pixels from one spread to the next, at least 1. Like padding,
            output_padding and dilation, an int or one int per spatial axis.
        padding: pixels cropped from each border of the output, at least 0; in every form that
            `conv` takes.
        output_padding: extra pixels at the end of each axis, fewer than the larger of stride and
            dilation. They choose among the input sizes that one strided convolution maps to the
            same output.
        dilation: pixels from tap to tap, at least 1, which leaves no gaps.
        groups: independent channel groups; divides c_in and c_out.
        output_size: the spatial sizes of the output, or its whole shape, instead of output_padding:
            at most stride - 1 larger than without it.
        padding_mode: "zeros" crops; with "reflect", "replicate" and "circular" what is spread into
            the border is added to the pixels that `conv` with that mode reads there. Its limits
            hold for the output: padding below h' for "reflect", up to h' for "circular".
        bias: [c_out], dtype of x.

    Returns:
        [b, *space', c_out] of the dtype of x, accumulated in at least float32, with
        h' = (h - 1)*stride - 2*padding + dilation*(kh - 1) + output_padding + 1.

    Raises:
        ValueError: as `conv`, an output_padding that is not below the larger of stride and
            dilation, or an output_size that these options cannot give.

    Cost:
        h * w * kh * kw * c_in * c_out/groups multiply-adds per image.

    Example:
        >>> import jax.numpy as jnp
        >>> transpose_conv(jnp.ones((1, 3, 3, 1)), jnp.ones((3, 3, 1, 1))).shape
        (1, 5, 5, 1)

    Source: Zeiler et al., "Deconvolutional networks" (2010); the arithmetic of Dumoulin and Visin
    (2016). Differs from torch.nn.functional.conv_transpose1d, 2d and 3d in layout, in having
    padding modes, and in taking "same", "valid" and (low, high) pairs as padding. Differs from
    jax.lax.conv_transpose, whose padding counts from another origin and which has no groups.
    """
    x, kernel, bias, batched = operands(x, kernel, bias)
    window = transpose_window(
        x,
        kernel,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
        output_size=output_size,
    )
    check_mode(padding_mode)
    check_bias(bias, x, kernel.shape[-2] * groups)
    turned = adjoint_kernel(kernel, groups)
    if padding_mode == "zeros":
        y = convolve_with_bias(x, turned, bias, window)
    else:
        pairs = padding_pairs(
            padding,
            taps=kernel.shape[:-2],
            stride=window.input_dilation,
            dilation=window.dilation,
        )
        y = _folded(x, turned, window, pairs, padding_mode)
        y = y.astype(x.dtype) if bias is None else with_bias(y, bias)
    return y if batched else y[0]


def _folded(x, kernel, window, pairs, mode):
    """The adjoint of padding with a border, then convolving: all is spread, the border folded."""
    uncropped = tuple(
        (low + crop_low, high + crop_high)
        for (low, high), (crop_low, crop_high) in zip(window.padding, pairs, strict=True)
    )
    return fold_border(unrounded(x, kernel, window._replace(padding=uncropped)), pairs, mode)
