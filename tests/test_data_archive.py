"""The CIFAR-10 archives: every published form reads alike, and no damaged or hostile one passes."""

import os
import pickle
import tarfile

import cifar_files
import numpy as np
import pytest

from jaxconv.data import archive
from jaxconv.data.archive import find_archive, read_archive
from jaxconv.data.dataset import DataCorrupt

FORMS = {
    "binary": ("cifar-10-binary.tar.gz", "cifar-10-batches-bin", cifar_files.binary_members),
    "python": ("cifar-10-python.tar.gz", "cifar-10-batches-py", cifar_files.python_members),
}


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(archive, "IMAGES_PER_BATCH", cifar_files.BATCH)


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "unpacked"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_arrays(tmp_path, form, packed):
    archive_name, folder, members = FORMS[form]
    if packed:
        cifar_files.write_archive(tmp_path / archive_name, members())
    else:
        cifar_files.write_folder(tmp_path, members())
    path = find_archive(tmp_path)
    assert path == tmp_path / (archive_name if packed else folder)
    train, test = read_archive(path)
    for got, want in zip((*train, *test), cifar_files.expected(), strict=True):
        np.testing.assert_array_equal(got, want)
    assert train.images.dtype == np.uint8
    assert train.labels.dtype == np.int32


def test_the_unpacked_folder_itself_may_be_given(tmp_path):
    cifar_files.write_folder(tmp_path, cifar_files.binary_members())
    folder = tmp_path / "cifar-10-batches-bin"
    assert find_archive(folder) == folder
    assert find_archive(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_a_damaged_archive_is_named_with_the_remedy(tmp_path, form, damage):
    name, _, members = FORMS[form]
    path = cifar_files.write_archive(tmp_path / name, members())
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    if damage == "flipped":
        content[middle] ^= 1
    path.write_bytes(
        {"truncated": content[:middle], "flipped": content, "empty": b"", "text": b"404"}[damage]
    )
    _assert_corrupt(path, "is truncated or corrupt")


def test_an_archive_of_the_official_size_must_have_the_official_digest(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.touch()
    os.truncate(path, archive.LAYOUTS[0].bytes)  # a sparse file of zeros
    _assert_corrupt(
        path, "expected c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: None, "it has no data_batch_2.bin"),
        (lambda content: content[:-1], "expected rows of 3073"),
        (
            lambda content: content[:-3073],
            "data_batch_2.bin has 11 images and 11 labels, expected 12",
        ),
        (lambda content: b"\x0a" + content[1:], "data_batch_2.bin has a label outside 0 to 9"),
    ],
    ids=["missing", "cut", "short", "label"],
)
def test_a_batch_must_be_whole(tmp_path, change, message):
    members = cifar_files.binary_members()
    name = "cifar-10-batches-bin/data_batch_2.bin"
    if (content := change(members.pop(name))) is not None:
        members[name] = content
    _assert_corrupt(
        cifar_files.write_archive(tmp_path / "cifar-10-binary.tar.gz", members), message
    )


def test_a_missing_file_of_an_unpacked_folder_is_named(tmp_path):
    cifar_files.write_folder(tmp_path, cifar_files.binary_members())
    folder = tmp_path / "cifar-10-batches-bin"
    (folder / "test_batch.bin").unlink()
    _assert_corrupt(folder, "test_batch.bin is missing")


def _member(name: str, **fields) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return member


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (_member("/etc/passwd"), "points outside: '/etc/passwd'"),
        (_member("cifar-10-batches-bin/../../x"), "points outside"),
        (
            _member("cifar-10-batches-bin/test_batch.bin", type=tarfile.SYMTYPE, linkname="/etc/x"),
            "no plain file",
        ),
        (_member("x", type=tarfile.LNKTYPE, linkname="/etc/x"), "no plain file"),
        (_member("x", type=tarfile.FIFOTYPE), "no plain file"),
        (_member("cifar-10-batches-bin/test_batch.bin", size=1 << 40), "larger inside than"),
    ],
    ids=["absolute", "upwards", "symlink", "hardlink", "fifo", "enormous"],
)
def test_an_archive_with_a_hostile_member_is_refused(tmp_path, member, message):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(member)
    _assert_corrupt(path, message)


def test_an_archive_with_thousands_of_members_is_refused(tmp_path):
    members = {f"cifar-10-batches-bin/{index}": b"" for index in range(100)}
    path = cifar_files.write_archive(tmp_path / "cifar-10-binary.tar.gz", members)
    _assert_corrupt(path, "larger inside than CIFAR-10 can be, at 'cifar-10-batches-bin/64'")


class _Payload:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_calls_anything_is_refused_before_it_does(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    members = cifar_files.python_members()
    members["cifar-10-batches-py/data_batch_3"] = pickle.dumps(_Payload(), protocol)
    path = cifar_files.write_archive(tmp_path / "cifar-10-python.tar.gz", members)
    _assert_corrupt(path, "the pickle asks for")
    assert not (tmp_path / "made-by-a-pickle").exists()


@pytest.mark.parametrize(
    "batch",
    [
        [1, 2],
        {b"data": 3},
        {b"data": np.zeros((12, 3072)), b"labels": [0] * 12},
        {b"data": np.zeros((12, 9), np.uint8), b"labels": [0] * 12},
        {b"data": np.zeros((12, 3072), np.uint8), b"labels": ["cat"] * 12},
        {b"data": np.zeros((12, 3072), np.uint8), b"labels": [None] * 12},
    ],
)
def test_a_pickle_of_something_else_is_refused(tmp_path, batch):
    members = cifar_files.python_members()
    members["cifar-10-batches-py/data_batch_1"] = cifar_files.python_2_pickle(batch)
    path = cifar_files.write_archive(tmp_path / "cifar-10-python.tar.gz", members)
    _assert_corrupt(path, "is truncated or corrupt")


def _assert_corrupt(path, message: str) -> None:
    with pytest.raises(DataCorrupt) as caught:
        read_archive(path)
    text = str(caught.value)
    assert str(path) in text
    assert message in text
    assert text.endswith("get it again, or remove it to use another source")
    assert "\n" not in text
