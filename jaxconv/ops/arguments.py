"""What the convolutions accept: options made canonical once, shapes checked, one-line errors."""

from collections.abc import Sequence
from numbers import Integral

import jax
import jax.numpy as jnp

from jaxconv.ops.geometry import Pair, output_size, pair, transpose_output_size
from jaxconv.ops.window import Window

IntOrPair = int | Sequence[int]


def conv_window(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: IntOrPair,
    padding: IntOrPair,
    dilation: IntOrPair,
    groups: int,
) -> Window:
    """The window of a convolution of x [b, h, w, c] with kernel [kh, kw, c/groups, o].

    Raises:
        ValueError: an option, rank, dtype or channel count does not fit, or no output is left.
    """
    stride, padding, dilation = _options(stride, padding, dilation)
    _check_arrays(x, kernel)
    channels, per_group, features = x.shape[3], kernel.shape[2], kernel.shape[3]
    _check_groups(groups, c_in=channels, c_out=features)
    if per_group * groups != channels:
        raise ValueError(
            f"kernel {kernel.shape} reads {per_group} channels in each of {groups} groups, "
            f"but x {x.shape} has {channels}; expected kernel [kh, kw, c_in/groups, c_out]"
        )
    out = [
        output_size(n, kernel_size=k, stride=s, padding=p, dilation=d)
        for n, k, s, p, d in zip(
            x.shape[1:3], kernel.shape, stride, padding, dilation, strict=False
        )
    ]
    _check_output(out, x, kernel, f"{stride=}, {padding=}, {dilation=}")
    return Window(stride, tuple((p, p) for p in padding), (1, 1), dilation, int(groups))


def transpose_window(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: IntOrPair,
    padding: IntOrPair,
    output_padding: IntOrPair,
    dilation: IntOrPair,
    groups: int,
) -> Window:
    """The window of a transposed convolution of x [b, h, w, c] with kernel [kh, kw, o/groups, c].

    Raises:
        ValueError: as `conv_window`, or `output_padding` is not below stride or dilation.
    """
    stride, padding, dilation = _options(stride, padding, dilation)
    output_padding = pair(output_padding, "output_padding", minimum=0)
    for extra, s, d in zip(output_padding, stride, dilation, strict=True):
        if extra >= max(s, d):
            raise ValueError(
                f"output_padding must be smaller than stride or dilation, "
                f"got {output_padding=} with {stride=} and {dilation=}"
            )
    _check_arrays(x, kernel)
    channels, features = x.shape[3], kernel.shape[2] * groups
    _check_groups(groups, c_in=channels, c_out=features)
    if kernel.shape[3] != channels:
        raise ValueError(
            f"kernel {kernel.shape} reads {kernel.shape[3]} channels, but x {x.shape} has "
            f"{channels}; expected kernel [kh, kw, c_out/groups, c_in]"
        )
    sizes = zip(x.shape[1:3], kernel.shape, stride, padding, output_padding, dilation, strict=False)
    out, pads = [], []
    for n, k, s, p, extra, d in sizes:
        options = {"kernel_size": k, "stride": s, "padding": p, "dilation": d}
        out.append(transpose_output_size(n, output_padding=extra, **options))
        pads.append((d * (k - 1) - p, d * (k - 1) - p + extra))
    _check_output(out, x, kernel, f"{stride=}, {padding=}, {output_padding=}, {dilation=}")
    return Window((1, 1), tuple(pads), stride, dilation, int(groups))


def _options(stride, padding, dilation) -> tuple[Pair, Pair, Pair]:
    return (
        pair(stride, "stride", minimum=1),
        pair(padding, "padding", minimum=0),
        pair(dilation, "dilation", minimum=1),
    )


def _check_arrays(x, kernel):
    if x.ndim != 4:
        raise ValueError(f"x must be [b, h, w, c], got shape {x.shape}")
    if kernel.ndim != 4:
        raise ValueError(f"kernel must have 4 axes, got shape {kernel.shape}")
    if x.dtype != kernel.dtype:
        raise ValueError(
            f"x and kernel must have one dtype, got {x.dtype} and {kernel.dtype}; convert one"
        )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"x and kernel must be floating point, got {x.dtype}; convert them")
    if 0 in x.shape[1:] or 0 in kernel.shape:
        raise ValueError(f"only the batch may be empty, got x {x.shape} and kernel {kernel.shape}")


def _check_groups(groups, *, c_in, c_out):
    if isinstance(groups, bool) or not isinstance(groups, Integral) or groups < 1:
        raise ValueError(f"groups must be an int of at least 1, got {groups!r}")
    if c_in % groups or c_out % groups:
        raise ValueError(
            f"groups must divide the channels, got {groups=} for {c_in} in and {c_out} out"
        )


def _check_output(out, x, kernel, options):
    if min(out) < 1:
        raise ValueError(
            f"the output would be {out[0]}x{out[1]} pixels: x {x.shape} is too small for "
            f"kernel {kernel.shape} with {options}"
        )
