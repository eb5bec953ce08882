"""The conformance page: the cases asked, how an answer is judged, and what is written of it."""

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.conformance import cases, judge, page
from benchmarks.conformance.environments import PEERS, version
from benchmarks.conformance.peers import jaxconv as ours
from benchmarks.conformance.peers.common import CannotExpress

SAMPLES = list(cases.samples())
NODES = list(cases.node_tests())


def asked(function):
    """A library of one function of (case, x, weight, bias)."""

    class Peer:
        @staticmethod
        def function(case):
            return lambda *arrays: function(case, *arrays)

    return Peer


def cannot(case, *arrays):
    raise CannotExpress("no such option")


def fail(case, *arrays):
    raise NotImplementedError("conv of 3 axes\nsecond line")


def test_every_stored_sample_and_node_test_is_asked():
    assert (len(SAMPLES), len(NODES)) == (276, 47)
    assert len({(case.name, case.kind) for case in [*SAMPLES, *NODES]}) == 323


@pytest.mark.parametrize("case", [SAMPLES[0], SAMPLES[12], SAMPLES[24], NODES[8]], ids=str)
def test_jaxconv_agrees(case):
    assert judge.outcome(ours, case) == ("agrees", "")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (cannot, ("cannot express", "no such option")),
        (fail, ("refuses", "NotImplementedError: conv of 3 axes")),
        (lambda case, *_: jnp.asarray(case.output) + 2e-5 * np.abs(case.output).max(), "off by"),
        (lambda case, *_: jnp.asarray(case.output)[..., :-1], "is [1, 3, 2], not [1, 3, 3]"),
        (lambda case, *_: jnp.asarray(case.output, jnp.bfloat16), "bfloat16, not float32"),
        (lambda case, *_: jnp.full(case.output.shape, jnp.nan), "off by nan"),
    ],
)
def test_every_other_answer_is_told_apart(function, said):
    outcome, why = judge.outcome(asked(function), SAMPLES[0])
    if isinstance(said, tuple):
        assert (outcome, why) == said
    else:
        assert outcome == "differs"
        assert said in why


def test_the_page_counts_and_groups():
    three = [*SAMPLES[:2], NODES[0]]
    answers = {
        "jaxconv": [("agrees", "")] * 3,
        "linen": [
            ("agrees", ""),
            ("refuses", "ValueError: 3 axes"),
            ("refuses", "ValueError: 4 axes"),
        ],
    }
    text = page.written(f"before\n{page.START}\nold\n{page.END}\nafter", three, answers)
    assert text.startswith("before\n")
    assert text.endswith("\nafter")
    assert "old" not in text
    assert "| library | version | float32 (2) | ONNX (1) | agrees | refuses |\n" in text
    assert f"| Flax Linen | {version('linen')} | 1 | 0 | 1 | 2 |" in text
    assert "- **refuses**, 2: `ValueError: 3 axes`. `conv1d[1]` in float32; `test_" in text
    assert "### jaxconv" not in text


def test_places_in_a_row_are_written_by_their_ends():
    assert page.runs([0, 1, 2, 3, 5, 7, 8]) == "0 to 3, 5, 7, 8"


def test_a_page_without_its_marks_is_refused():
    with pytest.raises(ValueError, match="needs the lines"):
        page.written("nothing", [], {})


def test_every_library_has_an_adapter_and_pinned_packages():
    folder = cases.TESTS.parent / "benchmarks" / "conformance" / "peers"
    assert {*PEERS} == {p.stem for p in folder.glob("*.py")} - {"__init__", "common", "torch_call"}
    assert all("==" in pin for _, _, pins in PEERS.values() for pin in pins)
