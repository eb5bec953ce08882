"""The CIFAR-10 archives: every published form reads alike, and no damaged or hostile one passes."""

import gzip
import os
import pickle
import pickletools
import tarfile

import cifar_files
import numpy as np
import pytest

from jaxconv.data import archive, python_batch
from jaxconv.data.archive import find_archive, read_archive
from jaxconv.data.dataset import DataCorrupt
from jaxconv.data.python_batch import parse_python_batch

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
        (_member("x", type=tarfile.GNUTYPE_SPARSE, size=1 << 80), "no plain file"),
        (_member("cifar-10-batches-bin/test_batch.bin", size=1 << 40), "larger inside than"),
    ],
    ids=["absolute", "upwards", "symlink", "hardlink", "fifo", "sparse", "enormous"],
)
def test_an_archive_with_a_hostile_member_is_refused(tmp_path, member, message):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(member)
    _assert_corrupt(path, message)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE], ids=["gnu", "pax"])
def test_headers_that_follow_each_other_without_end_are_refused(tmp_path, kind):
    """tarfile goes one call deeper for each, and would run out of stack."""
    header = _member("x", type=kind, size=512).tobuf() + b"9 size=1\n".ljust(512, b"\0")
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(gzip.compress(header * 2000 + bytes(1024), 1))
    _assert_corrupt(path, "is truncated or corrupt")


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


def _batch_of(*, labels=None, data=None) -> bytes:
    """A pickled batch of which parts are opcodes of the test's own."""
    empty = b"]" if labels is None else labels
    array = pickle.dumps(np.zeros((12, 3072), np.uint8), 2)[2:-1] if data is None else data
    array = array.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    return b"\x80\x02}(U\x06labels" + empty + b"U\x04data" + array + b"u."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_batch_of(labels=b"]r\xff\xff\xff\x7f"), "asks for 2147483647 places of memory"),
        (_batch_of(labels=b")" + b"\x85" * 100_000), "more parts than a batch can be"),
        (_batch_of(labels=b"]" + b"](" * 600_000 + b"e" * 600_000), "more parts than a batch"),
        (_batch_of(labels=b"cos\nmkdir\n"), "the pickle asks for os.mkdir"),
        (_batch_of(labels=b"\x82\x01"), "the pickle has the opcode EXT1"),
        (_batch_of(data=b"cnumpy\nndarray\nJ\x00\x00\x00\x7f\x85R"), "not a CIFAR-10 batch"),
        (_batch_of(data=b"cnumpy\ndtype\nU\x03O64\x85R"), "not a CIFAR-10 batch"),
        (_batch_of(data=b"cnumpy\nndarray\n}U\x01xK\x01sb"), "not a CIFAR-10 batch"),
    ],
    ids=["memo", "tuples", "lists", "call", "extension", "shape", "dtype", "spoilt"],
)
def test_a_pickle_gets_no_memory_no_stack_and_no_numpy(content, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_python_batch(content)
    assert "\n" not in str(caught.value)


def test_an_honest_pickle_has_few_opcodes():
    """With as many labels and file names as the published one has."""
    batch = {b"labels": [9] * 10_000, b"filenames": [b"n%d" % n for n in range(10_000)]}
    batch[b"data"] = np.zeros((10_000, 3072), np.uint8)
    content = cifar_files.python_2_pickle(batch)
    opcodes = list(pickletools.genops(content))
    assert len(opcodes) < python_batch.MOST_OPCODES / 10
    assert sum(opcode.name.startswith("TUPLE") for opcode, *_ in opcodes) < 10
    pixels, labels = parse_python_batch(content)
    assert (pixels.shape, labels.shape) == ((10_000, 3072), (10_000,))


@pytest.mark.parametrize("kind", ["header", "end"])
def test_an_archive_that_unpacks_without_end_is_refused(tmp_path, monkeypatch, kind):
    """A name of gigabytes, which tarfile would read; or zeros without end after the members."""
    monkeypatch.setattr(archive, "LARGEST_ARCHIVE_BYTES", 1 << 20)
    path = tmp_path / "cifar-10-binary.tar.gz"
    if kind == "end":
        cifar_files.write_archive(path, cifar_files.binary_members())
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(2 << 20)))
    else:
        header = _member("././@LongLink", type=tarfile.GNUTYPE_LONGNAME, size=1 << 35)
        path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(2 << 20)))
    _assert_corrupt(path, "it is larger inside than CIFAR-10 can be")


@pytest.mark.parametrize("kind", ["device", "huge"])
def test_an_unpacked_folder_without_end_is_refused(tmp_path, kind):
    folder = tmp_path / "cifar-10-batches-bin"
    cifar_files.write_folder(tmp_path, cifar_files.binary_members())
    batch = folder / "data_batch_4.bin"
    if kind == "huge":
        os.truncate(batch, archive.LARGEST_MEMBER_BYTES + 1)
    else:
        batch.unlink()
        batch.symlink_to("/dev/zero")
    _assert_corrupt(folder, "data_batch_4.bin is no plain file, or larger than CIFAR-10 can be")


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
