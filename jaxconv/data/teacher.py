"""What a teacher says of the training images: its logits for a fixed set of views, in one file.

A view is an image under an augmentation that follows from a seed, the view's number and the image's
place in the data set, so that a student sees the very images that the teacher has seen.

The file is safetensors: one tensor, `logits`, and as metadata one entry, "teacher", in JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from jaxconv.errors import JaxconvError
from jaxconv.files import write_whole
from jaxconv.text import one_line


class TeacherError(JaxconvError):
    """A file that holds no teacher's logits; the message is one line."""


@dataclass(frozen=True)
class Teacher:
    """Logits for views of images, and what they are of.

    Raises:
        ValueError: logits of another shape or dtype, or not finite; a seed that is none.
    """

    logits: np.ndarray  # float16 [views, n, classes]
    seed: int  # that the views follow from
    facts: Mapping[str, Any]  # of data and augmentation, flat, as JSON holds them
    digest: str = ""  # SHA-256 of the file, where it comes from one

    def __post_init__(self) -> None:
        kind, shape = self.logits.dtype, self.logits.shape
        if kind != np.float16 or len(shape) != 3 or 0 in shape:
            raise ValueError(f"logits {kind}{list(shape)}: expected float16 [views, n, classes]")
        if not np.isfinite(self.logits).all():
            raise ValueError("logits that are not finite in float16: the teacher has diverged")
        if type(self.seed) is not int or not 0 <= self.seed < 2**32:
            raise ValueError(f"seed {self.seed!r}: expected a whole number below 2**32")
        if not isinstance(self.facts, Mapping):
            raise ValueError(f"facts {self.facts!r}: expected fields")

    def first(self, count: int) -> Teacher:
        """The same of the first `count` images."""
        return replace(self, logits=self.logits[:, :count])


def save_teacher(path: Path, teacher: Teacher) -> None:
    """Writes a .safetensors file, whole or not at all; the same teacher gives the same bytes."""
    told = json.dumps({"seed": teacher.seed, "facts": teacher.facts}, sort_keys=True)
    logits = np.ascontiguousarray(teacher.logits)
    write_whole(path, save({"logits": logits}, {"teacher": told}))


def load_teacher(path: Path) -> Teacher:
    """Reads what `save_teacher` wrote; nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        TeacherError: it is not what `save_teacher` writes.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        if not path.is_file():
            raise ValueError("no plain file")
        with safe_open(path, framework="np") as file:
            told = json.loads((file.metadata() or {})["teacher"])
            logits = file.get_tensor("logits")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Teacher(logits, told["seed"], told["facts"], digest)
    except (AttributeError, KeyError, RecursionError, SafetensorError, TypeError, ValueError) as no:
        raise TeacherError(
            f"{path} holds no teacher's logits ({one_line(no)}); make it by jaxconv distill"
        ) from no
