"""Where CIFAR-10 is looked for, in which order, and what is said when a place fails."""

import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import cifar_files
import numpy as np
import pytest
from cifar_files import archive_in, assert_holds_the_data, load, remote, tfds_in

from jaxconv.data import tfds_builder
from jaxconv.data.dataset import (
    DataCorrupt,
    DataUnavailable,
    NotInGivenFolder,
    first_available,
)
from jaxconv.data.tfds_directory import find_tfds_directory


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    return cifar_files.empty_machine(tmp_path, monkeypatch)


# The order


def test_an_archive_comes_before_a_tfds_directory_and_the_cache_before_both(places):
    data = places / "data"
    directory = tfds_in(data)
    from_tfds = load(data, cache_dir=places / "a")
    assert from_tfds.origin == f"tfds directory {directory}"
    path = archive_in(data)
    from_archive = load(data, cache_dir=places / "b")
    assert from_archive.origin == f"archive {path}"
    from_cache = load(data, cache_dir=places / "b")
    assert from_cache.origin == f"decoded cache {places / 'b'}, made from archive {path}"
    assert isinstance(from_cache.train.images, np.memmap)
    for dataset in (from_tfds, from_archive, from_cache):
        assert_holds_the_data(dataset)


def test_a_cache_does_not_excuse_a_given_folder_that_has_no_data(places):
    archive_in(places / "data")
    load(places / "data", cache_dir=places / "cache")
    shutil.rmtree(places / "data")
    (places / "data").mkdir()
    with pytest.raises(NotInGivenFolder, match="leave it out to take the decoded cache") as caught:
        load(places / "data", cache_dir=places / "cache")
    assert caught.value.exit_code == 2
    assert load(cache_dir=places / "cache").origin.startswith("decoded cache")


def test_tfds_directories_are_found_in_the_environment_and_at_home(places, monkeypatch):
    at_home = tfds_in(places / "home" / "tensorflow_datasets")
    assert load(cache_dir=places / "a").origin == f"tfds directory {at_home}"
    in_env = tfds_in(places / "elsewhere")
    monkeypatch.setenv("TFDS_DATA_DIR", str(places / "elsewhere"))
    assert load(cache_dir=places / "b").origin == f"tfds directory {in_env}"


def test_the_cache_is_in_the_users_cache_folder(places, monkeypatch):
    archive_in(places / "data")
    load(places / "data")
    assert (places / "caches" / "jaxconv" / "cifar10" / "manifest.json").exists()
    monkeypatch.delenv("XDG_CACHE_HOME")
    load(places / "data")
    assert (places / "home" / ".cache" / "jaxconv" / "cifar10" / "manifest.json").exists()


def test_relative_paths_and_a_tilde_are_understood(places, monkeypatch):
    monkeypatch.chdir(places)
    path = archive_in(places / "data")
    dataset = load("data", cache_dir="cache")
    assert dataset.origin == f"archive {path}"
    (places / "home").mkdir()
    archive_in(places / "home")
    assert load("~", cache_dir="cache").origin.startswith(f"decoded cache {places / 'cache'}")


# Not at hand


def test_every_place_that_was_tried_is_named_with_the_remedy(places, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(places / "env"))
    with pytest.raises(DataUnavailable) as caught:
        load(places / "data")
    remedy = (
        "data.download is false): put cifar-10-binary.tar.gz into a folder and name the folder "
        "with data.dir, set TFDS_DATA_DIR, or allow data.download"
    )
    assert str(caught.value) == (
        f"cifar10 is not at hand (no archive in {places / 'data'}; "
        f"no tfds directory {places / 'data' / 'cifar10'}; {remedy}"
    )
    with pytest.raises(DataUnavailable) as caught:
        load()
    assert str(caught.value) == (
        "cifar10 is not at hand (no archive, as data.dir is not given; "
        f"no tfds directory {places / 'env' / 'cifar10'}; "
        f"no tfds directory {places / 'home' / 'tensorflow_datasets' / 'cifar10'}; {remedy}"
    )


def test_a_folder_that_was_given_is_the_only_one_and_no_other_data_take_its_place(places):
    """Neither CIFAR-10 from elsewhere nor drawn shapes: somebody has mistaken a path."""
    tfds_in(places / "home" / "tensorflow_datasets")
    given = {
        "cifar10": lambda: load(places / "data"),
        "shapes10": lambda: pytest.fail("another data set was asked for"),
    }
    with pytest.raises(DataUnavailable, match=r"^cifar10 is not at hand \(no archive in .*data;"):
        first_available(given)


