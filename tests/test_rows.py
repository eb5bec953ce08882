"""Rows as fields of a network and as JSON: the same table both ways, mistakes in a line."""

import json

import jax
import numpy as np
import pytest

from jaxconv import Conv, DepthwiseConv, DilatedConv, S9Net, SpatiallySeparableConv, TransposeConv
from jaxconv.linen.layers import ReLU
from jaxconv.models.rows import CONVOLUTIONS, Row, rows_from_json, rows_to_json
from jaxconv.models.s9 import ROWS

OPTIONS = {  # of every convolution, one that it alone has or takes
    "Conv": {"groups": 3},
    "DepthwiseConv": {"stride": [2, 1]},
    "DepthwiseSeparableConv": {"pointwise_padding": 1},
    "DilatedConv": {"dilation": 3},
    "PointwiseConv": {"padding": 0},
    "SpatiallySeparableConv": {"mid_features": None},
    "TransposeConv": {"output_padding": 1, "stride": 2},
}


def shapes(model, size=32):
    images = jax.ShapeDtypeStruct((1, size, size, 3), np.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)


def test_default_fields_are_the_network_as_it_was():
    assert S9Net(10, 0.1, np.float32) == S9Net(rows=list(ROWS), width=1)
    assert hash(S9Net()) == hash(S9Net(rows=list(ROWS)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes(S9Net())["params"])) == 193_376
    plain = Row(Conv, 4, {"groups": 1})
    assert hash(S9Net(rows=[plain])) == hash(S9Net(rows=[plain.frozen()]))


def test_width_scales_every_block_and_no_class():
    params = shapes(S9Net(width=0.5))["params"]
    assert params["block1"]["conv"]["kernel"].shape == (3, 3, 3, 16)
    assert params["block12"]["conv"]["kernel"].shape == (3, 3, 32, 32)
    assert params["head"]["kernel"].shape == (1, 1, 32, 10)
    assert shapes(S9Net(width=0.001))["params"]["block12"]["conv"]["kernel"].shape == (3, 3, 1, 1)


def test_every_convolution_makes_a_network_and_comes_back_from_json():
    assert set(OPTIONS) == set(CONVOLUTIONS)
    for name, options in OPTIONS.items():
        rows = rows_from_json([{"conv": name, "features": 6, "options": options}])
        assert rows_from_json(json.loads(json.dumps(rows_to_json(rows)))) == rows
        assert shapes(S9Net(rows=rows))["params"]["block1"]["conv"]
    assert rows_from_json(json.loads(json.dumps(rows_to_json(ROWS)))) == ROWS


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([Row(Conv, 4), Row(Conv, 5, residual=True)], r"block2 \(Conv\) is residual, but makes"),
        ([Row(Conv, 3, {"stride": 2}, residual=True)], r"\(16, 16, 3\) of \(32, 32, 3\)"),
        ([Row(TransposeConv, 3, {"stride": 2}, True)], r"block1 \(TransposeConv\) is residual"),
        ([Row(DepthwiseConv, 4)], "3"),
        ([], "S9Net needs rows"),
    ],
)
def test_rows_that_do_not_fit_are_refused_in_one_line(rows, words):
    with pytest.raises(ValueError, match=words) as caught:
        shapes(S9Net(rows=rows))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("Conv", "rows: expected a list of rows, got 'Conv'"),
        (["Conv"], "row 1: expected an object with conv and features, got 'Conv'"),
        ([{"conv": "Conv"}], "row 1: expected an object with conv and features"),
        ([{"conv": "conv", "features": 3}], "row 1: conv 'conv' is none of Conv, Depthwise"),
        ([{"conv": [], "features": 3}], r"row 1: conv \[\] is none of Conv"),
        ([{"conv": "Conv", "features": 3}] * 1001, "rows: expected at most 1000, got 1001"),
        ([{"conv": "Conv", "features": 0}], "row 1: features must be a whole number above 0"),
        ([{"conv": "Conv", "features": 3, "stride": 2}], "row 1: no 'stride'; a row has conv"),
        ([{"conv": "Conv", "features": 3, "residual": 1}], "row 1: residual must be true or"),
        ([{"conv": "Conv", "features": 3, "options": 2}], "row 1: options must be an object"),
        (
            [{"conv": "DilatedConv", "features": 3, "options": {"output_padding": 1}}],
            "row 1: DilatedConv has no option 'output_padding', but kernel_size, stride",
        ),
    ],
)
def test_json_that_is_no_table_is_refused(entries, words):
    with pytest.raises(ValueError, match=words):
        rows_from_json(entries)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row(ReLU, 3), "row 1: ReLU is none of Conv"),
        (Row(SpatiallySeparableConv, 3, {"kernel_size": np.ones(2)}), "option kernel_size=array"),
        (Row(DilatedConv, 3, {"dtype": np.float32}), "option dtype=<class 'numpy.float32'> cannot"),
    ],
)
def test_a_row_that_json_cannot_hold_is_refused(row, words):
    with pytest.raises(ValueError, match=words):
        rows_to_json([row])


def test_options_may_be_lists():
    row = Row(Conv, 8, {"kernel_size": [3, 3], "padding": [[1, 0], [0, 1]]})
    model = S9Net(rows=[row])
    assert hash(model) == hash(
        S9Net(rows=[Row(Conv, 8, dict(rows_from_json(rows_to_json([row]))[0].options))])
    )
    assert model.rows[0].options["padding"] == ((1, 0), (0, 1))
