"""Files of PyTorch's read without it: real ones, damaged ones, and ones that would do harm."""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from jaxconv.interop.files import load_state_dict

STORED = Path(__file__).parent / "torch_results"
SHARED = np.arange(24, dtype=np.float32)


def test_tensors_of_every_kind_are_read():
    found = load_state_dict(STORED / "weights.pt")
    special = {"parameter", "turned", "every other", "scalar", "empty"}
    dtypes = [name for name in found if name not in special]
    assert len(dtypes) == 15
    for name in dtypes:
        assert found[name].dtype == np.dtype(name)
        np.testing.assert_array_equal(
            found[name], np.arange(6).reshape(2, 3).astype(np.dtype(name))
        )
    np.testing.assert_array_equal(found["parameter"], SHARED[:6].reshape(2, 3))
    np.testing.assert_array_equal(found["turned"], SHARED.reshape(2, 3, 4).transpose(2, 0, 1))
    np.testing.assert_array_equal(found["every other"], SHARED[1::2])
    assert (found["scalar"].shape, found["scalar"]) == ((), 7)
    assert found["empty"].shape == (0, 3)
    assert list(found)[-5:] == ["parameter", "turned", "every other", "scalar", "empty"]


def test_bfloat16_safetensors_are_read():
    array = load_state_dict(STORED / "bfloat16.safetensors")["w"]
    assert array.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(array.astype(int), np.arange(6).reshape(2, 3))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("module.pt", r"asks for torch\.nn\.modules\.conv\.Conv2d, which is no part of plain data"),
        ("checkpoint.pt", r"must hold tensors by name; save model\.state_dict\(\) into it"),
        ("legacy.pt", r"is no whole file of torch\.save \(BadZipFile\); .* PyTorch 1\.6 or later"),
    ],
)
def test_other_files_of_pytorch_are_refused(name, message):
    refuse(STORED / name, message)


def refuse(path, message):
    with pytest.raises(ValueError, match=message) as error:
        load_state_dict(path)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(path))


def write_pt(path, content, storages=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", content)
        for number, storage in enumerate(storages):
            archive.writestr(f"x/data/{number}", storage)
    return path


class Named:
    """Pickled as a call of `module.name`."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Pickler(pickle._Pickler):
    """Writes `Named` as calls, and tuples that begin with "storage" as persistent ids."""

    def persistent_id(self, value):
        is_storage = isinstance(value, tuple) and value[:1] == ("storage",)
        return Storage(value) if is_storage and not isinstance(value, Storage) else None

    def save_named(self, value):
        self.save_as_global(value)
        self.save(value.arguments)
        self.write(pickle.REDUCE)

    def save_as_global(self, value):
        self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())

    dispatch = pickle._Pickler.dispatch | {Named: save_named}


class Storage(tuple):
    """A persistent id on its way to the file."""


class Global(Named):
    """Pickled as `module.name` itself."""


Pickler.dispatch = Pickler.dispatch | {Global: Pickler.save_as_global, Storage: Pickler.save_tuple}


def pickled(value):
    stream = io.BytesIO()
    Pickler(stream, 2).dump(value)
    return stream.getvalue()


def tensor(shape, strides, *, offset=0, count=6, key="0", kind="FloatStorage"):
    storage = ("storage", Global("torch", kind), key, "cpu", count)
    return Named("torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, {})


SIX = np.arange(6, dtype=np.float32).tobytes()


def test_the_files_written_here_are_like_real_ones(tmp_path):
    path = write_pt(tmp_path / "x.pt", pickled({"w": tensor((2, 3), (3, 1))}), [SIX])
    np.testing.assert_array_equal(load_state_dict(path)["w"], np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (Named("os", "system", "touch harm"), r"asks for os\.system, which is no part"),
        (Named("builtins", "eval", "1"), r"asks for builtins\.eval"),
        (Named("torch", "load", "x"), r"asks for torch\.load"),
        (Named("numpy.core.multiarray", "_reconstruct"), r"asks for numpy\.core"),
        (Global("torch", "FloatStorage"), r"must hold tensors by name"),
        ({"w": 3}, r"must hold tensors by name"),
        ({3: tensor((2, 3), (3, 1))}, r"has an entry whose name is no text"),
        ([tensor((2, 3), (3, 1))], r"has the pickle operation EMPTY_LIST"),
        ({"w": b"bytes"}, r"asks for _codecs\.encode"),
        ({"w": tensor((2, 4), (3, 1))}, r"a tensor that is larger than its storage"),
        ({"w": tensor((2, 3), (3, 1), offset=1)}, r"larger than its storage"),
        ({"w": tensor((10**12,), (0,))}, r"larger than its storage"),
        ({"w": tensor((2, 3), (-3, 1), offset=3)}, r"a tensor of no possible shape"),
        ({"w": tensor((2, 3), (3,))}, r"a tensor of no possible shape"),
        ({"w": tensor((1,) * 65, (1,) * 65)}, r"a tensor of no possible shape"),
        ({"w": tensor((2, 3), (3, 1), count=7)}, r"storage of another size than it says"),
        ({"w": tensor((2, 3), (3, 1), kind="DoubleStorage")}, r"storage of another size"),
        ({"w": tensor((2, 3), (3, 1), key="1")}, r"is no whole file of torch\.save \(KeyError\)"),
        ({"w": tensor((2, 3), (3, 1), key="../x")}, r"\(ValueError\)"),
    ],
)
def test_a_pickle_of_anything_else_is_refused(tmp_path, monkeypatch, made, message):
    monkeypatch.chdir(tmp_path)
    refuse(write_pt(tmp_path / "x.pt", pickled(made), [SIX]), message)
    assert os.listdir(tmp_path) == ["x.pt"]


def test_a_file_cannot_hold_more_than_it_is_long(tmp_path):
    zeros = bytes(4 * 10**6)
    one = pickled({"w": tensor((10**6,), (1,), count=10**6)})
    packed = write_pt(tmp_path / "x.pt", one, [zeros], zipfile.ZIP_DEFLATED)
    refuse(packed, r"is compressed, as PyTorch never writes it")
    path = write_pt(tmp_path / "y.pt", one, [zeros])
    load_state_dict(path)
    # The same bytes under many names: the second entry of the directory points at the first.
    many = pickled({f"w{n}": tensor((10**6,), (1,), count=10**6, key=str(n)) for n in (0, 1)})
    content = write_pt(path, many, [zeros, bytes(4)]).read_bytes()
    with zipfile.ZipFile(path) as archive:
        first, second = (archive.getinfo(f"x/data/{n}") for n in (0, 1))
    at = content.rindex(b"x/data/1") - 46
    fields = struct.pack("<III", first.CRC, first.file_size, first.file_size)
    content = content[: at + 16] + fields + content[at + 28 :]
    path.write_bytes(content)
    assert second.file_size == 4
    refuse(path, r"promises more than it holds|no whole file")


@pytest.mark.parametrize("operation", [b"\x85", b"(", b"0", b"2", b"\x94", b"t"])
def test_endless_pickles_are_refused(tmp_path, operation):
    content = b"\x80\x02" + b")" + operation * 100_000 + b"."
    refuse(write_pt(tmp_path / "x.pt", content), r"save model\.state_dict\(\) into it")


def test_metadata_of_a_state_dict_is_left_out(tmp_path):
    content = pickled({"w": tensor((2, 3), (3, 1))})[:-1] + pickled({"_metadata": {}})[2:-1] + b"b."
    path = write_pt(tmp_path / "x.pt", content, [SIX])
    assert list(load_state_dict(path)) == ["w"]
