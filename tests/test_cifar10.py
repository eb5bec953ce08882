"""Where CIFAR-10 is looked for, in which order, and what is said when a place fails."""

import hashlib
import io
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import cifar_files
import numpy as np
import pytest

from jaxconv.data import archive, tfds_builder
from jaxconv.data.cifar10 import load_cifar10
from jaxconv.data.dataset import DataCorrupt, DataUnavailable, format_statistics, statistics
from jaxconv.data.download import RemoteFile
from jaxconv.data.tfds_directory import find_tfds_directory

REAL = os.environ.get("TFDS_DATA_DIR")
needs_real_data = pytest.mark.skipif(
    REAL is None or find_tfds_directory(Path(REAL)) is None,
    reason="real data: set TFDS_DATA_DIR to a folder with cifar10 as array_record",
)


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A machine without CIFAR-10: an empty home, no TFDS_DATA_DIR, batches of a few images."""
    monkeypatch.setattr(archive, "IMAGES_PER_BATCH", cifar_files.BATCH)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    (tmp_path / "data").mkdir()
    return tmp_path


def _archive_in(directory: Path) -> Path:
    path = directory / "cifar-10-binary.tar.gz"
    return cifar_files.write_archive(path, cifar_files.binary_members())


def _tfds_in(directory: Path) -> Path:
    """A small tfds directory; nothing is downloaded, as the archive is in tfds's place for it."""
    manual = directory / "downloads" / "manual"
    manual.mkdir(parents=True)
    return tfds_builder.prepare_cifar10(directory, _remote(_archive_in(manual).read_bytes()))


def _remote(content: bytes) -> RemoteFile:
    digest = hashlib.sha256(content).hexdigest()
    return RemoteFile("https://nowhere.invalid/cifar-10-binary.tar.gz", len(content), digest)


def _assert_holds_the_data(dataset) -> None:
    arrays = (*dataset.train, *dataset.test)
    for got, want in zip(arrays, cifar_files.expected(), strict=True):
        np.testing.assert_array_equal(got, want)
    assert dataset.class_names[0] == "airplane"
    assert len(dataset.class_names) == 10


def _load(data_dir=None, *, download=False, **kwargs):
    return load_cifar10(data_dir=data_dir and str(data_dir), download=download, **kwargs)


# The order


def test_an_archive_comes_before_a_tfds_directory_and_the_cache_before_both(places):
    data = places / "data"
    directory = _tfds_in(data)
    from_tfds = _load(data, cache_dir=places / "a")
    assert from_tfds.origin == f"tfds directory {directory}"
    path = _archive_in(data)
    from_archive = _load(data, cache_dir=places / "b")
    assert from_archive.origin == f"archive {path}"
    shutil.rmtree(data)
    data.mkdir()
    from_cache = _load(data, cache_dir=places / "b")
    assert from_cache.origin == f"decoded cache {places / 'b'}, made from archive {path}"
    assert isinstance(from_cache.train.images, np.memmap)
    for dataset in (from_tfds, from_archive, from_cache):
        _assert_holds_the_data(dataset)


def test_tfds_directories_are_found_in_the_environment_and_at_home(places, monkeypatch):
    at_home = _tfds_in(places / "home" / "tensorflow_datasets")
    assert _load(cache_dir=places / "a").origin == f"tfds directory {at_home}"
    in_env = _tfds_in(places / "elsewhere")
    monkeypatch.setenv("TFDS_DATA_DIR", str(places / "elsewhere"))
    assert _load(cache_dir=places / "b").origin == f"tfds directory {in_env}"


def test_the_cache_is_in_the_users_cache_folder(places, monkeypatch):
    _archive_in(places / "data")
    _load(places / "data")
    assert (places / "caches" / "jaxconv" / "cifar10" / "manifest.json").exists()
    monkeypatch.delenv("XDG_CACHE_HOME")
    _load(places / "data")
    assert (places / "home" / ".cache" / "jaxconv" / "cifar10" / "manifest.json").exists()


