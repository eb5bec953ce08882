"""Which entry of a state dict goes where: names, renaming, axes, and everything that is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import jaxconv.nnx
from jaxconv import BatchNorm, Conv, TransposeConv
from jaxconv.interop.torch import torch_from_variables, variables_from_torch

RNG = np.random.default_rng(0)


class Net(nn.Module):
    """One layer of each kind."""

    @nn.compact
    def __call__(self, x):
        x = Conv(4, (3, 2), groups=2, use_bias=True, name="conv")(x)
        x = TransposeConv(6, 2, name="grow")(x)
        x = BatchNorm(name="norm")(x, train=False)
        x = nn.GroupNorm(2, name="groups")(x)
        x = nn.LayerNorm(name="layer")(x).mean((1, 2))
        x = nn.Dense(3, name="fc")(x) + nn.Embed(7, 3, name="embed")(jnp.arange(1))
        return x * self.param("gain", nn.initializers.ones, (3,))[None]


SHAPES = {
    "gain": (3,),
    "conv.weight": (4, 1, 3, 2),
    "conv.bias": (4,),
    "embed.weight": (7, 3),
    "fc.weight": (3, 6),
    "fc.bias": (3,),
    "groups.weight": (6,),
    "groups.bias": (6,),
    "grow.weight": (4, 6, 2, 2),
    "layer.weight": (6,),
    "layer.bias": (6,),
    "norm.weight": (6,),
    "norm.bias": (6,),
    "norm.running_mean": (6,),
    "norm.running_var": (6,),
    "norm.num_batches_tracked": (),
}


def make_state_dict():
    state_dict = {name: RNG.normal(size=shape) for name, shape in SHAPES.items()}
    return state_dict | {"norm.num_batches_tracked": np.array(5)}


def make_variables():
    return jax.eval_shape(Net().init, jax.random.key(0), jnp.ones((1, 6, 6, 2)))


def prefixed(state_dict, prefix):
    return {f"{prefix}.{name}": array for name, array in state_dict.items()}


def test_each_kind_of_layer_goes_to_its_place_and_back():
    state_dict = make_state_dict()
    variables = variables_from_torch(state_dict, make_variables())
    params, statistics = variables["params"], variables["batch_stats"]["norm"]
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, make_variables())
    assert params["conv"]["kernel"][2, 1, 0, 3] == state_dict["conv.weight"][3, 0, 2, 1]
    assert params["grow"]["kernel"][1, 0, 5, 3] == state_dict["grow.weight"][3, 5, 1, 0]
    assert params["fc"]["kernel"][5, 2] == state_dict["fc.weight"][2, 5]
    for ours, theirs in (
        (params["conv"]["bias"], "conv.bias"),
        (params["embed"]["embedding"], "embed.weight"),
        (params["groups"]["scale"], "groups.weight"),
        (params["layer"]["bias"], "layer.bias"),
        (params["norm"]["scale"], "norm.weight"),
        (params["gain"], "gain"),
        (statistics["mean"], "norm.running_mean"),
        (statistics["var"], "norm.running_var"),
    ):
        np.testing.assert_array_equal(ours, state_dict[theirs])
    back = torch_from_variables(variables, num_batches_tracked=5)
    assert set(back) == set(state_dict)
    for name, array in back.items():
        np.testing.assert_array_equal(array, state_dict[name])
        assert (array.dtype, array.flags.writeable) == (state_dict[name].dtype, True)
    assert list(back)[-5:] == [name for name in SHAPES if name.startswith("norm")]


@pytest.mark.parametrize(
    ("theirs", "rename"),
    [
        (lambda name: f"module.{name}", {"module": ""}),
        (lambda name: f"module.{name}", lambda layer: layer.removeprefix("module").lstrip(".")),
        (lambda name: name.replace("conv.", "features.0.0."), {"features.0.0": "conv"}),
        (
            lambda name: name.replace("conv.", "a.b.").replace("fc.", "a."),
            {"a": "fc", "a.b": "conv"},
        ),
        (lambda name: name.replace("conv.", "fc.").replace("norm.", "fc2."), None),
    ],
    ids=["stripped", "by a function", "deeper", "the longest prefix", "at dots only"],
)
def test_layers_are_renamed(theirs, rename):
    state_dict = make_state_dict()
    if rename is None:
        rename = {"fc": "conv", "fc2": "norm", "linear": "fc"}
        renamed = {
            theirs(name.replace("fc.", "linear.")): array for name, array in state_dict.items()
        }
    else:
        renamed = {theirs(name): array for name, array in state_dict.items()}
    variables = variables_from_torch(renamed, make_variables(), rename)
    expected = variables_from_torch(state_dict, make_variables())
    jax.tree.map(np.testing.assert_array_equal, variables, expected)
    if isinstance(rename, dict):
        assert set(torch_from_variables(variables, rename)) == set(renamed)


def test_none_leaves_entries_out():
    state_dict = make_state_dict() | prefixed(make_state_dict(), "teacher")
    for rename in ({"teacher": None}, lambda layer: None if "teacher" in layer else layer):
        variables = variables_from_torch(state_dict, make_variables(), rename)
        np.testing.assert_array_equal(variables["params"]["gain"], state_dict["gain"])


def refuse(message, function, *arguments):
    with pytest.raises(ValueError, match=message) as error:
        function(*arguments)
    assert "\n" not in str(error.value)


def test_everything_that_does_not_fit_is_in_one_error():
    state_dict = make_state_dict()
    del state_dict["conv.bias"], state_dict["norm.running_var"]
    state_dict |= {"aux.weight": np.ones(3), "conv.num_batches_tracked": np.array(1)}
    state_dict |= {"fc.weight": np.ones((6, 3)), "gain": np.array("text")}
    refuse(
        r"^not the state dict of this network: missing conv\.bias, norm\.running_var; unexpected "
        r"aux\.weight, conv\.num_batches_tracked; gain has shape \(\), expected \(3,\); fc\.weight "
        r"has shape \(6, 3\), expected \(3, 6\)$",
        variables_from_torch,
        state_dict,
        make_variables(),
    )


def test_missing_entries_have_pytorchs_names_where_they_are_known():
    state_dict = make_state_dict()
    del state_dict["conv.weight"]
    renamed = prefixed(state_dict, "net")
    refuse(
        r"missing net\.conv\.weight$", variables_from_torch, renamed, make_variables(), {"net": ""}
    )


def test_two_entries_may_not_become_one():
    state_dict = make_state_dict() | {"other.weight": np.ones((3, 6))}
    rename = {"other": "fc"}
    message = r"fc\.weight and other\.weight both become fc\.weight"
    refuse(message, variables_from_torch, state_dict, make_variables(), rename)
    variables = {"params": {"a": {"kernel": np.ones((2, 3)), "scale": np.ones(3)}}}
    refuse(
        r"params/a/kernel and params/a/scale both become a\.weight", torch_from_variables, variables
    )


def test_two_leaves_may_not_share_an_entry():
    shape = jax.ShapeDtypeStruct((3,), jnp.float32)
    variables = {"params": {"fc": {"scale": shape, "weight": shape}}}
    refuse(
        r"^not the .*: params/fc/scale and params/fc/weight are both called fc\.weight$",
        variables_from_torch,
        {"fc.weight": np.ones(3)},
        variables,
    )


def test_what_nobody_can_tell_is_refused():
    def shape(*sizes):
        return jax.ShapeDtypeStruct(sizes, jnp.float32)

    variables = {
        "params": {
            "position": shape(1, 16, 8),
            "norm": {"scale": shape(4, 4, 3), "bias": shape(2, 2)},
            "embed": {"embedding": shape(2, 3, 4)},
            "fc": {"kernel": shape(3)},
            "ConvTranspose_0": {"kernel": shape(3, 3, 4, 4)},
        }
    }
    refuse(
        r"^not the state dict of this network: params/ConvTranspose_0/kernel is of Flax's "
        r"ConvTranspose, not PyTorch's: use TransposeConv; the axes of params/embed/embedding "
        r"\(2, 3, 4\) are ambiguous: port it by hand; the axes of params/fc/kernel \(3,\) .*; the "
        r"axes of params/norm/bias \(2, 2\) .*; the axes of params/norm/scale \(4, 4, 3\) .*; the "
        r"axes of params/position \(1, 16, 8\) are ambiguous: port it by hand$",
        variables_from_torch,
        {"fc.weight": np.ones(3)},
        variables,
    )
    arrays = jax.tree.map(lambda made: np.ones(made.shape), variables)
    refuse(r"variables of a PyTorch network: params/Conv.*by hand$", torch_from_variables, arrays)


class Model(nnx.Module):
    def __init__(self, rngs):
        self.layers = nnx.List(
            [jaxconv.nnx.Conv(2, 4, rngs=rngs), jaxconv.nnx.BatchNorm(4, rngs=rngs)]
        )
        self.dropout = jaxconv.nnx.Dropout(0.5, rngs=rngs)
        self.fc = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.fc(self.dropout(x).mean((1, 2)))


@pytest.mark.parametrize("abstract", [False, True])
def test_nnx_state_goes_both_ways_and_keeps_its_random_streams(abstract):
    model = Model(nnx.Rngs(0))
    names = {"layers.0.weight", "fc.weight", "fc.bias"}
    names |= {f"layers.1.{n}" for n in ("weight", "bias", "running_mean", "running_var")}
    state_dict = torch_from_variables(nnx.state(model))
    assert set(state_dict) == {*names, "layers.1.num_batches_tracked"}
    given = {name: RNG.normal(size=array.shape) for name, array in state_dict.items()}
    made = nnx.eval_shape(lambda: Model(nnx.Rngs(0))) if abstract else model
    state = variables_from_torch(given, nnx.state(made, nnx.Not(nnx.RngState)))
    if not abstract:
        whole = variables_from_torch(given, nnx.state(model))
        assert whole["dropout"]["rngs"]["key"][...] == model.dropout.rngs.key[...]
    nnx.update(model, state)
    np.testing.assert_array_equal(model.fc.kernel[...], given["fc.weight"].T)
    np.testing.assert_array_equal(model.layers[1].var[...], given["layers.1.running_var"])
    assert nnx.jit(lambda model, x: model(x))(model, jnp.ones((2, 5, 5, 2))).shape == (2, 3)
