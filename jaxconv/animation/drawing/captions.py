"""The words in the picture of a convolution: title, heads of the columns, sum, size formula."""

from typing import Any

import numpy as np

from jaxconv.animation.cases import Case
from jaxconv.animation.frames import Frame, Stage

TIMES, MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"

_PLAIN = {
    "stride": (1, 1),
    "padding": (0, 0),
    "dilation": (1, 1),
    "output_padding": (0, 0),
    "groups": 1,
}


def settings(case: Case) -> str:
    """Shapes, weights, and every option that differs from a plain convolution's."""
    maps = [case.stages[0].x, *(stage.y for stage in case.stages)]
    weights = " + ".join(str(stage.kernel.size) for stage in case.stages)
    cropped = " (cropped from the output)" if case.stages[0].transposed else ""
    told = [
        f"{name.replace('_', ' ')} {_size(value)}{cropped if name == 'padding' else ''}"
        for name, value in case.options.items()
        if name in _PLAIN and value != _PLAIN[name]
    ]
    shapes = " → ".join(shape(array) for array in maps)
    return "   ·   ".join([shapes, f"{weights} weights", *told])


def heads(case: Case, number: int) -> dict[str, tuple[str, str]]:
    """Name and shape of each column of stage `number`, by the column's name in `Layout`."""
    stage, count = case.stages[number], len(case.stages)
    features = stage.y.shape[2]
    kernels = f"{features} kernels" if features > 1 else "Kernel"
    size = shape(stage.sliding_kernel[..., 0])
    holes = stage.span != stage.kernel.shape[:2]
    spans = f"spans {TIMES.join(map(str, stage.span))}" if holes else ""
    told = {
        "input": ("Input" if number == 0 else f"After step {number}", shape(stage.x)),
        "kernels": (kernels, ", ".join(filter(None, [size, spans]))),
        "products": ("Products", ""),
        "output": ("Output" if number == count - 1 else f"After step {number + 1}", shape(stage.y)),
    }
    if stage.transposed:
        turned = ", ".join(filter(None, ["by 180°", spans]))
        told |= {"stored": (kernels, size), "kernels": ("Turned", turned)}
    return told


def channel_names(case: Case, number: int) -> list[str]:
    """What to call the input channels of stage `number`: RGB where an image has three."""
    channels = case.stages[number].x.shape[2]
    return list("RGB") if is_colour(case, number) else numbers(channels)


def is_colour(case: Case, number: int) -> bool:
    """Whether the input of stage `number` is an image of red, green and blue."""
    return number == 0 and case.stages[0].x.shape[2] == 3


def numbers(channels: int) -> list[str]:
    """1, 2, ...; no name where there is but one."""
    return [str(number) for number in range(1, channels + 1)] if channels > 1 else [""]


def place(frame: Frame, features: int) -> str:
    """Which number of the output is being made, counted from 1, and of what."""
    channel = f", channel {frame.feature + 1}" if features > 1 else ""
    parts = "over the channels" if len(frame.channels) > 1 else "of the products"
    return f"Output in row {frame.row + 1}, column {frame.column + 1}{channel}: the sum {parts}"


def terms(frame: Frame) -> str:
    """The sum on its last way: of the channels, or of the products where one channel is read."""
    values = frame.sums if len(frame.channels) > 1 else frame.products.ravel()
    first, *rest = (int(value) for value in values)
    return signed(first) + "".join(f" {MINUS if value < 0 else '+'} {abs(value)}" for value in rest)


def size_formula(stage: Stage) -> str:
    """The formula of the output's size in words, without what changes nothing here."""
    spread = stage.span != stage.kernel.shape[:2]
    kernel = "span" if spread else "kernel"
    padded = any(stage.padding)
    if stage.transposed:
        crop = f" {MINUS} 2{TIMES}padding" if padded else ""
        more = " + output padding" if any(stage.extra) else ""
        return f"(size {MINUS} 1) {TIMES} stride{crop} + {kernel}{more}"
    return f"⌊(size{f' + 2{TIMES}padding' if padded else ''} {MINUS} {kernel}) / stride⌋ + 1"


def size_in_numbers(stage: Stage) -> list[tuple[str, str, str]]:
    """`size_formula` in numbers: (what it is the size of, terms, result), once if both agree."""
    high, wide = (_axis_size(stage, axis) for axis in (0, 1))
    if high == wide:
        return [("height and width", *high)]
    return [("height", *high), ("width", *wide)]


def _axis_size(stage: Stage, axis: int) -> tuple[str, str]:
    size, made, span = stage.x.shape[axis], stage.y.shape[axis], stage.span[axis]
    stride, padding = stage.stride[axis], stage.padding[axis]
    padded = any(stage.padding)
    if stage.transposed:
        crop = f" {MINUS} 2{TIMES}{padding}" if padded else ""
        more = f" + {stage.extra[axis]}" if any(stage.extra) else ""
        return f"({size} {MINUS} 1) {TIMES} {stride}{crop} + {span}{more}", str(made)
    quotient = f"({size}{f' + 2{TIMES}{padding}' if padded else ''} {MINUS} {span}) / {stride}"
    return f"⌊{quotient}⌋ + 1", str(made)


def signed(value: int) -> str:
    """A whole number with a true minus sign."""
    return f"{value}".replace("-", MINUS)


def shape(array: np.ndarray) -> str:
    """The shape of a map or a kernel: its sizes, with times signs between."""
    return TIMES.join(map(str, array.shape))


def _size(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    return str(value[0]) if value[0] == value[1] else f"{value[0]}{TIMES}{value[1]}"