def test_relative_paths_and_a_tilde_are_understood(places, monkeypatch):
    monkeypatch.chdir(places)
    path = _archive_in(places / "data")
    dataset = _load("data", cache_dir="cache")
    assert dataset.origin == f"archive {path}"
    (places / "home").mkdir()
    assert _load("~", cache_dir="cache").origin.startswith(f"decoded cache {places / 'cache'}")


# Not at hand


def test_every_place_that_was_tried_is_named_with_the_remedy(places, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(places / "env"))
    with pytest.raises(DataUnavailable) as caught:
        _load(places / "data")
    assert str(caught.value) == (
        f"cifar10 is not at hand (no archive in {places / 'data'}; "
        f"no tfds directory {places / 'data' / 'cifar10'}; "
        f"no tfds directory {places / 'env' / 'cifar10'}; "
        f"no tfds directory {places / 'home' / 'tensorflow_datasets' / 'cifar10'}; "
        "data.download is false): put cifar-10-binary.tar.gz into a folder and name the folder "
        "with data.dir, set TFDS_DATA_DIR, or allow data.download"
    )
    with pytest.raises(DataUnavailable, match=r"no archive, as data\.dir is not given"):
        _load()


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_given_folder_must_exist(places, kind):
    wrong = places / "wrong"
    if kind == "file":
        wrong.touch()
    with pytest.raises(
        DataUnavailable, match=r"data\.dir '.*wrong' is not an existing folder: put"
    ):
        _load(wrong)


def test_a_host_out_of_reach_is_known_within_five_seconds(places, monkeypatch):
    over = threading.Event()

    def never(*_, **__):
        over.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", never)
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    started = time.monotonic()
    with pytest.raises(
        DataUnavailable, match=r"no download, as www\.cs\.toronto\.edu cannot be rea"
    ):
        _load(places / "data", download=True)
    assert time.monotonic() - started < 5
    over.set()
    assert not list((places / "data").iterdir())


