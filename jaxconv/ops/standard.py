"""The standard convolution: every output channel reads every input channel of its group."""

from jaxtyping import Array, Num

from jaxconv.ops.apply import convolve_with_bias
from jaxconv.ops.arguments import IntOrPair, check_bias, conv_window, operands
from jaxconv.ops.padding import Padding, check_mode, pad_border


def conv(
    x: Num[Array, "*b_space c_in"],
    kernel: Num[Array, "*taps c_in_per_group c_out"],
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    bias: Num[Array, " c_out"] | None = None,
) -> Num[Array, "*b_space_out c_out"]:
    """Convolution of a signal, an image or a volume, with all of PyTorch's options.

    Of an image:

        y[b, h, w, o] = bias[o] + sum over i, j, c of kernel[i, j, c, o]
            * x[b, h*stride + i*dilation - padding, w*stride + j*dilation - padding, c]

    A signal [b, w, c] has one spatial axis, a volume [b, d, h, w, c] three, and the rank of the
    kernel says which. Pixels outside x are zero, unless `padding_mode` says otherwise.
    With `groups` > 1, output channel o reads only the c_in/groups input channels of its own group.
    The kernel is not flipped (deep learning's cross-correlation).

    Args:
        x: [b, *space, c_in], numbers; b may be 0, or left out.
        kernel: [*taps, c_in/groups, c_out], dtype of x.
        stride: pixels from one read to the next, at least 1. Like padding and dilation, an int
            or one int per spatial axis.
        padding: pixels at each border, at least 0; may exceed the kernel. Also one (low, high)
            per axis; "valid" (none); "same": an output of the size of x, the odd pixel at the end,
            for a stride of 1.
        dilation: pixels from tap to tap, at least 1, which leaves no gaps.
        groups: independent channel groups; divides c_in and c_out.
        padding_mode: what the border holds: "zeros"; "reflect", x mirrored at its outermost pixel
            (padding below the size); "replicate", that pixel; "circular", x from its other end
            (padding up to the size).
        bias: [c_out], dtype of x; added before the one rounding, while sums are at least float32.

    Returns:
        [b, *space', c_out] of the dtype of x, accumulated in at least float32, with
        h' = floor((h + 2*padding - dilation*(kh - 1) - 1) / stride) + 1 along each axis.

    Raises:
        ValueError: a wrong rank, dtype or option, channels that disagree, or an output of size 0.

    Cost:
        h' * w' * kh * kw * c_in/groups * c_out multiply-adds per image.

    Example:
        >>> import jax.numpy as jnp
        >>> conv(jnp.ones((1, 5, 5, 3)), jnp.ones((3, 3, 3, 32))).shape
        (1, 3, 3, 32)
        >>> conv(jnp.ones((100, 2)), jnp.ones((5, 2, 8)), padding="same").shape
        (100, 8)

    Source: LeCun et al., "Backpropagation applied to handwritten zip code recognition" (1989).
    Differs from torch.nn.functional.conv1d, conv2d and conv3d in layout (channels last, kernel
    [*taps, in, out]), in taking (low, high) pairs as padding, and in having padding modes, which
    are options of PyTorch's modules.
    """
    x, kernel, bias, batched = operands(x, kernel, bias)
    window = conv_window(
        x, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    check_mode(padding_mode)
    check_bias(bias, x, kernel.shape[-1])
    if padding_mode != "zeros":
        x = pad_border(x, window.padding, padding_mode)
        window = window._replace(padding=((0, 0),) * window.axes)
    y = convolve_with_bias(x, kernel, bias, window)
    return y if batched else y[0]
