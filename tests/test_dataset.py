"""Data sets: limits, the choice among sources, the documented statistics, the decoded cache."""

import math
import os
import re

import numpy as np
import pytest

from jaxconv.data.cache import load_cache, save_cache
from jaxconv.data.dataset import (
    DataCorrupt,
    Dataset,
    DataUnavailable,
    Split,
    first_available,
    format_statistics,
    limit,
    statistics,
)


def _split(count: int, seed: int = 0, size: int = 6) -> Split:
    rng = np.random.default_rng(seed)
    images = rng.integers(3, 250, (count, size, size + 1, 3), np.uint8)
    return Split(images, rng.integers(0, 10, count, np.int32))


def _dataset(name: str = "toy") -> Dataset:
    return Dataset(name, _split(20), _split(8, seed=1), tuple("abcdefghij"), origin="made here")


# limit


def test_limit_takes_the_first_examples_and_copies_nothing():
    whole = _dataset()
    part = limit(whole, 5, None)
    np.testing.assert_array_equal(part.train.images, whole.train.images[:5])
    np.testing.assert_array_equal(part.train.labels, whole.train.labels[:5])
    assert np.shares_memory(part.train.images, whole.train.images)
    assert part.test is whole.test
    assert limit(whole, 20, 8).test.labels.size == 8


@pytest.mark.parametrize("count", [0, -1, 21, True])
def test_a_limit_outside_the_split_is_refused(count):
    expected = f"data.train_limit is {count!r}, but toy has 20 train images: expected 1 to 20"
    with pytest.raises(ValueError, match=re.escape(expected)):
        limit(_dataset(), count, None)
    with pytest.raises(ValueError, match=r"data\.test_limit is 9, but toy has 8 test images"):
        limit(_dataset(), None, 9)


# first_available


def _absent(name: str):
    def load():
        raise DataUnavailable(f"{name} is not at hand: nowhere")

    return load


def test_the_first_source_at_hand_wins_and_no_other_is_asked():
    def never():
        raise AssertionError("asked although the first was at hand")

    chosen = first_available({"a": lambda: _dataset("a"), "b": never})
    assert (chosen.name, chosen.reason) == ("a", "first of a, b")
    assert first_available({"a": lambda: _dataset("a")}).reason == "a is the only source asked for"


def test_a_later_source_says_why_the_earlier_ones_were_not_taken():
    chosen = first_available(
        {"a": _absent("a"), "b": _absent("b"), "c": lambda: _dataset("c"), "d": _absent("d")}
    )
    assert chosen.name == "c"
    assert chosen.reason == ("c because a is not at hand: nowhere and b is not at hand: nowhere")


def test_no_source_at_hand_is_an_error_that_names_all():
    with pytest.raises(DataUnavailable, match=r"^a is not at hand: nowhere$"):
        first_available({"a": _absent("a")})
    with pytest.raises(DataUnavailable, match=r"^no data source .*: a is .*; b is not at hand"):
        first_available({"a": _absent("a"), "b": _absent("b")})
    with pytest.raises(ValueError, match=r"data\.sources is empty"):
        first_available({})


def test_a_corrupt_source_is_never_passed_over():
    def corrupt():
        raise DataCorrupt("file x is truncated")

    with pytest.raises(DataCorrupt, match="file x is truncated"):
        first_available({"a": corrupt, "b": lambda: _dataset("b")})


# statistics


def test_statistics_equal_numpy_on_a_float64_copy():
    split = _split(3000)
    table = statistics(split)
    scaled = split.images.astype(np.float64) / 255
    axes = (0, 1, 2)
    assert (table.count, table.shape) == (3000, (3, 6, 7))
    np.testing.assert_array_equal(table.min, scaled.min(axes))
    np.testing.assert_array_equal(table.max, scaled.max(axes))
    np.testing.assert_allclose(table.mean, scaled.mean(axes), rtol=1e-11)
    np.testing.assert_allclose(table.std, scaled.std(axes), rtol=1e-11)
    np.testing.assert_allclose(table.var, scaled.var(axes), rtol=1e-11)


