"""The words in the picture of a convolution: title, heads of the columns, sum, legend."""

from typing import Any

import numpy as np

from jaxconv.animation.frames import Frame, Stage
from jaxconv.animation.scenes import Scene
from jaxconv.ops.geometry import effective_kernel_size

TIMES, MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"

_PLAIN = {
    "stride": (1, 1),
    "padding": (0, 0),
    "dilation": (1, 1),
    "output_padding": (0, 0),
    "groups": 1,
}


def settings(scene: Scene) -> str:
    """Shapes, weights, and every option that differs from a plain convolution's."""
    maps = [scene.stages[0].x, *(stage.y for stage in scene.stages)]
    weights = " + ".join(str(stage.kernel.size) for stage in scene.stages)
    told = [
        f"{name.replace('_', ' ')} {_size(value)}"
        for name, value in scene.options.items()
        if name in _PLAIN and value != _PLAIN[name]
    ]
    shapes = " → ".join(shape(array) for array in maps)
    return "   ·   ".join([shapes, f"{weights} weights", *told])


def heads(scene: Scene, number: int) -> tuple[tuple[str, str], ...]:
    """Name and shape of each column of stage `number`: input, kernels, products, output."""
    stage = scene.stages[number]
    features = stage.kernel.shape[3]
    kernels = f"{features} kernels" if features > 1 else "Kernel"
    last = number == len(scene.stages) - 1
    return (
        ("Input" if number == 0 else f"Step {number}", shape(stage.x)),
        (kernels, shape(stage.kernel[..., 0])),
        ("Products", ""),
        ("Output" if last else f"Step {number + 1}", shape(stage.y)),
    )


def channel_names(scene: Scene, number: int) -> list[str]:
    """What to call the input channels of stage `number`: RGB where an image has three."""
    channels = scene.stages[number].x.shape[2]
    return list("RGB") if number == 0 and channels == 3 else numbers(channels)


def numbers(channels: int) -> list[str]:
    """1, 2, ...; no name where there is but one."""
    return [str(number) for number in range(1, channels + 1)] if channels > 1 else [""]


def place(frame: Frame) -> str:
    """Which number of the output is being made, counted from 1."""
    return f"Row {frame.row + 1}, column {frame.column + 1}, channel {frame.feature + 1}:"


def terms(frame: Frame) -> str:
    """The sum on its last way: of the channels, or of the products where one channel is read."""
    values = frame.sums if len(frame.channels) > 1 else frame.products.ravel()
    first, *rest = (int(value) for value in values)
    return signed(first) + "".join(f" {MINUS if value < 0 else '+'} {abs(value)}" for value in rest)


HEIGHT = f"Output height, (rows {MINUS} reach) / step + 1:"


def height_formula(stage: Stage) -> tuple[str, str]:
    """`HEIGHT` in numbers that can be counted in the picture, zeros included: terms and result."""
    window = stage.window
    rows = (len(stage.x) - 1) * window.input_dilation[0] + 1 + sum(window.padding[0])
    reach = effective_kernel_size(len(stage.kernel), window.dilation[0])
    step = window.stride[0]
    quotient = f"({rows} {MINUS} {reach}) / {step}"
    whole = f"⌊{quotient}⌋" if (rows - reach) % step else quotient
    return f"{whole} + 1", str(len(stage.y))


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
