"""The depthwise separable convolution: each channel filtered alone, then a 1x1 mix of them."""

from jaxtyping import Array, Num

from jaxconv.ops.arguments import IntOrPair
from jaxconv.ops.padding import Padding
from jaxconv.ops.pointwise import pointwise_conv
from jaxconv.ops.standard import conv


def depthwise_conv(
    x: Num[Array, "*b_space c_in"],
    kernel: Num[Array, "*taps 1 c_out"],
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
    bias: Num[Array, " c_out"] | None = None,
) -> Num[Array, "*b_space_out c_out"]:
    """Filters every input channel with its own kernels: groups = c_in.

        y[b, h, w, o] = bias[o] + sum over i, j of kernel[i, j, 0, o]
            * x[b, h*stride + i*dilation - padding, w*stride + j*dilation - padding, o // m]

    Against the standard convolution: channels do not mix, and it does 1/c_in of the work.

    Args:
        x: [b, *space, c_in], numbers; b may be 0, or left out.
        kernel: [*taps, 1, c_in*m] for a multiplier m of at least 1, dtype of x.
        stride, padding, dilation, padding_mode: as in `conv`.
        bias: [c_in*m], dtype of x.

    Returns:
        [b, *space', c_in*m] of the dtype of x, sizes as in `conv`.

    Raises:
        ValueError: as `conv`, or a kernel that is not [*taps, 1, c_in*m].

    Cost:
        h' * w' * kh * kw * c_in * m multiply-adds per image.

    Example:
        >>> import jax.numpy as jnp
        >>> depthwise_conv(jnp.ones((1, 5, 5, 3)), jnp.ones((3, 3, 1, 6)), padding=1).shape
        (1, 5, 5, 6)

    Source: Sifre, "Rigid-motion scattering for image classification" (2014).
    Differs from torch.nn.functional.conv1d, conv2d and conv3d with groups=c_in as `conv` does.
    """
    shaped = kernel.ndim >= 3 and x.ndim >= 2 and x.shape[-1] > 0 and kernel.shape[-2] == 1
    if not shaped or kernel.shape[-1] % x.shape[-1]:
        raise ValueError(
            f"a depthwise kernel must be [*taps, 1, c_in*multiplier] for x [b, *space, c_in], "
            f"got kernel {kernel.shape} and x {x.shape}"
        )
    return conv(
        x,
        kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=x.shape[-1],
        padding_mode=padding_mode,
        bias=bias,
    )


def depthwise_separable_conv(
    x: Num[Array, "*b_space c_in"],
    depthwise_kernel: Num[Array, "*taps 1 c_mid"],
    pointwise_kernel: Num[Array, "*ones c_mid c_out"],
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    pointwise_padding: Padding = 0,
    padding_mode: str = "zeros",
    depthwise_bias: Num[Array, " c_mid"] | None = None,
    bias: Num[Array, " c_out"] | None = None,
) -> Num[Array, "*b_space_out c_out"]:
    """`depthwise_conv`, then `pointwise_conv`: a convolution with far fewer parameters.

        y = pointwise_conv(depthwise_conv(x, depthwise_kernel), pointwise_kernel)

    Against the standard convolution: the same receptive field, with kernels that are products
    depthwise[i, j, 0, c] * pointwise[0, 0, c, o], and about 1/(kh * kw) of the parameters.

    Args:
        x: [b, *space, c_in], numbers; b may be 0, or left out.
        depthwise_kernel: [*taps, 1, c_in*m], dtype of x.
        pointwise_kernel: [1, 1, c_in*m, c_out] for an image, dtype of x.
        stride, padding, dilation, padding_mode: of the depthwise half, as in `conv`.
        pointwise_padding: pixels of zeros around the output of the depthwise half.
        depthwise_bias: [c_in*m], of the depthwise half; dtype of x.
        bias: [c_out], of the pointwise half; dtype of x.

    Returns:
        [b, *space', c_out] of the dtype of x, h' as in `conv` plus 2*pointwise_padding.

    Raises:
        ValueError: as the two halves.

    Cost:
        That of the two halves: h' * w' * c_in * m * (kh * kw + c_out) multiply-adds per image
        without pointwise_padding.

    Example:
        >>> import jax.numpy as jnp
        >>> x, deep, point = jnp.ones((1, 5, 5, 3)), jnp.ones((3, 3, 1, 3)), jnp.ones((1, 1, 3, 10))
        >>> depthwise_separable_conv(x, deep, point, padding=1).shape
        (1, 5, 5, 10)

    Source: Howard et al., "MobileNets" (2017); Chollet, "Xception" (2017).
    """
    y = depthwise_conv(
        x,
        depthwise_kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        padding_mode=padding_mode,
        bias=depthwise_bias,
    )
    return pointwise_conv(y, pointwise_kernel, padding=pointwise_padding, bias=bias)
