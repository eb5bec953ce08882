"""docs/other_libraries.md: its blocks run as they stand, and give what the functions give."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv, depthwise_separable_conv, transpose_conv
from jaxconv.interop.torch import torch_from_variables
from jaxconv.ops.batch_norm import batch_norm

PAGE = Path(__file__).resolve().parents[1] / "docs" / "other_libraries.md"


@pytest.fixture(autouse=True)
def rank_promotion():
    """As users have it: other libraries add a bias [c] to [b, c]."""
    with jax.numpy_rank_promotion("allow"):
        yield


def run_block(title):
    """The names that the code under a title of the page makes."""
    section = PAGE.read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    names = {"__name__": title}
    exec(compile(code, f"{PAGE.name}: {title}", "exec"), names)
    return names


def test_no_library():
    names = run_block("No library")
    params, statistics = names["params"], names["statistics"]
    x = conv(jnp.ones((2, 16, 16, 3)), params["first"]["kernel"], stride=2, padding=1)
    x = jax.nn.relu(x)
    np.testing.assert_allclose(statistics["mean"], 0.1 * x.mean((0, 1, 2)), rtol=1e-5)
    assert names["logits"].shape == (2, 10)
    assert set(names["state_dict"]) == {"first.weight", "norm.weight", "norm.bias", "last.weight"}
    jax.tree.map(np.testing.assert_array_equal, torch_from_variables(params), names["state_dict"])


def test_equinox():
    pytest.importorskip("equinox")
    names = run_block("Equinox")
    model, state = names["model"], names["state"]
    mean, var = state.get(model.norm.running)
    x = transpose_conv(names["noise"], model.grow.kernel)
    norm = model.norm.scale, model.norm.bias
    x = jax.nn.relu(batch_norm(x, *norm, mean, var, train=False)[0])
    x = jnp.tanh(transpose_conv(x, model.paint.kernel, stride=2, padding=1))
    np.testing.assert_allclose(names["images"], x, atol=1e-6)
    assert x.shape == (4, 8, 8, 3)
    fresh, fresh_state = names["eqx"].nn.make_with_state(names["Generator"])(jax.random.key(0))
    before, _ = fresh(names["noise"], fresh_state, train=True)
    after, _ = model(names["noise"], jax.tree.map(jnp.copy, state), train=True)
    assert jnp.mean(after**2) < jnp.mean(before**2)  # towards the target, black
    assert np.abs(mean).max() > 0


def test_haiku():
    pytest.importorskip("haiku")
    names = run_block("Haiku")
    params, state = names["params"], names["state"]
    kernels = params["depthwise_separable_conv"]
    x = depthwise_separable_conv(
        names["images"],
        **{f"{half}_kernel": kernels[half] for half in ("depthwise", "pointwise")},
        stride=2,
        padding=1,
    )
    norm = params["batch_norm"]["scale"], params["batch_norm"]["bias"]
    running = state["batch_norm"]["mean"], state["batch_norm"]["var"]
    x = batch_norm(jax.nn.relu(x), *norm, *running, train=False)[0].mean((1, 2))
    logits = x @ params["linear"]["w"] + params["linear"]["b"]
    np.testing.assert_allclose(names["logits"], logits, atol=1e-5)
    fresh, fresh_state = names["net"].init(jax.random.key(0), names["images"], train=True)
    assert np.abs(params["linear"]["w"] - fresh["linear"]["w"]).max() > 0
    assert np.abs(running[0] - fresh_state["batch_norm"]["mean"]).max() > 0