def test_without_permission_no_host_is_asked(places, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("a host was asked")

    monkeypatch.setattr(socket, "create_connection", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    with pytest.raises(DataUnavailable, match=r"data\.download is false"):
        _load(places / "data", download=False)


def test_a_download_goes_into_the_given_folder_and_is_found_again(places, monkeypatch):
    def fetch(file, directory):
        assert directory.is_relative_to(places / "data")
        directory.mkdir(parents=True)
        return _archive_in(directory)

    monkeypatch.setattr(tfds_builder, "fetch", fetch)
    content = _archive_in(places).read_bytes()
    monkeypatch.setattr(tfds_builder.prepare_cifar10, "__defaults__", (_remote(content),))
    dataset = _load(places / "data", download=True, cache_dir=places / "a")
    assert dataset.origin.startswith("download from https://www.cs.toronto.edu/~kriz/cifar-10-bin")
    _assert_holds_the_data(dataset)
    again = _load(places / "data", download=False, cache_dir=places / "b")
    assert again.origin == f"tfds directory {places / 'data' / 'cifar10' / '3.0.2'}"


def test_a_folder_that_cannot_take_the_download_is_told(places, monkeypatch):
    (places / "home").write_text("a file where tfds wants its folder")
    monkeypatch.setattr(
        tfds_builder, "fetch", lambda file, directory: directory.mkdir(parents=True)
    )
    with pytest.raises(
        DataUnavailable, match=r"no download, as .*tensorflow_datasets cannot be wri"
    ):
        _load(download=True)


def test_files_that_only_tensorflow_reads_are_told_and_never_replaced(places):
    directory = places / "data" / "cifar10" / "3.0.2"
    directory.mkdir(parents=True)
    (directory / "dataset_info.json").write_text('{"name": "cifar10", "version": "3.0.2"}')
    with pytest.raises(
        DataUnavailable, match=r"holds tfrecord files, which only TensorFlow .*it would"
    ):
        _load(places / "data", download=True)


def test_an_unfinished_preparation_is_no_tfds_directory(places):
    directory = _tfds_in(places / "data")
    directory.rename(directory.with_name("incomplete.ABCDEF_3.0.2"))
    assert find_tfds_directory(places / "data") is None


# Corrupt


def _shard(directory: Path) -> Path:
    return next(directory.glob("cifar10-train.array_record-*"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: path.write_bytes(_flip(path.read_bytes(), 3000)),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
    ids=["truncated", "flipped", "empty", "missing"],
)
def test_a_damaged_shard_is_named(places, damage):
    shard = _shard(_tfds_in(places / "data"))
    damage(shard)
    _assert_corrupt(places, f"{shard} is truncated or corrupt", "copy the directory again")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fileFormat": "array_record"}', "\0"])
def test_a_damaged_description_is_named(places, text):
    info = _tfds_in(places / "data") / "dataset_info.json"
    info.write_text(text)
    with pytest.raises((DataCorrupt, DataUnavailable), match=re.escape(str(info.parent))) as caught:
        _load(places / "data")
    assert "\n" not in str(caught.value)


def test_a_shard_of_another_length_is_named(places):
    directory = _tfds_in(places / "data")
    info = directory / "dataset_info.json"
    info.write_text(info.read_text().replace('"60"', '"61"'))
    _assert_corrupt(places, "60 records, expected 61")


def test_a_damaged_archive_is_never_passed_over(places):
    path = _archive_in(places / "data")
    os.truncate(path, path.stat().st_size // 2)
    _tfds_in(places / "home" / "tensorflow_datasets")
    _assert_corrupt(places, f"{path} is truncated or corrupt", "get it again")


def _assert_corrupt(places: Path, *parts: str) -> None:
    with pytest.raises(DataCorrupt) as caught:
        _load(places / "data")
    assert all(part in str(caught.value) for part in parts), caught.value
    assert "\n" not in str(caught.value)


def _flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


def test_a_damaged_cache_is_told_and_made_anew(places, caplog):
    _archive_in(places / "data")
    _load(places / "data")
    images = places / "caches" / "jaxconv" / "cifar10" / "train_images.npy"
    images.write_bytes(_flip(images.read_bytes(), 5000))
    with caplog.at_level(logging.WARNING):
        _assert_holds_the_data(_load(places / "data"))
    [record] = caplog.records
    assert re.search(
        r"the decoded cache is damaged: .*train_images\.npy: its content does not match its "
        r"checksum; made anew from archive ",
        record.getMessage(),
    )
    caplog.clear()
    assert _load(places / "data").origin.startswith("decoded cache")
    assert not caplog.records


def test_a_damaged_cache_without_a_source_is_an_error(places):
    _archive_in(places / "data")
    _load(places / "data")
    os.truncate(places / "caches" / "jaxconv" / "cifar10" / "test_labels.npy", 10)
    with pytest.raises(
        DataCorrupt,
        match=r"test_labels\.npy: 10 bytes, expected \d+, and it cannot be made anew: cifar10 is",
    ):
        _load()


@pytest.mark.parametrize("kind", ["file", "read-only"])
def test_a_cache_that_cannot_be_written_stops_nothing(places, caplog, kind):
    cache = places / "locked"
    if kind == "file":
        cache.touch()
    elif os.geteuid() == 0:
        pytest.skip("root writes where it likes")
    else:
        cache.mkdir(mode=0o555)
    _archive_in(places / "data")
    with caplog.at_level(logging.WARNING):
        _assert_holds_the_data(_load(places / "data", cache_dir=cache))
    [record] = caplog.records
    assert re.search(r"the decoded cache .*locked cannot be written \(", record.getMessage())


# Real data


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory):
    """The decoded cache of the real data, made in a process that can open no socket."""
    cache = tmp_path_factory.mktemp("real") / "cache"
    program = """
        import sys
        def hook(event, arguments):
            if event.startswith("socket."):
                raise RuntimeError(f"{event} {arguments}")
        sys.addaudithook(hook)
        from jaxconv.data.cifar10 import load_cifar10
        dataset = load_cifar10(data_dir=None, download=True, cache_dir=sys.argv[1])
        foreign = {"tensorflow", "torch"} & set(sys.modules)
        print(dataset.origin, dataset.train.images.shape, dataset.test.images.shape, foreign)
    """
    outputs = [
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), str(cache)],
            env=os.environ | {"TFDS_DATA_DIR": REAL},
            text=True,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    return cache, outputs


@needs_real_data
def test_real_data_needs_no_network_and_no_tensorflow(real_cache):
    _, (first, second) = real_cache
    shapes = "(50000, 32, 32, 3) (10000, 32, 32, 3) set()\n"
    assert first.startswith("tfds directory ")
    assert second.startswith("decoded cache ")
    assert first.endswith(shapes)
    assert second.endswith(shapes)


@needs_real_data
def test_real_data_has_the_documented_statistics(real_cache):
    dataset = _load(cache_dir=real_cache[0])
    train, test = statistics(dataset.train), statistics(dataset.test)
    np.testing.assert_allclose(train.mean, (0.49139968, 0.48215841, 0.44653091), atol=6e-9)
    np.testing.assert_allclose(train.std, (0.24703223, 0.24348513, 0.26158784), atol=6e-9)
    np.testing.assert_allclose(test.mean, (0.49421428, 0.48513139, 0.45040909), atol=6e-9)
    np.testing.assert_allclose(test.std, (0.24665252, 0.24289226, 0.26159238), atol=6e-9)
    np.testing.assert_array_equal(np.bincount(dataset.train.labels), 5000)
    np.testing.assert_array_equal(np.bincount(dataset.test.labels), 1000)


DOCUMENTED = """\
[Train]
 - Total Train Images: 50000
 - Tensor Shape: (3, 32, 32)
 - min: (0.0, 0.0, 0.0)
 - max: (1.0, 1.0, 1.0)
 - mean: (0.49139968, 0.48215827, 0.44653124)
 - std: (0.24703233, 0.24348505, 0.26158768)
 - var: (0.061024975, 0.05928497, 0.06842812)
[Test]
 - Total Test Images: 10000
 - Tensor Shape: (3, 32, 32)
 - min: (0.0, 0.0, 0.0)
 - max: (1.0, 1.0, 1.0)
 - mean: (0.49421427, 0.48513183, 0.45040932)
 - std: (0.24665256, 0.24289224, 0.26159248)
 - var: (0.06083748, 0.058996636, 0.06843062)"""


@needs_real_data
def test_the_printed_statistics_equal_the_documented_ones(real_cache):
    number = re.compile(r"\d+\.\d+")
    printed = format_statistics(_load(cache_dir=real_cache[0]))
    assert number.sub("#", printed) == number.sub("#", DOCUMENTED)
    np.testing.assert_allclose(
        [float(text) for text in number.findall(printed)],
        [float(text) for text in number.findall(DOCUMENTED)],
        atol=1e-6,
    )


@needs_real_data
def test_the_cache_of_real_data_opens_in_a_moment(real_cache):
    _load(cache_dir=real_cache[0])
    started = time.perf_counter()
    _load(cache_dir=real_cache[0])
    assert time.perf_counter() - started < 1


@needs_real_data
def test_real_shards_decode_to_the_pixels_that_another_decoder_sees(real_cache):
    """The first shard's PNGs, found by their signature in the raw records, read with Pillow."""
    from array_record.python.array_record_module import ArrayRecordReader
    from PIL import Image

    dataset = _load(cache_dir=real_cache[0])
    shard = sorted(find_tfds_directory(Path(REAL)).glob("cifar10-test.array_record-*"))[0]
    for record in ArrayRecordReader(str(shard)).read([0, 1, 2, 3]):
        png = record[record.index(b"\x89PNG") :]
        index = int(re.search(rb"test_(\d{5})", record)[1])
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO(png))), dataset.test.images[index]
        )
