"""ONNX's own backend tests of Conv and ConvTranspose, their attributes as they stand; refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from variants import difference

from jaxconv import conv, transpose_conv
from jaxconv.interop.onnx import options_from_onnx
from jaxconv.interop.torch import kernel_from_torch

pytestmark = pytest.mark.usefixtures("no_case_is_small")

STORED = np.load(Path(__file__).parent / "onnx_results" / "node_tests.npz")
TOLERANCE = 1e-5  # of the largest value


def stored_tests():
    """(case, its arrays) of each test."""
    values, start = STORED["values"], 0
    for case in json.loads(str(STORED["cases"])):
        arrays = []
        for shape in case["shapes"]:
            stop = start + int(np.prod(shape))
            arrays.append(values[start:stop].reshape(shape))
            start = stop
        yield case, arrays
    assert start == values.size


TESTS = {case["name"]: (case, arrays) for case, arrays in stored_tests()}


def test_all_of_onnx_s_tests_are_stored():
    assert len(TESTS) == 47


@pytest.mark.parametrize("name", TESTS)
def test_node_tests_written_as_they_stand_equal_onnx(name, record_property):
    case, (x, weight, *bias, expected) = TESTS[name]
    transposed = case["node"] == "ConvTranspose"
    options = options_from_onnx(
        case["attributes"],
        size=x.shape[2:],
        kernel_size=weight.shape[2:],
        transposed=transposed,
    )
    function = transpose_conv if transposed else conv
    (given,) = bias or (None,)
    y = function(np.moveaxis(x, 1, -1), kernel_from_torch(weight), bias=given, **options)
    assert difference(np.moveaxis(y, -1, 1), expected) <= TOLERANCE
    record_property("ONNX's tests of Conv and ConvTranspose: values", 1)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize(("size", "taps", "stride"), [(5, 4, 1), (6, 3, 2), (7, 2, 3), (9, 1, 2)])
def test_same_gives_onnx_s_sizes_and_puts_the_odd_pixel_where_it_says(size, taps, stride, upper):
    attributes = {"auto_pad": "SAME_UPPER" if upper else "SAME_LOWER", "strides": [stride]}
    x, kernel = np.ones((1, size, 1), "f4"), np.ones((taps, 1, 1), "f4")
    there = options_from_onnx(attributes, size=(size,), kernel_size=(taps,))
    assert conv(x, kernel, **there).shape[1] == -(-size // stride)
    back = options_from_onnx(attributes, size=(size,), kernel_size=(taps,), transposed=True)
    assert transpose_conv(x, kernel, **back).shape[1] == size * stride
    for options in (there, back):
        ((low, high),) = options["padding"]
        assert low <= high if upper else low >= high
        assert abs(low - high) <= 1


def test_valid_drops_the_pads():
    attributes = {"auto_pad": b"VALID", "pads": [3, 3]}
    for transposed in (False, True):
        options = options_from_onnx(attributes, size=(5,), kernel_size=(3,), transposed=transposed)
        assert options["padding"] == ((0, 0),)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"output_shape": [3, 3]}, "output_shape"),  # which a Conv has not
        ({"auto_pad": "SAME"}, "auto_pad must be .* got 'SAME'"),
        ({"pads": [1, 1]}, r"pads must have 4 values here, got \(1, 1\)"),
        ({"strides": [2]}, "strides must have 2 values"),
    ],
)
def test_what_onnx_does_not_have_is_refused(attributes, message):
    with pytest.raises(ValueError, match=message):
        options_from_onnx(attributes, size=(5, 5), kernel_size=(3, 3))
