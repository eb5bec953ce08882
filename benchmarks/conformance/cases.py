"""What every library is asked: PyTorch's OpInfo samples and ONNX's node tests, with the answers.

They are those that jaxconv's tests store, in tests/torch_results and tests/onnx_results. Arrays
have PyTorch's axes, options PyTorch's names; ONNX's `auto_pad` and `output_shape` are worked out
into padding first, for every library alike.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

TESTS = Path(__file__).resolve().parents[2] / "tests"
# PyTorch's arguments after input, weight and bias, in their order
_POSITIONAL = {
    False: ("stride", "padding", "dilation", "groups"),
    True: ("stride", "padding", "output_padding", "groups", "dilation"),
}


class Case(NamedTuple):
    """One convolution, and what it is to give."""

    name: str  # conv2d[4], the fourth from zero that PyTorch yields; or ONNX's name
    kind: str  # of numbers for a sample, "ONNX" for a node test
    transposed: bool
    options: dict  # as PyTorch's functions take them, or a padding of one (low, high) an axis
    arrays: list[np.ndarray]  # x, weight and any bias
    output: np.ndarray

    @property
    def axes(self) -> int:
        return self.arrays[1].ndim - 2

    @property
    def batched(self) -> bool:
        return self.arrays[0].ndim == self.axes + 2

    def per_axis(self, name: str, default: int) -> tuple[int, ...]:
        """An option as one int an axis."""
        value = self.options.get(name, default)
        value = (value,) if isinstance(value, int) else tuple(value)
        return value * self.axes if len(value) == 1 else value

    @property
    def reach(self) -> tuple[int, ...]:
        """The pixels from the first tap to the last, an axis."""
        taps = self.arrays[1].shape[2:]
        return tuple(d * (k - 1) for k, d in zip(taps, self.per_axis("dilation", 1), strict=True))

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """The padding as (low, high) an axis: "same" has its odd pixel at the end."""
        padding = self.options.get("padding", 0)
        if padding == "valid":
            return ((0, 0),) * self.axes
        if padding == "same":
            return tuple((r // 2, r - r // 2) for r in self.reach)
        if not isinstance(padding, int) and not isinstance(padding[0], int):
            return tuple(map(tuple, padding))
        return tuple((p, p) for p in self.per_axis("padding", 0))


def samples() -> Iterator[Case]:
    """PyTorch's, in float32, complex64 and int64."""
    sys.path.insert(0, str(TESTS / "torch_results"))
    from drawn import draw  # the numbers are drawn by name, not stored

    def numbers(name, shape, kind):
        real = draw(name, shape, -3, 3) if kind == "int64" else draw(name, shape)
        if kind == "int64":
            return np.floor(real).astype(np.int64)
        if kind == "complex64":
            return (real + 1j * draw(f"{name} imaginary", shape)).astype(np.complex64)
        return real

    with np.load(TESTS / "torch_results" / "opinfo.npz") as stored:
        described, shapes = (json.loads(str(stored[k])) for k in ("cases", "output_shapes"))
        values = stored["values"]
    start, seen = 0, {}
    for number, (given, shape) in enumerate(zip(described, shapes, strict=True)):
        function, kind = given["function"], given["dtype"]
        transposed = "transpose" in function
        named = [(str(i), a) for i, a in enumerate(given["args"])] + list(given["kwargs"].items())
        arrays = {n: a["shape"] for n, a in named if isinstance(a, dict)}
        # those after the arrays, where a bias that is None has its place among the first three
        rest = zip(_POSITIONAL[transposed], given["args"][3:], strict=False)
        options = dict(rest) | {n: a for n, a in given["kwargs"].items() if n not in arrays}
        options = {n: tuple(a) if isinstance(a, list) else a for n, a in options.items()}
        parts = 2 if kind == "complex64" else 1
        stop = start + parts * int(np.prod(shape))
        output = values[start:stop]
        output = output.view(np.complex64) if parts == 2 else output.astype(kind)
        # PyTorch's gradients come after it
        given_back = 0 if kind == "int64" else sum(map(int, map(np.prod, arrays.values())))
        start = stop + parts * given_back
        place = seen[function, kind] = seen.get((function, kind), -1) + 1
        seed = f"opinfo {number}"
        yield Case(
            f"{function}[{place}]",
            kind,
            transposed,
            options,
            [numbers(f"{seed} {n}", s, kind) for n, s in arrays.items()],
            output.reshape(shape),
        )


def node_tests() -> Iterator[Case]:
    """ONNX's, in float32, values alone."""
    from jaxconv.interop.onnx import options_from_onnx

    with np.load(TESTS / "onnx_results" / "node_tests.npz") as stored:
        described, values = json.loads(str(stored["cases"])), stored["values"]
    start = 0
    for given in described:
        arrays = []
        for shape in given["shapes"]:
            stop = start + int(np.prod(shape))
            arrays.append(values[start:stop].reshape(shape))
            start = stop
        *inputs, output = arrays
        x, weight = inputs[:2]
        transposed = given["node"] == "ConvTranspose"
        options = options_from_onnx(
            given["attributes"],
            size=x.shape[2:],
            kernel_size=weight.shape[2:],
            transposed=transposed,
        )
        if all(low == high for low, high in options["padding"]):
            options["padding"] = tuple(low for low, _ in options["padding"])
        yield Case(given["name"], "ONNX", transposed, options, inputs, output)
