"""The code that the explorer offers to copy, run: it must give the case's very output.

`explorer/cases/code.json` is what the page makes of many cases (explorer/test/code.test.ts holds it
to that). PyTorch's and Keras's code runs where they are installed.
"""

import json
import shlex
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxconv

STORED = Path(__file__).parents[1] / "explorer" / "cases"
CASES = json.loads((STORED / "code.json").read_text())
NO_OPTIONS = ("function", "size", "kernel", "channels", "features", "refused")
REFUSALS = json.loads((STORED / "refusals.json").read_text())


def name(case):
    return case["fragment"] or "defaults"


def run(code):
    """What the code leaves in `y`, as a NumPy array."""
    names = {}
    exec(code, names)
    y = names["y"]
    return np.asarray(y.detach() if hasattr(y, "detach") else y)


def traced_shape(code):
    """The shape of `y`, without compiling anything."""
    names = {}

    def body():
        exec(code, names)
        return names["y"]

    return jax.eval_shape(body).shape


@pytest.mark.parametrize("case", CASES, ids=name)
def test_jaxconv_function_gives_the_numbers_of_the_page(case):
    y = run(case["withNumbers"]["jaxconv"])
    np.testing.assert_array_equal(y[0], np.reshape(case["values"], case["shape"]))
    assert traced_shape(case["code"]["jaxconv"]) == (1, *case["shape"])


@pytest.mark.parametrize("case", CASES, ids=name)
def test_linen_module_has_the_shape_of_the_page(case):
    assert traced_shape(case["code"]["jaxconv, Linen"]) == (1, *case["shape"])


@pytest.mark.parametrize("case", CASES, ids=name)
def test_nnx_module_has_the_shape_of_the_page(case):
    assert traced_shape(case["code"]["jaxconv, NNX"]) == (1, *case["shape"])


@pytest.mark.parametrize("case", [case for case in CASES if case["code"]["Flax"]], ids=name)
def test_flax_gives_the_shape_of_the_page(case):
    assert traced_shape(case["code"]["Flax"]) == (1, *case["shape"])


@pytest.mark.parametrize("case", [case for case in CASES if case["code"]["PyTorch"]], ids=name)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_pytorch_gives_the_numbers_of_the_page(case):
    pytest.importorskip("torch")
    y = run(case["withNumbers"]["PyTorch"])
    channels_last = np.moveaxis(y[0], 0, -1)
    np.testing.assert_array_equal(channels_last, np.reshape(case["values"], case["shape"]))
    assert run(case["code"]["PyTorch"]).shape == y.shape


@pytest.mark.parametrize("case", [case for case in CASES if case["code"]["Keras"]], ids=name)
def test_keras_gives_the_shape_of_the_page(case):
    pytest.importorskip("keras")
    assert run(case["code"]["Keras"]).shape == (1, *case["shape"])


@pytest.mark.parametrize("case", [case for case in CASES if case["animate"]["command"]], ids=name)
def test_command_makes_the_film_of_this_case(case):
    from jaxconv.animation.cases import MEANINGS
    from jaxconv.animation.cases import case as film
    from jaxconv.cli.program import VERBS

    _, _, _, verb, *flags = shlex.split(case["animate"]["command"])
    given = VERBS[verb].make_parser(verb, "").parse_args(flags)
    options = {n: v for n, v in vars(given).items() if n in MEANINGS}
    shape = film(given.variant, **options).stages[-1].y.shape
    assert shape[-len(case["shape"]) :] == tuple(case["shape"])


@pytest.mark.parametrize("case", REFUSALS, ids=json.dumps)
def test_jaxconv_refuses_what_the_page_says_it_refuses(case):
    """The stored verdict is PyTorch's; explorer/test/refusals.test.ts asks the page the same."""
    options = {n: v for n, v in case.items() if n not in NO_OPTIONS}
    transposed = case["function"] == "transpose_conv"
    beyond = transposed and ("padding_mode" in case or isinstance(case.get("padding"), str))
    channels, features, groups = case["channels"], case["features"], case.get("groups", 1)
    per_group = (features // groups, channels) if transposed else (channels // groups, features)
    shape = (case["kernel"], case["kernel"], *per_group)
    x = np.zeros((1, case["size"], case["size"], channels), np.float32)

    def convolve():
        return jax.eval_shape(
            lambda x, kernel: getattr(jaxconv, case["function"])(x, kernel, **options),
            x,
            np.zeros(shape, np.float32),
        )

    if case["refused"] and not beyond:
        with pytest.raises(ValueError, match=r"must|would|wants|reads|may"):
            convolve()
    else:
        assert 0 not in convolve().shape
