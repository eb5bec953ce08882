"""The dilated (atrous) convolution: taps apart, so that the same kernel sees further."""

from jaxtyping import Array, Num

from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.padding import Padding
from jaxconv.ops.standard import conv


def dilated_conv(
    x: Num[Array, "*b_space c_in"],
    kernel: Num[Array, "*taps c_in_per_group c_out"],
    *,
    dilation: IntOrPair = 2,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    groups: int = 1,
    padding_mode: str = "zeros",
    bias: Num[Array, " c_out"] | None = None,
) -> Num[Array, "*b_space_out c_out"]:
    """Atrous convolution: the kernel's taps lie `dilation` pixels apart.

        y[b, h, w, o] = bias[o] + sum over i, j, c of kernel[i, j, c, o]
            * x[b, h*stride + i*dilation - padding, w*stride + j*dilation - padding, c]

    Against the standard convolution: a kernel reaches over dilation*(k - 1) + 1 pixels at the same
    number of parameters and multiply-adds.

    Args:
        x: [b, *space, c_in], numbers; b may be 0, or left out.
        kernel: [*taps, c_in/groups, c_out], dtype of x.
        dilation: pixels from tap to tap, at least 1; an int or one int per axis.
        stride, padding, groups, padding_mode, bias: as in `conv`.

    Returns:
        [b, *space', c_out] of the dtype of x,
        h' = floor((h + 2*padding - dilation*(kh - 1) - 1) / stride) + 1.

    Raises:
        ValueError: as `conv`.

    Cost:
        h' * w' * kh * kw * c_in/groups * c_out multiply-adds per image, whatever the dilation.

    Example:
        >>> import jax.numpy as jnp
        >>> dilated_conv(jnp.ones((1, 7, 7, 3)), jnp.ones((3, 3, 3, 32))).shape
        (1, 3, 3, 32)

    Source: Yu and Koltun, "Multi-scale context aggregation by dilated convolutions" (2016).
    Differs from torch.nn.functional.conv1d, conv2d and conv3d as `conv` does, and in its default
    dilation of 2.
    """
    return conv(
        x,
        kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        padding_mode=padding_mode,
        bias=bias,
    )
