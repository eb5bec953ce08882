"""The options of ONNX's Conv and ConvTranspose nodes as those of `conv` and `transpose_conv`."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxconv.ops.geometry import Pair, effective_kernel_size

_OF_BOTH = {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"}
_OF_TRANSPOSED = {"output_padding", "output_shape"}


def options_from_onnx(
    attributes: Mapping[str, Any],
    *,
    size: Sequence[int],
    kernel_size: Sequence[int],
    transposed: bool = False,
) -> dict[str, Any]:
    """Keyword arguments for `conv`, or for `transpose_conv`, from the attributes of a node.

    The weight of either node has the axes of PyTorch's: `kernel_from_torch` makes it a kernel.

    Args:
        attributes: those that the node has, by ONNX's names; what is missing has ONNX's default.
        size: of x in space.
        kernel_size: of the weight in space.
        transposed: whether the node is a ConvTranspose.

    Returns:
        stride, padding as one (low, high) per axis, dilation, groups, and for a ConvTranspose
        output_padding. `auto_pad` and `output_shape` become padding.

    Raises:
        ValueError: an attribute that the node does not have in ONNX, a wrong number of values, or
            an auto_pad that ONNX does not have.

    Example:
        >>> options = options_from_onnx({"auto_pad": "SAME_LOWER"}, size=(5,), kernel_size=(4,))
        >>> options["padding"]
        ((2, 1),)

    Source: Conv and ConvTranspose in ONNX's Operators.md. Where a ConvTranspose's output_shape
    asks for more pixels than there are, they come after the last, as in ONNX's node tests.
    """
    known = _OF_BOTH | _OF_TRANSPOSED if transposed else _OF_BOTH
    if unknown := sorted(set(attributes) - known):
        raise ValueError(f"expected attributes among {', '.join(sorted(known))}, got {unknown}")
    axes = len(kernel_size)
    stride = _values(attributes, "strides", axes, 1)
    dilation = _values(attributes, "dilations", axes, 1)
    options = {"stride": stride, "dilation": dilation, "groups": attributes.get("group", 1)}
    mode = attributes.get("auto_pad", "NOTSET")
    mode = mode.decode() if isinstance(mode, bytes) else mode
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, got {mode!r}")
    pads = _values(attributes, "pads", 2 * axes, 0)
    options["padding"] = tuple(zip(pads[:axes], pads[axes:], strict=True))
    if mode == "VALID":
        options["padding"] = ((0, 0),) * axes
    reach = tuple(map(effective_kernel_size, kernel_size, dilation))
    if transposed:
        return options | _output_options(attributes, mode, size, stride, reach)
    if mode.startswith("SAME"):
        axis = zip(size, stride, reach, strict=True)
        totals = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in axis]
        options["padding"] = tuple(_halves(t, more_first=mode == "SAME_LOWER") for t in totals)
    return options


def _output_options(attributes, mode, size, stride, reach):
    """A ConvTranspose's output_padding, and its padding where the size of the output sets it."""
    extra = _values(attributes, "output_padding", len(size), 0)
    if "output_shape" in attributes:
        wanted = _values(attributes, "output_shape", len(size), 0)
    elif mode.startswith("SAME"):
        wanted = tuple(n * s for n, s in zip(size, stride, strict=True))
    else:
        return {"output_padding": extra}
    full = [s * (n - 1) + e + r for s, n, e, r in zip(stride, size, extra, reach, strict=True)]
    totals = [f - w for f, w in zip(full, wanted, strict=True)]
    return {
        "padding": tuple(_halves(max(t, 0), more_first=mode != "SAME_UPPER") for t in totals),
        "output_padding": tuple(e + max(-t, 0) for e, t in zip(extra, totals, strict=True)),
    }


def _halves(total: int, *, more_first: bool) -> Pair:
    less = total // 2
    return (total - less, less) if more_first else (less, total - less)


def _values(attributes, name, count, default):
    values = tuple(attributes.get(name, (default,) * count))
    if len(values) != count:
        raise ValueError(f"{name} must have {count} values here, got {values}")
    return values
