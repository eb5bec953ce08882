"""Weights between the two worlds: kernels, names, shapes and files."""

import re

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from safetensors import SafetensorError
from torch_results.drawn import s9_state_dict as drawn_state_dict

from jaxconv import Conv, S9Net
from jaxconv.interop.files import load_state_dict, save_state_dict
from jaxconv.interop.torch import (
    kernel_from_torch,
    kernel_to_torch,
    s9_state_dict,
    s9_variables,
    torch_from_variables,
    variables_from_torch,
)
from jaxconv.models.rows import Row


def same(first, second):
    """Bit for bit: names, order, dtypes, shapes and bytes."""
    assert list(first) == list(second)
    for name in first:
        assert first[name].dtype == second[name].dtype, name
        assert first[name].shape == second[name].shape, name
        assert first[name].tobytes() == second[name].tobytes(), name


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_kernels_go_both_ways_bit_for_bit(dtype):
    weight = np.random.default_rng(0).standard_normal((6, 2, 3, 5)).astype(dtype)
    kernel = kernel_from_torch(weight)
    assert kernel.shape == (3, 5, 2, 6)
    assert kernel[1, 4, 0, 5] == weight[5, 0, 1, 4]
    assert kernel.flags.c_contiguous
    assert kernel.flags.writeable
    same({"": kernel_to_torch(kernel)}, {"": weight})


@pytest.mark.parametrize("function", [kernel_from_torch, kernel_to_torch])
@pytest.mark.parametrize("shape", [(3, 4), (1, 2, 3, 4, 5, 6)])
def test_a_kernel_has_three_to_five_axes(function, shape):
    with pytest.raises(ValueError, match=rf"\[.*\], got shape {re.escape(str(shape))}"):
        function(np.zeros(shape))


@pytest.mark.parametrize("axes", [1, 3])
def test_kernels_of_one_and_three_axes_of_space(axes):
    weight = np.random.default_rng(0).standard_normal((6, 2, 3, 5, 4)[: 2 + axes])
    kernel = kernel_from_torch(weight)
    assert kernel.shape == (*weight.shape[2:], 2, 6)
    same({"": kernel_to_torch(kernel)}, {"": weight})


def test_s9_round_trip_is_bit_exact():
    state_dict = drawn_state_dict()
    variables = s9_variables(state_dict)
    same(s9_state_dict(variables, num_batches_tracked=98), state_dict)
    again = s9_variables(s9_state_dict(variables))
    same(flatten_dict(again, sep="/"), flatten_dict(variables, sep="/"))


def shapes_of_s9(**options):
    images = np.zeros((1, 32, 32, 3), np.float32)
    return jax.eval_shape(lambda: S9Net(**options).init(jax.random.key(0), images, train=False))


def test_s9_variables_are_those_of_the_model():
    variables, made = s9_variables(drawn_state_dict()), shapes_of_s9()
    assert jax.tree.structure(variables) == jax.tree.structure(made)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, made)
    assert sum(array.size for array in jax.tree.leaves(variables["params"])) == 193_376


def test_a_network_of_large_images_goes_out_and_comes_back():
    model = S9Net(rows=[Row(Conv, 4, {"kernel_size": 40, "padding": 0, "stride": 8})])
    images = np.ones((1, 64, 64, 3), np.float32)
    variables = model.init(jax.random.key(0), images, train=False)
    again = s9_variables(s9_state_dict(variables, model), model)
    jax.tree.map(np.testing.assert_array_equal, again, variables)


def test_jax_arrays_and_another_number_of_classes_go_out_and_come_back():
    rng = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda made: jax.numpy.asarray(rng.random(made.shape), made.dtype),
        shapes_of_s9(num_classes=7),
    )
    state_dict = s9_state_dict(variables)
    assert state_dict["conv_block14.0.weight"].shape == (7, 64, 1, 1)
    assert state_dict["conv_block1.2.num_batches_tracked"].shape == ()
    assert all(array.flags.writeable for array in state_dict.values())
    for given, expected in zip(
        jax.tree.leaves(s9_variables(state_dict)), jax.tree.leaves(variables), strict=True
    ):
        np.testing.assert_array_equal(given, expected)


def test_counters_may_be_absent():
    state_dict = {n: a for n, a in drawn_state_dict().items() if not n.endswith("tracked")}
    assert len(state_dict) == 62
    s9_variables(state_dict)


def test_missing_and_unexpected_names_are_all_listed():
    state_dict = drawn_state_dict()
    del state_dict["conv_block3.0.0.weight"], state_dict["conv_block9.2.running_var"]
    state_dict["module.fc.bias"] = state_dict["conv_block13.0.weight"] = np.zeros(3)
    with pytest.raises(
        ValueError,
        match=r"not the state dict of an S9Net: missing conv_block3\.0\.0\.weight, "
        r"conv_block9\.2\.running_var; unexpected module\.fc\.bias, conv_block13\.0\.weight$",
    ):
        s9_variables(state_dict)


def test_missing_and_unexpected_variables_are_all_listed():
    variables = s9_variables(drawn_state_dict())
    del variables["batch_stats"]["block4"]["norm"]["mean"]
    variables["params"]["tail"] = {"kernel": np.zeros(3)}
    with pytest.raises(
        ValueError,
        match=r"variables of an S9Net: missing batch_stats/block4/norm/mean; "
        r"unexpected params/tail/kernel$",
    ):
        s9_state_dict(variables)


