"""Small CIFAR-10 files in every published form, and a machine on which to look for them.

The archives are written by code that shares none with the reader.
`BATCH` images a batch instead of 10,000; tests set `archive.IMAGES_PER_BATCH` to it.
"""

import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np

from jaxconv.data import archive, tfds_builder
from jaxconv.data.cifar10 import load_cifar10
from jaxconv.data.dataset import Dataset
from jaxconv.data.download import RemoteFile

BATCH = 12
NAMES = tuple(f"data_batch_{i}" for i in range(1, 6)) + ("test_batch",)


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Six batches of planes uint8 [n, 3, 32, 32] and labels, the test batch last."""
    rng = np.random.default_rng(7)
    return [
        (rng.integers(0, 256, (BATCH, 3, 32, 32), np.uint8), rng.integers(0, 10, BATCH))
        for _ in NAMES
    ]


def expected() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """train images, train labels, test images, test labels, as a reader should return them."""
    images = [np.moveaxis(planes, 1, -1) for planes, _ in batches()]
    labels = [labels for _, labels in batches()]
    return np.concatenate(images[:5]), np.concatenate(labels[:5]), images[5], labels[5]


def binary_members() -> dict[str, bytes]:
    return {
        f"cifar-10-batches-bin/{name}.bin": b"".join(
            bytes([label]) + image.tobytes() for image, label in zip(planes, labels, strict=True)
        )
        for name, (planes, labels) in zip(NAMES, batches(), strict=True)
    }


def python_members() -> dict[str, bytes]:
    return {
        f"cifar-10-batches-py/{name}": python_2_pickle(
            {b"data": planes.reshape(BATCH, 3072), b"labels": labels.tolist()}
        )
        for name, (planes, labels) in zip(NAMES, batches(), strict=True)
    }


def python_2_pickle(batch: dict) -> bytes:
    """As Python 2 and NumPy 1 wrote the published archive: text strings, and NumPy's old name."""

    class Pickler(pickle._Pickler):
        dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

        def save_bytes(self, text):
            self.write(pickle.BINSTRING + len(text).to_bytes(4, "little") + text)
            self.memoize(text)

        dispatch[bytes] = save_bytes

    out = io.BytesIO()
    Pickler(out, protocol=2).dump(batch)
    return out.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def write_archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_folder(directory: Path, members: dict[str, bytes]) -> Path:
    for name, content in members.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(content)
    return directory


def empty_machine(directory: Path, monkeypatch) -> Path:
    """A machine without CIFAR-10: an empty home, no TFDS_DATA_DIR, batches of a few images."""
    monkeypatch.setattr(archive, "IMAGES_PER_BATCH", BATCH)
    monkeypatch.setenv("HOME", str(directory / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(directory / "caches"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    (directory / "data").mkdir()
    return directory


def archive_in(directory: Path) -> Path:
    path = directory / "cifar-10-binary.tar.gz"
    return write_archive(path, binary_members())


def tfds_in(directory: Path) -> Path:
    """A small tfds directory; nothing is downloaded, as the archive is in tfds's place for it."""
    manual = directory / "downloads" / "manual"
    manual.mkdir(parents=True)
    return tfds_builder.prepare_cifar10(directory, remote(archive_in(manual).read_bytes()))


def remote(content: bytes) -> RemoteFile:
    digest = hashlib.sha256(content).hexdigest()
    return RemoteFile("https://nowhere.invalid/cifar-10-binary.tar.gz", len(content), digest)


def assert_holds_the_data(dataset) -> None:
    arrays = (*dataset.train, *dataset.test)
    for got, want in zip(arrays, expected(), strict=True):
        np.testing.assert_array_equal(got, want)
    assert dataset.class_names[0] == "airplane"
    assert len(dataset.class_names) == 10


def load(data_dir: Path | None = None, *, download: bool = False, **kwargs) -> Dataset:
    return load_cifar10(data_dir=data_dir and str(data_dir), download=download, **kwargs)