@pytest.mark.parametrize("kind", ["missing", "file", "nul", "loop", "~nobody-of-that-name"])
def test_a_given_folder_must_exist(places, kind):
    wrong = places / "wrong"
    if kind == "file":
        wrong.touch()
    elif kind == "loop":
        wrong.symlink_to(wrong)
    elif kind != "missing":
        wrong = f"{kind[:1]}{kind[1:]}/wrong".replace("nul", "\0")
    with pytest.raises(
        DataUnavailable, match=r"data\.dir '.*wrong' is not an existing folder: put"
    ):
        load(wrong)


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
        load(places / "data", download=True)
    assert time.monotonic() - started < 5
    over.set()
    assert not list((places / "data").iterdir())


def test_without_permission_no_host_is_asked(places, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("a host was asked")

    monkeypatch.setattr(socket, "create_connection", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    with pytest.raises(DataUnavailable, match=r"data\.download is false"):
        load(places / "data", download=False)


@pytest.fixture
def fetched(places, monkeypatch):
    """How often the archive was fetched, from nowhere."""
    archive, calls = archive_in(places), []
    content = archive.read_bytes()  # once: it holds the second in which it was made

    def fetch(file, directory):
        assert directory.is_relative_to(places / "data")
        directory.mkdir(parents=True, exist_ok=True)
        calls.append(directory)
        return shutil.copy(archive, directory / archive.name)

    monkeypatch.setattr(tfds_builder, "fetch", fetch)
    monkeypatch.setattr(tfds_builder.prepare_cifar10, "__defaults__", (remote(content),))
    return calls


def test_where_nothing_can_write_a_tfds_directory_the_archive_is_kept(places, fetched, monkeypatch):
    """array_record, which writes one, has no wheels for macOS."""
    monkeypatch.setattr("jaxconv.data.cifar10.find_spec", lambda name: None)
    dataset = load(places / "data", download=True, cache_dir=places / "a")
    assert_holds_the_data(dataset)
    archive = places / "data" / "downloads" / "manual" / "cifar-10-binary.tar.gz"
    assert dataset.origin.endswith(f"cifar-10-binary.tar.gz, which is now {archive}")
    assert archive.is_file()
    assert not (places / "data" / "cifar10").exists()


def test_a_download_goes_into_the_given_folder_and_is_found_again(places, fetched):
    dataset = load(places / "data", download=True, cache_dir=places / "a")
    assert dataset.origin.startswith("download from https://www.cs.toronto.edu/~kriz/cifar-10-bin")
    assert_holds_the_data(dataset)
    again = load(places / "data", download=False, cache_dir=places / "b")
    assert again.origin == f"tfds directory {places / 'data' / 'cifar10' / '3.0.2'}"
    shutil.rmtree(places / "data")
    (places / "data").mkdir()
    anew = load(places / "data", download=True, cache_dir=places / "b")  # the cache is no reason
    assert anew.origin.startswith("download from")


def test_a_folder_that_cannot_take_the_download_is_told(places, monkeypatch):
    (places / "home").write_text("a file where tfds wants its folder")
    monkeypatch.setattr(
        tfds_builder, "fetch", lambda file, directory: directory.mkdir(parents=True)
    )
    with pytest.raises(
        DataUnavailable, match=r"no download, as .*tensorflow_datasets cannot be wri"
    ):
        load(download=True)


def test_files_that_only_tensorflow_reads_are_told_and_never_replaced(places):
    directory = places / "data" / "cifar10" / "3.0.2"
    directory.mkdir(parents=True)
    (directory / "dataset_info.json").write_text('{"name": "cifar10", "version": "3.0.2"}')
    with pytest.raises(
        DataUnavailable, match=r"holds tfrecord files, which only TensorFlow .*it would"
    ):
        load(places / "data", download=True)


def test_an_unfinished_preparation_is_no_tfds_directory(places):
    directory = tfds_in(places / "data")
    directory.rename(directory.with_name("incomplete.ABCDEF_3.0.2"))
    assert find_tfds_directory(places / "data") is None


# What may not be read, and what is no plain file


@pytest.fixture
def somebody_else(places, monkeypatch):
    """A context in which this process may read only what everybody may, even where it is root's."""
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which is root's alone
        os.chmod(folder, 0o755)
        other = Path(folder)
        monkeypatch.setenv("HOME", str(other / "home"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(other / "caches"))
        (other / "data").mkdir()

        @contextlib.contextmanager
        def as_somebody_else():
            before = os.geteuid()
            os.seteuid(65534 if before == 0 else before)
            try:
                yield other
            finally:
                os.seteuid(before)

        yield other, as_somebody_else


@pytest.mark.parametrize("locked", [".", "cifar10", "cifar10/3.0.2/dataset_info.json"])
def test_a_tfds_directory_that_may_not_be_read_is_passed_over(somebody_else, locked, monkeypatch):
    other, as_somebody_else = somebody_else
    first = tfds_in(other / "env")
    monkeypatch.setenv("TFDS_DATA_DIR", str(other / "env"))
    with as_somebody_else():
        assert load(cache_dir=other / "a").origin == f"tfds directory {first}"
    os.chmod(other / "env" / locked, 0)
    at_home = tfds_in(other / "home" / "tensorflow_datasets")
    with as_somebody_else():
        assert load(cache_dir=other / "b").origin == f"tfds directory {at_home}"
    os.chmod(at_home / "dataset_info.json", 0)
    with as_somebody_else(), pytest.raises(DataUnavailable, match=r"cannot be read") as told:
        load(cache_dir=other / "c")
    assert "truncated or corrupt" not in str(told.value)


def test_an_archive_that_may_not_be_read_is_not_called_damaged(somebody_else):
    other, as_somebody_else = somebody_else
    path = archive_in(other / "data")
    os.chmod(path, 0)
    with (
        as_somebody_else(),
        pytest.raises(DataUnavailable, match=rf"{path} cannot be read \(Permission denied\)"),
    ):
        load(other / "data")


def test_a_folder_that_may_not_be_read_is_told(somebody_else):
    other, as_somebody_else = somebody_else
    os.chmod(other / "data", 0)
    with (
        as_somebody_else(),
        pytest.raises(
            DataUnavailable, match=r"data\.dir '.*' cannot be read \(Permission denied\): put"
        ),
    ):
        load(other / "data")


def test_a_cache_that_may_not_be_read_is_not_called_damaged(somebody_else, caplog):
    other, as_somebody_else = somebody_else
    archive_in(other / "data")
    load(other / "data")
    os.chmod(other / "caches" / "jaxconv" / "cifar10" / "manifest.json", 0)
    with as_somebody_else():
        assert_holds_the_data(load(other / "data"))
    first, *_ = caplog.records
    assert "manifest.json cannot be read (Permission denied); made anew" in first.getMessage()
    with as_somebody_else(), pytest.raises(DataUnavailable, match=r"cannot be read .*made anew: c"):
        load()


def test_a_user_without_a_home_needs_none(places, monkeypatch):
    def without(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", without)
    monkeypatch.delenv("XDG_CACHE_HOME")
    archive_in(places / "data")
    assert_holds_the_data(load(places / "data"))
    with pytest.raises(DataUnavailable, match=r"no download, as there is no home for it"):
        load(download=True)


@pytest.mark.parametrize(
    "name", ["cifar-10-binary.tar.gz", "cifar10/3.0.2/dataset_info.json", "cifar10/3.0.2/shard"]
)
def test_a_pipe_is_refused_and_not_waited_for(places, name):
    path = places / "data" / name
    if name.endswith("shard"):
        path = next(tfds_in(places / "data").glob("cifar10-train*"))
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    with pytest.raises(DataCorrupt, match=rf"{path} is truncated or corrupt"):
        load(places / "data")


def test_a_pipe_in_the_cache_is_not_waited_for(places, caplog):
    path = archive_in(places / "data")
    load(places / "data", cache_dir=places / "cache")
    (places / "cache" / "manifest.json").unlink()
    os.mkfifo(places / "cache" / "manifest.json")
    assert load(places / "data", cache_dir=places / "cache").origin == f"archive {path}"
    assert "it is no plain file; made anew from archive" in caplog.text


@pytest.mark.parametrize("length", ["Infinity", "NaN", '"²"', "1" + ", 0" * 20_000])
def test_lengths_of_shards_that_cannot_be_are_refused(places, length):
    info = next(tfds_in(places / "data").glob("dataset_info.json"))
    splits = ", ".join(
        f'{{"name": "{name}", "shardLengths": [{length}]}}' for name in ("train", "test")
    )
    info.write_text(f'{{"fileFormat": "array_record", "splits": [{splits}]}}')
    with pytest.raises(DataCorrupt, match=rf"{info} is truncated or corrupt"):
        load(places / "data")


def test_a_description_without_end_is_refused(places):
    info = next(tfds_in(places / "data").glob("dataset_info.json"))
    os.truncate(info, 10**11)
    with pytest.raises(DataCorrupt, match="it is no plain file, or too large"):
        load(places / "data")


def test_a_folder_that_is_no_version_is_no_tfds_directory(places):
    directory = tfds_in(places / "data")
    directory.rename(directory.with_name("3.²"))
    assert find_tfds_directory(places / "data") is None