def test_every_wrong_shape_is_named_in_the_layout_it_was_given_in():
    state_dict = drawn_state_dict()
    state_dict["conv_block4.0.weight"] = np.zeros((40, 32, 5, 5), np.float32)
    state_dict["conv_block7.2.bias"] = np.zeros((41,), np.float32)
    with pytest.raises(
        ValueError,
        match=r"conv_block4\.0\.weight has shape \(40, 32, 5, 5\), expected \(40, 32, 3, 3\); "
        r"conv_block7\.2\.bias has shape \(41,\), expected \(40,\)$",
    ):
        s9_variables(state_dict)
    variables = s9_variables(drawn_state_dict())
    variables["params"]["head"]["kernel"] = np.zeros((64, 10), np.float32)
    with pytest.raises(
        ValueError,
        match=r"params/head/kernel has shape \(64, 10\), expected \(1, 1, 64, 10\)$",
    ):
        s9_state_dict(variables)


def test_safetensors_round_trip_is_bit_exact_and_leaves_nothing_beside(tmp_path):
    state_dict = drawn_state_dict()
    state_dict["conv_block4.0.weight"] = np.asfortranarray(state_dict["conv_block4.0.weight"])
    path = tmp_path / "s9.safetensors"
    save_state_dict(path, state_dict)
    save_state_dict(str(path), state_dict)  # over an existing one
    loaded = load_state_dict(path)
    same({name: loaded[name] for name in state_dict}, drawn_state_dict())
    assert [file.name for file in tmp_path.iterdir()] == ["s9.safetensors"]


def test_a_failed_save_keeps_the_old_file(tmp_path):
    path = tmp_path / "s9.safetensors"
    save_state_dict(path, {"weight": np.ones(3)})
    with pytest.raises(SafetensorError, match="dtype"):
        save_state_dict(path, {"weight": np.array(["not", "numbers"])})
    np.testing.assert_array_equal(load_state_dict(path)["weight"], np.ones(3))
    assert len(list(tmp_path.iterdir())) == 1


def test_files_that_cannot_be_read_say_why(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*absent\.safetensors"):
        load_state_dict(tmp_path / "absent.safetensors")
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    save_state_dict(whole, drawn_state_dict())
    cut.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut\.safetensors is not a whole safetensors file"):
        load_state_dict(cut)
    (tmp_path / "weights.npz").touch()
    with pytest.raises(ValueError, match=r"read from \.safetensors, \.pt or \.pth, got .*npz"):
        load_state_dict(tmp_path / "weights.npz")
    with pytest.raises(ValueError, match=r"written as \.safetensors, got .*\.pt"):
        save_state_dict(tmp_path / "weights.pt", {})


class Tensor:
    """What this package asks of a tensor; PyTorch refuses `numpy` where there is a gradient."""

    def __init__(self, array, dtype="float32", detached=False):
        self.array, self.dtype, self.detached = array, f"torch.{dtype}", detached

    def detach(self):
        return Tensor(self.array, self.dtype.removeprefix("torch."), True)

    def cpu(self):
        return self

    def float(self):
        return Tensor(self.array.astype(np.float32), detached=self.detached)

    def numpy(self):
        assert self.detached
        assert "bfloat16" not in self.dtype
        return self.array


def test_tensors_are_taken_as_they_are():
    weight = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    np.testing.assert_array_equal(kernel_from_torch(Tensor(weight)), kernel_from_torch(weight))
    narrow = weight.astype(jax.numpy.bfloat16)
    kernel = kernel_from_torch(Tensor(narrow, "bfloat16"))
    same({"": kernel}, {"": kernel_from_torch(narrow)})
    assert kernel.dtype == jax.numpy.bfloat16


def test_tensors_are_written_as_they_are(tmp_path):
    narrow = np.arange(6).reshape(2, 3).astype(jax.numpy.bfloat16)
    tensors = {"b": Tensor(np.ones(3, np.float32)), "w": Tensor(narrow, "bfloat16")}
    save_state_dict(tmp_path / "a.safetensors", tensors)
    written = load_state_dict(tmp_path / "a.safetensors")
    same(written, {"b": np.ones(3, np.float32), "w": narrow})


def test_real_tensors_are_taken_as_they_are():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Conv2d(3, 4, 2)
    expected = layer.weight.detach().numpy().transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(kernel_from_torch(layer.weight), expected)
    narrow = layer.weight.bfloat16()
    np.testing.assert_array_equal(
        kernel_from_torch(narrow).astype(np.float32),
        narrow.detach().float().numpy().transpose(2, 3, 1, 0),
    )
    parameters = dict(layer.named_parameters())
    made = jax.eval_shape(Conv(4, 2, use_bias=True).init, jax.random.key(0), np.ones((1, 5, 5, 3)))
    variables = variables_from_torch(parameters, made)
    torch.nn.Conv2d(3, 4, 2).load_state_dict(
        {name: torch.from_numpy(array) for name, array in torch_from_variables(variables).items()}
    )
