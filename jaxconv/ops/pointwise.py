"""The pointwise (1x1) convolution: mixes channels, one pixel at a time."""

from jaxtyping import Array, Num

from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.padding import Padding
from jaxconv.ops.standard import conv


def pointwise_conv(
    x: Num[Array, "*b_space c_in"],
    kernel: Num[Array, "*ones c_in c_out"],
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    padding_mode: str = "zeros",
    bias: Num[Array, " c_out"] | None = None,
) -> Num[Array, "*b_space_out c_out"]:
    """1x1 convolution: combines the channels of each pixel, to more or fewer of them.

        y[b, h, w, o] = bias[o] + sum over c of kernel[0, 0, c, o]
            * x[b, h*stride - padding, w*stride - padding, c]

    Against the standard convolution: it reads no neighbours, and does 1/(kh * kw) of the work.

    Args:
        x: [b, *space, c_in], numbers; b may be 0, or left out.
        kernel: [1, 1, c_in, c_out] for an image (a 1 for each spatial axis), dtype of x.
        stride: pixels from one read to the next, as in `conv`.
        padding: pixels at each border, as in `conv`. Where they are zeros, the output is 0, or the
            bias.
        padding_mode: as in `conv`.
        bias: [c_out], dtype of x.

    Returns:
        [b, *space', c_out] of the dtype of x, h' = floor((h + 2*padding - 1) / stride) + 1.

    Raises:
        ValueError: as `conv`, or a kernel that is not 1x1.

    Cost:
        h' * w' * c_in * c_out multiply-adds per image.

    Example:
        >>> import jax.numpy as jnp
        >>> pointwise_conv(jnp.ones((1, 28, 28, 192)), jnp.ones((1, 1, 192, 32))).shape
        (1, 28, 28, 32)

    Source: Lin, Chen and Yan, "Network in network" (2013).
    Differs from torch.nn.functional.conv1d, conv2d and conv3d as `conv` does.
    """
    if kernel.ndim < 3 or set(kernel.shape[:-2]) != {1}:
        raise ValueError(
            f"a pointwise kernel must be [1, 1, c_in, c_out], one 1 an axis of space, "
            f"got shape {kernel.shape}"
        )
    return conv(x, kernel, stride=stride, padding=padding, padding_mode=padding_mode, bias=bias)
