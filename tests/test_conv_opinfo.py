"""PyTorch's own samples of its six convolutions, as they stand: stored results, refusals."""

import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from forced_row import force
from torch_results.drawn import draw
from variants import difference

from jaxconv import conv, transpose_conv
from jaxconv.ops.xla import lowering

pytestmark = pytest.mark.usefixtures("no_case_is_small")

STORED = np.load(Path(__file__).parent / "torch_results" / "opinfo.npz")
CASES = json.loads(str(STORED["cases"]))
SHAPES = json.loads(str(STORED["output_shapes"]))
REFUSED = json.loads(str(STORED["refused"]))
TOLERANCE = 1e-5  # of the largest value of each array
# PyTorch's arguments after input, weight and bias, in their order
POSITIONAL = {
    "conv": ("stride", "padding", "dilation", "groups"),
    "conv_transpose": ("stride", "padding", "output_padding", "groups", "dilation"),
}


def options_of(case):
    """PyTorch's options by name, as jaxconv takes them: with the same names and values."""
    named = {name: value for name, value in case["kwargs"].items() if name != "bias"}
    values = [value for value in case["args"][2:] if value is None or isinstance(value, dict)]
    plain = case["args"][2 + len(values) :] if values else case["args"][3:]
    names = POSITIONAL[case["function"][:-2]]
    return dict(zip(names, plain, strict=False)) | named


def numbers(name, shape, dtype):
    real = draw(name, shape, -3, 3) if dtype == "int64" else draw(name, shape)
    if dtype == "int64":
        return np.floor(real).astype(np.int64)
    return real + 1j * draw(f"{name} imaginary", shape) if dtype == "complex64" else real


def written(case):
    """A function of PyTorch's arrays in PyTorch's layout: jaxconv's, as a porter would call it."""
    axes = int(case["function"][-2])
    function = transpose_conv if "transpose" in case["function"] else conv
    options = options_of(case)

    def run(x, weight, *bias):
        x = jnp.moveaxis(x, -1 - axes, -1)
        kernel = jnp.transpose(weight, (*range(2, 2 + axes), 1, 0))
        (given,) = bias or (None,)
        y = function(x, kernel, bias=given, **options)
        return jnp.moveaxis(y, -1, -1 - axes)

    return run


def arrays_of(case, seed, dtype):
    """The described arrays: input, weight and, if there is one, bias."""
    named = [(str(i), a) for i, a in enumerate(case["args"])] + list(case["kwargs"].items())
    return [numbers(f"{seed} {n}", a["shape"], dtype) for n, a in named if isinstance(a, dict)]


def expected_arrays():
    """For each case [output, gradients of its arrays], cut from the flat array."""
    values, start, found = STORED["values"], 0, []
    for case, output in zip(CASES, SHAPES, strict=True):
        shapes = [output]
        if case["dtype"] != "int64":
            given = [*case["args"], *case["kwargs"].values()]
            shapes += [a["shape"] for a in given if isinstance(a, dict)]
        arrays = []
        for shape in shapes:
            parts = 2 if case["dtype"] == "complex64" else 1
            stop = start + parts * int(np.prod(shape))
            part = values[start:stop]
            arrays.append((part.view(np.complex64) if parts == 2 else part).reshape(shape))
            start = stop
        found.append(arrays)
    assert start == values.size
    return found


EXPECTED = expected_arrays()


def value_and_gradients(case, arrays, cotangent):
    if case["dtype"] == "int64":
        return [written(case)(*arrays)]
    y, pullback = jax.vjp(written(case), *arrays)
    # PyTorch's gradient of a complex number is the conjugate of JAX's.
    return [y, *(g.conj() for g in pullback(cotangent.conj()))]


def inputs(number):
    """The arrays and the cotangent of a case."""
    dtype = CASES[number]["dtype"]
    arrays = arrays_of(CASES[number], f"opinfo {number}", dtype)
    return arrays, numbers(f"opinfo {number} cotangent", SHAPES[number], dtype)


def require_expected(number, found):
    dtype = CASES[number]["dtype"]
    for array, expected in zip(found, EXPECTED[number], strict=True):
        assert array.dtype == dtype
        for part in (np.real, np.imag) if dtype == "complex64" else (np.real,):
            assert difference(part(array), part(expected)) <= TOLERANCE, CASES[number]


@pytest.mark.parametrize("function", sorted({case["function"] for case in CASES}))
@pytest.mark.parametrize("dtype", ["float32", "complex64", "int64"])
def test_samples_written_as_they_stand_equal_pytorch(function, dtype, record_property):
    chosen = [
        number
        for number, case in enumerate(CASES)
        if (case["function"], case["dtype"]) == (function, dtype)
    ]
    assert len(chosen) >= 10

    def run(given):
        pairs = zip(chosen, given, strict=True)
        return [value_and_gradients(CASES[number], *each) for number, each in pairs]

    with jax.enable_x64(dtype == "int64"):
        found = jax.jit(run)([inputs(number) for number in chosen])
    for number, arrays in zip(chosen, found, strict=True):
        require_expected(number, arrays)
    record_property("PyTorch's OpInfo samples: values", len(chosen))
    record_property("PyTorch's OpInfo samples: gradients", sum(len(e) - 1 for e in found))


WITHOUT_SAMPLES = ("pointwise", "lengthened", "widened")  # forced on the grid of configurations


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [row.name for row in lowering.LOWERINGS if row.name not in WITHOUT_SAMPLES]
)
def test_every_lowering_forced_equals_pytorch(name, monkeypatch, record_property):
    taken = force(monkeypatch, name)
    cases = 0
    for number, case in enumerate(CASES):
        if case["dtype"] != "float32":
            continue
        taken.clear()
        given = inputs(number)
        compiled = jax.jit(partial(value_and_gradients, case)).lower(*given)
        if any(taken):
            cases += 1
            require_expected(number, compiled.compile()(*given))
    assert cases >= 3
    record_property(f"PyTorch's OpInfo samples, forced {name}: cases", cases)


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_pytorch_refuses_is_refused(number, record_property):
    case = REFUSED[number]
    given = [a["shape"] for a in [*case["args"], *case["kwargs"].values()] if isinstance(a, dict)]
    with jax.enable_x64(True):
        arrays = [
            jnp.zeros(shape, dtype.removeprefix("torch."))
            for shape, dtype in zip(given, case["dtypes"], strict=True)
        ]
        axes = int(case["function"][-2])
        x = jnp.moveaxis(arrays[0], -1 - axes, -1)
        weight = arrays[1]
        kernel = jnp.transpose(weight, (*range(2, weight.ndim), 1, 0))
        with pytest.raises(ValueError) as error:  # noqa: PT011
            conv(x, kernel, bias=arrays[2], **options_of(case))
    assert "\n" not in str(error.value)
    assert "got" in str(error.value) or "too small" in str(error.value)
    record_property("PyTorch's OpInfo error samples: refused", 1)
