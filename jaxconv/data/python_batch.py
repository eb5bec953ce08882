"""Reading a pickled CIFAR-10 batch without doing anything that the pickle asks for.

The Python archive is six pickles, and a pickle is a program. Only the opcodes that an honest batch
is made of are let through, and where they name NumPy's constructors they get stand-ins, which note
what they are given; so the worst that a pickle can do is to be refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
from collections.abc import Callable

import numpy as np

MOST_OPCODES = 1 << 20  # an honest batch has about 30,000
MOST_TUPLES = 64  # nested without end they would overflow the stack of whoever hashes them
OPCODES_OF_A_BATCH = """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1
    STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES
    EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 GLOBAL STACK_GLOBAL REDUCE BUILD
    PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
"""


def parse_python_batch(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [n, 3072] and labels int32 [n] of a pickled dict with b"data" and b"labels".

    Raises:
        ValueError: the pickle is damaged, holds something else, or asks for anything but that.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the escapes in its text
        _check_opcodes(content)
        try:
            batch = _InertUnpickler(io.BytesIO(content), encoding="bytes").load()
            batch = {key.decode() if isinstance(key, bytes) else key: batch[key] for key in batch}
            return batch["data"].pixels(), _labels(batch["labels"])
        except ValueError:
            raise
        except Exception as error:  # a damaged pickle can raise anything at all
            raise ValueError(f"not a CIFAR-10 batch ({type(error).__name__})") from error


def _check_opcodes(content: bytes) -> None:
    allowed, tuples = frozenset(OPCODES_OF_A_BATCH.split()), 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.name not in allowed:
            raise ValueError(f"the pickle has the opcode {opcode.name}, which no batch needs")
        # Pickle's memo is an array: an index that no store before it accounts for is an attack.
        if opcode.name.endswith("PUT") and (argument is None or argument > count):
            raise ValueError(f"the pickle asks for {argument} places of memory")
        tuples += opcode.name.startswith("TUPLE")
        if tuples > MOST_TUPLES or count > MOST_OPCODES:
            raise ValueError("the pickle is of more parts than a batch can be")


def _labels(labels: object) -> np.ndarray:
    if type(labels) is not list or not all(type(label) is int for label in labels):
        raise ValueError("labels are not a list of whole numbers")
    return np.array(labels, np.int32)


class _Dtype:
    """Stands for a numpy.dtype."""

    def __init__(self, name: bytes | str, *_: object):
        self.name = name.decode() if isinstance(name, bytes) else name

    def __setstate__(self, state: object) -> None:
        """Byte order and the like: a byte has none."""


class _Array:
    """Stands for a numpy.ndarray."""

    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.dtype, self.is_fortran, self.content = state

    def pixels(self) -> np.ndarray:
        name, shape = self.dtype.name, self.shape
        if name != "u1" or len(shape) != 2 or shape[1] != 3072 or self.is_fortran:
            raise ValueError(f"data is {str(name)[:9]} {str(shape)[:40]}, expected u1 (n, 3072)")
        return np.frombuffer(self.content, np.uint8).reshape(shape)


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> str | Callable:
        """A stand-in, made anew each time: a pickle may spoil what it is given."""
        match module, name:
            case "numpy", "ndarray":
                return name
            case "numpy", "dtype":
                return lambda *arguments: _Dtype(*arguments)
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return lambda *arguments: _Array()
        raise ValueError(f"the pickle asks for {module[:40]}.{name[:40]}, which no batch needs")