def test_statistics_of_one_value():
    table = statistics(Split(np.full((1, 2, 2, 1), 51, np.uint8), np.zeros(1, np.int32)))
    assert table.min == table.max == (0.2,)
    assert table.var == table.std == (0.0,)
    assert math.isclose(table.mean[0], 0.2)


def test_statistics_of_no_image_are_refused():
    with pytest.raises(ValueError, match="no images"):
        statistics(Split(np.empty((0, 32, 32, 3), np.uint8), np.empty(0, np.int32)))


def test_the_printed_block_has_the_documented_form():
    train = Split(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1), np.zeros(2, np.int32))
    test = Split(np.array([0, 0, 51], np.uint8).reshape(1, 1, 3, 1), np.zeros(1, np.int32))
    text = format_statistics(Dataset("toy", train, test, ("a",), origin=""))
    assert text == (
        "[Train]\n"
        " - Total Train Images: 2\n"
        " - Tensor Shape: (1, 1, 1)\n"
        " - min: (0.0)\n"
        " - max: (1.0)\n"
        " - mean: (0.5)\n"
        " - std: (0.5)\n"
        " - var: (0.25)\n"
        "[Test]\n"
        " - Total Test Images: 1\n"
        " - Tensor Shape: (1, 1, 3)\n"
        " - min: (0.0)\n"
        " - max: (0.2)\n"
        " - mean: (0.066666667)\n"
        " - std: (0.094280904)\n"
        " - var: (0.0088888889)"
    )


# cache


def test_a_cache_gives_back_what_was_saved(tmp_path):
    train, test = _split(20), _split(8, seed=1)
    assert load_cache(tmp_path / "c") is None
    save_cache(tmp_path / "c", train, test, origin="made here")
    got_train, got_test, origin = load_cache(tmp_path / "c")
    for got, want in zip((*got_train, *got_test), (*train, *test), strict=True):
        np.testing.assert_array_equal(got, want)
        assert got.dtype == want.dtype
    assert origin == "made here"
    assert isinstance(got_train.images, np.memmap)
    assert not got_train.images.flags.writeable


def test_saving_again_replaces_the_cache_and_leaves_nothing_else(tmp_path):
    save_cache(tmp_path, _split(20), _split(8), origin="first")
    save_cache(tmp_path, _split(4), _split(2), origin="second")
    train, test, origin = load_cache(tmp_path)
    assert (len(train.labels), len(test.labels), origin) == (4, 2, "second")
    assert len(list(tmp_path.iterdir())) == 5


def test_a_run_that_reads_the_cache_is_not_disturbed_by_one_that_saves(tmp_path):
    first = _split(20)
    save_cache(tmp_path, first, _split(8), origin="first")
    reader, _, _ = load_cache(tmp_path)
    save_cache(tmp_path, _split(20, seed=5), _split(8), origin="second")
    np.testing.assert_array_equal(reader.images, first.images)


def test_a_save_that_fails_midway_leaves_no_cache_and_no_litter(tmp_path):
    unsavable = np.array([object()])
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        save_cache(tmp_path, _split(4), Split(_split(2).images, unsavable), origin="x")
    assert load_cache(tmp_path) is None
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["train_images.npy", "train_labels.npy", "test_images.npy"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "flipped header", "missing", "longer"])
def test_damage_to_a_cache_is_told_with_its_file(tmp_path, name, damage):
    save_cache(tmp_path, _split(20), _split(8, seed=1), origin="made here")
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    match damage:
        case "truncated":
            content = content[:-1]
        case "longer":
            content += b"\0"
        case "flipped":
            content[-5] ^= 8
        case "flipped header":
            content[20] ^= 1
    path.unlink() if damage == "missing" else path.write_bytes(content)
    with pytest.raises(DataCorrupt) as caught:
        load_cache(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 0}', '{"format": 1}', "\0\xff"])
def test_a_damaged_manifest_is_told(tmp_path, text):
    save_cache(tmp_path, _split(2), _split(2), origin="x")
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataCorrupt, match=r"the decoded cache is damaged: .*manifest\.json"):
        load_cache(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="modes of folders are a POSIX idea")
def test_files_of_a_cache_follow_the_users_umask(tmp_path):
    before = os.umask(0o027)
    try:
        save_cache(tmp_path, _split(2), _split(2), origin="x")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}
