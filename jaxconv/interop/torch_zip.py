"""Reading what `torch.save(model.state_dict(), path)` wrote, without PyTorch and running nothing.

The file is a zip of raw storages and one pickle, which says how tensors lie in them. A pickle is a
program, so Python's unpickler is left aside: see `plain_pickle`.
"""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import NamedTuple

import ml_dtypes  # noqa: F401  (its names become NumPy's: bfloat16 and the float8s)
import numpy as np

from jaxconv.interop.plain_pickle import Refused, read_plain_pickle

STORAGES = {  # the dtype of each; that of an untyped one stands beside the tensor
    "torch BFloat16Storage": "bfloat16",
    "torch BoolStorage": "bool",
    "torch ByteStorage": "uint8",
    "torch CharStorage": "int8",
    "torch ComplexDoubleStorage": "complex128",
    "torch ComplexFloatStorage": "complex64",
    "torch DoubleStorage": "float64",
    "torch FloatStorage": "float32",
    "torch HalfStorage": "float16",
    "torch IntStorage": "int32",
    "torch LongStorage": "int64",
    "torch ShortStorage": "int16",
    "torch.storage UntypedStorage": "uint8",
}
DTYPES = {  # of tensors in untyped storages
    f"torch {name}": np.dtype(name)
    for name in (
        *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"),
        *("uint16", "uint32", "uint64"),
    )
}
MOST_AXES = 64  # of a tensor


class Storage(NamedTuple):
    """Numbers in a row: their bytes, and the dtype that they are of as far as the file tells."""

    content: bytearray
    dtype: np.dtype


def read_torch_zip(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file by name, in its order; those that share memory there share it here.

    Raises:
        ValueError: the file is damaged, is not what PyTorch (since 1.6) writes, or holds more than
            tensors by name.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Archive(archive, path.stat().st_size).state_dict()
    except Refused as refused:
        raise ValueError(f"{path} {refused}; save model.state_dict() into it") from refused
    except Exception as error:  # a damaged pickle or zip can raise anything at all
        raise ValueError(
            f"{path} is no whole file of torch.save ({type(error).__name__}); "
            "save model.state_dict() into it with PyTorch 1.6 or later"
        ) from error


def _empty_dict() -> dict:
    return {}


class _Archive:
    """What the pickle may ask for: storages by name, and tensors in them."""

    def __init__(self, archive: zipfile.ZipFile, size: int):
        self.archive, self.budget = archive, size  # a zip can name the same bytes many times
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Refused(f"has {len(pickles)} pickles of tensors in it, expected 1")
        self.folder = pickles[0].removesuffix("data.pkl")
        if f"{self.folder}byteorder" in names and self._read("byteorder") != b"little":
            raise Refused("was written on a big-endian machine")
        self.storages: dict[str, bytearray] = {}

    def state_dict(self) -> dict[str, np.ndarray]:
        functions = {
            "collections OrderedDict": _empty_dict,
            "torch._utils _rebuild_tensor_v2": self._tensor,
            "torch._utils _rebuild_tensor_v3": self._tensor_of_dtype,
            "torch._utils _rebuild_parameter": lambda tensor, *rest: tensor,
        }
        found = read_plain_pickle(
            self._read("data.pkl"), functions, {**DTYPES, **STORAGES}, self._storage
        )
        if type(found) is not dict or not all(type(v) is np.ndarray for v in found.values()):
            raise Refused("must hold tensors by name")
        return found

    def _read(self, name: str) -> bytes:
        entry = self.archive.getinfo(self.folder + name)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise Refused("is compressed, as PyTorch never writes it")
        self.budget -= entry.file_size
        if self.budget < 0:
            raise Refused("promises more than it holds")
        return self.archive.read(entry)

    def _storage(self, word: str, dtype: str, key: str, device: str, count: int) -> Storage:
        kind = np.dtype(dtype)
        if key not in self.storages:
            self.storages[key] = bytearray(self._read(f"data/{int(key)}"))
        if len(self.storages[key]) != count * kind.itemsize:
            raise Refused("has a storage of another size than it says")
        return Storage(self.storages[key], kind)

    def _tensor(
        self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *rest
    ) -> np.ndarray:
        """`rest`: whether it requires a gradient, hooks, metadata."""
        step = storage.dtype.itemsize
        held = len(storage.content) // step
        if (
            len(shape) != len(strides)
            or len(shape) > MOST_AXES
            or min([offset, *shape, *strides]) < 0
        ):
            raise Refused("has a tensor of no possible shape")
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        if prod(shape) > held or (prod(shape) and last >= held):
            raise Refused("has a tensor that is larger than its storage")
        if not prod(shape):
            return np.empty(shape, storage.dtype)
        steps = [step * stride for stride in strides]
        return np.ndarray(shape, storage.dtype, storage.content, step * offset, steps)

    def _tensor_of_dtype(self, storage, offset, shape, strides, gradient, hooks, dtype, *rest):
        return self._tensor(Storage(storage.content, dtype), offset, shape, strides)
