"""Values and gradients against stored PyTorch results: the grid of configurations."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
import reference
from torch_results.drawn import draw
from variants import difference

import jaxconv

STORED = np.load(Path(__file__).parent / "torch_results" / "grid.npz")
CASES = json.loads(str(STORED["cases"]))
SHAPES = [tuple(map(int, shape)) for shape in STORED["output_shapes"]]
TOLERANCE = 1e-5  # of the largest value of each array


def expected_arrays():
    """For each case [output, gradient of x, gradient of each kernel], cut from the flat array."""
    values, start, cases = STORED["values"], 0, []
    for case, output_shape in zip(CASES, SHAPES, strict=True):
        arrays = []
        for shape in (output_shape, case["x"], *case["kernels"]):
            stop = start + int(np.prod(shape))
            arrays.append(values[start:stop].reshape(shape))
            start = stop
        cases.append(arrays)
    assert start == values.size
    return cases


EXPECTED = expected_arrays()


def inputs(number):
    case = CASES[number]
    x = draw(f"grid {number} x", case["x"])
    return x, *(draw(f"grid {number} kernel {i}", shape) for i, shape in enumerate(case["kernels"]))


def describe(number):
    case = CASES[number]
    return f"{number}-{case['function']}"


@pytest.mark.parametrize("number", range(len(CASES)), ids=describe)
def test_value_and_gradients_equal_pytorch(number, record_property):
    case = CASES[number]
    function = getattr(jaxconv, case["function"])

    @jax.jit
    def value_and_gradients(arrays, cotangent):
        y, pullback = jax.vjp(lambda *arrays: function(*arrays, **case["options"]), *arrays)
        return y, *pullback(cotangent)

    with jax.default_matmul_precision("highest"):
        given = value_and_gradients(
            inputs(number), draw(f"grid {number} cotangent", SHAPES[number])
        )
    differences = [difference(*both) for both in zip(given, EXPECTED[number], strict=True)]
    assert max(differences) <= TOLERANCE, (case, differences)
    record_property("PyTorch grid: values", 1)
    record_property("PyTorch grid: gradients", len(differences) - 1)


@pytest.mark.parametrize("number", range(len(CASES)), ids=describe)
def test_reference_equals_pytorch(number):
    # The judge is judged: PyTorch and NumPy's loops agree before either is believed.
    case = CASES[number]
    given = getattr(reference, case["function"])(*inputs(number), **case["options"])
    assert difference(given, EXPECTED[number][0]) <= 1e-6


def test_grid_has_every_function_and_at_least_200_cases():
    assert len(CASES) >= 200
    assert {case["function"] for case in CASES} == {
        name for name in jaxconv.__all__ if name.endswith("conv")
    }
