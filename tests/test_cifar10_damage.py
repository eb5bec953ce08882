"""What is said of damaged CIFAR-10 files, and what is done about them."""

import contextlib
import io
import itertools
import logging
import os
import random
import re
from pathlib import Path

import cifar_files
import pytest
from cifar_files import archive_in, assert_holds_the_data, load, tfds_in
from PIL import Image

from jaxconv.data.dataset import DataCorrupt, DataUnavailable


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    return cifar_files.empty_machine(tmp_path, monkeypatch)


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
    shard = _shard(tfds_in(places / "data"))
    damage(shard)
    _assert_corrupt(places, f"{shard} is truncated or corrupt", "copy the directory again")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fileFormat": "array_record"}', "\0"])
def test_a_damaged_description_is_named(places, text):
    info = tfds_in(places / "data") / "dataset_info.json"
    info.write_text(text)
    with pytest.raises((DataCorrupt, DataUnavailable), match=re.escape(str(info.parent))) as caught:
        load(places / "data")
    assert "\n" not in str(caught.value)


def test_a_shard_of_another_length_is_named(places):
    directory = tfds_in(places / "data")
    info = directory / "dataset_info.json"
    info.write_text(info.read_text().replace('"60"', '"61"'))
    _assert_corrupt(places, "60 records, expected 61")


