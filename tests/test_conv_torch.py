"""Values and gradients against stored PyTorch results: the grid of configurations."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
import reference
from forced_row import force
from torch_results.drawn import draw
from variants import difference

import jaxconv
from jaxconv.ops.xla import lowering

pytestmark = pytest.mark.usefixtures("no_case_is_small")

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


def value_and_gradients(number):
    """A function of (arrays, cotangent), to be compiled."""
    case = CASES[number]
    function = getattr(jaxconv, case["function"])

    def run(arrays, cotangent):
        y, pullback = jax.vjp(lambda *arrays: function(*arrays, **case["options"]), *arrays)
        return y, *pullback(cotangent)

    return run


def differences(number):
    """Of value and gradients from PyTorch's, each as a share of the largest value."""
    run = jax.jit(value_and_gradients(number))
    with jax.default_matmul_precision("highest"):
        given = run(inputs(number), draw(f"grid {number} cotangent", SHAPES[number]))
    return [difference(*both) for both in zip(given, EXPECTED[number], strict=True)]


@pytest.mark.parametrize("number", range(len(CASES)), ids=describe)
def test_value_and_gradients_equal_pytorch(number, record_property):
    found = differences(number)
    assert max(found) <= TOLERANCE, (CASES[number], found)
    record_property("PyTorch grid: values", 1)
    record_property("PyTorch grid: gradients", len(found) - 1)


OF_OTHER_AXES = ("line", "scattered volume", "volume")  # forced on PyTorch's own samples


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [row.name for row in lowering.LOWERINGS if row.name not in OF_OTHER_AXES]
)
def test_every_lowering_forced_equals_pytorch(name, monkeypatch, record_property):
    taken = force(monkeypatch, name)
    cases = 0
    for number in range(len(CASES)):
        taken.clear()
        cotangent = draw(f"grid {number} cotangent", SHAPES[number])
        jax.jit(value_and_gradients(number)).lower(inputs(number), cotangent)
        if any(taken):
            cases += 1
            assert max(differences(number)) <= TOLERANCE, CASES[number]
    assert cases >= 3
    record_property(f"PyTorch grid, forced {name}: cases", cases)


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