def test_a_damaged_archive_is_never_passed_over(places):
    path = archive_in(places / "data")
    os.truncate(path, path.stat().st_size // 2)
    tfds_in(places / "home" / "tensorflow_datasets")
    _assert_corrupt(places, f"{path} is truncated or corrupt", "get it again")


def _assert_corrupt(places: Path, *parts: str) -> None:
    with pytest.raises(DataCorrupt) as caught:
        load(places / "data")
    assert all(part in str(caught.value) for part in parts), caught.value
    assert "\n" not in str(caught.value)


def _flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


def test_a_damaged_cache_is_told_and_made_anew(places, caplog):
    archive_in(places / "data")
    load(places / "data")
    images = places / "caches" / "jaxconv" / "cifar10" / "train_images.npy"
    images.write_bytes(_flip(images.read_bytes(), 5000))
    with caplog.at_level(logging.WARNING):
        assert_holds_the_data(load(places / "data"))
    [record] = caplog.records
    assert re.search(
        r"the decoded cache is damaged: .*train_images\.npy: its content does not match its "
        r"checksum; made anew from archive ",
        record.getMessage(),
    )
    caplog.clear()
    assert load(places / "data").origin.startswith("decoded cache")
    assert not caplog.records


def test_a_damaged_cache_without_a_source_is_an_error(places):
    archive_in(places / "data")
    load(places / "data")
    os.truncate(places / "caches" / "jaxconv" / "cifar10" / "test_labels.npy", 10)
    with pytest.raises(
        DataCorrupt,
        match=r"test_labels\.npy: 10 bytes, expected \d+, and it cannot be made anew: cifar10 is",
    ):
        load()


@pytest.mark.parametrize("kind", ["file", "read-only"])
def test_a_cache_that_cannot_be_written_stops_nothing(places, caplog, kind):
    cache = places / "locked"
    if kind == "file":
        cache.touch()
    elif os.geteuid() == 0:
        pytest.skip("root writes where it likes")
    else:
        cache.mkdir(mode=0o555)
    archive_in(places / "data")
    with caplog.at_level(logging.WARNING):
        assert_holds_the_data(load(places / "data", cache_dir=cache))
    [record] = caplog.records
    assert re.search(r"the decoded cache .*locked cannot be written \(", record.getMessage())


def damage(file, source):
    """One drawn fault of a disk or of a copy."""
    size = file.stat().st_size
    match source.choice(["flip", "cut", "zeros", "gone"] if size else ["gone"]):
        case "flip":
            content = bytearray(file.read_bytes())
            content[source.randrange(size)] ^= 1 << source.randrange(8)
            file.write_bytes(content)
        case "cut":
            os.truncate(file, source.randrange(size))
        case "zeros":
            start = source.randrange(size)
            content = file.read_bytes()
            file.write_bytes(content[:start] + bytes(size - start))
        case "gone":
            file.unlink()


def damages_told(files, count, load_again):
    """How many of `count` drawn damages were told of; the others left every number as it was."""
    whole = {file: file.read_bytes() for file in files}
    told = []
    for number in range(count):
        file = (source := random.Random(number)).choice(files)
        damage(file, source)
        try:
            assert_holds_the_data(load_again())
        except (DataCorrupt, DataUnavailable) as error:
            told.append(str(error))
        for each, content in whole.items():
            each.write_bytes(content)
    assert not any("\n" in line for line in told)
    return len(told)


_numbers = itertools.count()


def fresh(places):
    """A folder for a cache that is not there yet."""
    return places / f"cache-{next(_numbers)}"


SIZES = [20, pytest.param(500, marks=pytest.mark.slow)]  # drawn damages


@pytest.mark.parametrize("count", SIZES)
def test_a_damaged_archive_gives_its_images_or_an_error(places, count, record_property):
    files = [archive_in(places / "data")]
    told = damages_told(files, count, lambda: load(places / "data", cache_dir=fresh(places)))
    assert told > 0.9 * count
    record_property("faults: archive", f"{count} damages, {told} refused, the others harmless")


@pytest.mark.parametrize("count", SIZES)
def test_a_damaged_tfds_directory_gives_its_images_or_an_error(places, count, record_property):
    directory = tfds_in(places / "data")
    files = [file for file in directory.iterdir() if file.is_file()]
    told = damages_told(files, count, lambda: load(places / "data", cache_dir=fresh(places)))
    assert told > 0.3 * count
    record_property("faults: tfds", f"{count} damages, {told} refused, the others harmless")


@pytest.mark.parametrize("count", SIZES)
def test_a_damaged_cache_gives_its_images_or_an_error(places, count, record_property):
    """With nothing to make it anew from."""
    archive = archive_in(places / "data")
    load(places / "data")
    archive.unlink()
    files = list((places / "caches" / "jaxconv" / "cifar10").iterdir())
    told = damages_told(files, count, load)
    assert told > 0.9 * count
    record_property("faults: cache", f"{count} damages, {told} refused, the others harmless")


# A tfds directory from somebody else


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_no_description_of_a_tfds_directory_can_run_code(places, monkeypatch, name):
    """tfds would import the modules that the descriptions name, from the folder one works in."""
    directory = tfds_in(places / "data")
    file, module = directory / name, f"evil_{name.partition('.')[0]}"
    (places / f"{module}.py").write_text(
        f"import pathlib; pathlib.Path({str(places / 'ran')!r}).touch()\nclass X: pass\n"
    )
    monkeypatch.syspath_prepend(places)
    text = re.sub(
        r'("(?:pythonClassName|moduleName)": )"[^"]*"', rf'\1"{module}.X"', file.read_text()
    )
    assert module in text
    file.write_text(text)
    with contextlib.suppress(DataCorrupt):
        assert_holds_the_data(load(places / "data"))
    assert not (places / "ran").exists()


def rewritten(directory, change):
    """The first shard with `change(fields)` done to each of its examples."""
    from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter
    from tensorflow_datasets.proto import tf_example_pb2

    shard = _shard(directory)
    records = ArrayRecordReader(str(shard)).read_all()
    writer = ArrayRecordWriter(str(shard), "group_size:1")
    for record in records:
        example = tf_example_pb2.Example.FromString(record)
        change(example.features.feature)
        writer.write(example.SerializeToString())
    writer.close()


def picture(kind, size=(32, 32), mode="RGB"):
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "image",
            picture("PNG", (4000, 4000)),
            r"an image of \(4000, 4000\) pixels, RGB, expected",
        ),
        ("image", picture("PNG", mode="L"), r"pixels, L, expected 32 x 32 RGB"),
        ("image", picture("EPS"), "cannot identify image file"),  # Pillow would start Ghostscript
        ("label", 10, "has the label 10, expected 0 to 9"),
        ("label", -1, "has the label -1, expected 0 to 9"),
    ],
    ids=["large", "grey", "eps", "10", "-1"],
)
def test_examples_that_are_not_cifar10s_are_refused(places, name, value, message):
    def change(fields):
        kind = fields[name].int64_list if type(value) is int else fields[name].bytes_list
        kind.value[:] = [value]

    rewritten(tfds_in(places / "data"), change)
    with pytest.raises(DataCorrupt, match=message):
        load(places / "data")
