"""A data set of one's own image files."""

import os

import numpy as np
import pytest
from PIL import Image

from jaxconv.data.dataset import DataCorrupt, NotInGivenFolder
from jaxconv.data.folder import load_folder


def save(path, colour=0, size=(32, 32), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def root(tmp_path):
    """Two classes, three images of each to train and two to test, each of a grey of its own."""
    root = tmp_path / "my images"
    for number, name in enumerate(("cat", "große Hunde")):
        for split, count in (("train", 3), ("test", 2)):
            for index in range(count):
                grey = 100 * number + 10 * index + (5 if split == "test" else 0)
                save(root / split / name / f"n {index}.png", (grey,) * 3)
    return root


@pytest.fixture
def load(root, tmp_path):
    def load(**options):
        given = {"data_dir": str(root), "cache_dir": tmp_path / "cache"} | options
        return load_folder(**given)

    return load


def test_classes_labels_and_images_are_those_of_the_folders(load):
    dataset = load()
    assert dataset.class_names == ("cat", "große Hunde")
    for split, greys in ((dataset.train, (0, 10, 20)), (dataset.test, (5, 15))):
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32
        found = sorted(zip(split.labels.tolist(), split.images[:, 7, 9, 1].tolist(), strict=True))
        assert found == [(label, 100 * label + grey) for label in (0, 1) for grey in greys]


def test_any_size_and_mode_becomes_small_rgb(root, load):
    save(root / "train" / "cat" / "grey.jpg", 200, size=(100, 60), mode="L")
    save(root / "train" / "cat" / "clear.png", (0, 0, 0, 0), size=(9, 40), mode="RGBA")
    assert load().train.images.shape == (8, 32, 32, 3)
    larger = load(image_size=48).train
    assert larger.images.shape == (8, 48, 48, 3)
    assert {200, 255} <= set(larger.images[:, 20, 20, 0].tolist())  # the clear one lies on white


def test_what_is_hidden_or_a_file_managers_own_is_passed_over(root, load):
    (root / ".DS_Store").write_bytes(b"x")
    (root / "train" / "cat" / ".hidden").write_bytes(b"x")
    (root / "train" / "cat" / "Thumbs.db").write_bytes(b"x")
    assert len(load().train.labels) == 6


def test_the_cache_gives_the_same_and_sees_a_change(root, load, monkeypatch):
    first = load()
    with monkeypatch.context() as patch:
        patch.setattr("jaxconv.data.folder.load_image", None)
        again = load()
    np.testing.assert_array_equal(again.train.images, first.train.images)
    np.testing.assert_array_equal(again.test.labels, first.test.labels)
    save(root / "train" / "cat" / "n 0.png", (77, 77, 77), size=(40, 40))
    assert 77 in load().train.images
    save(root / "train" / "cat" / "new.png", (33, 33, 33))
    assert len(load().train.labels) == 7


def test_a_folder_that_is_not_split_keeps_a_share_of_each_class(tmp_path):
    for name, count in (("a", 10), ("b", 2)):
        for index in range(count):
            save(tmp_path / "own" / name / f"{index}.png", (index,) * 3)
    options = {"data_dir": str(tmp_path / "own"), "cache_dir": tmp_path / "cache"}
    dataset = load_folder(**options, test_share=0.3)
    of_a, of_b = np.bincount(dataset.test.labels)
    assert 1 <= of_a <= 6
    assert of_b == 1
    assert np.bincount(dataset.train.labels).tolist() == [10 - of_a, 1]
    seen = [
        (label, grey)
        for split in (dataset.train, dataset.test)
        for label, grey in zip(split.labels, split.images[:, 0, 0, 0], strict=True)
    ]
    assert len(set(seen)) == 12  # none is lost, none in both
    other = load_folder(**options | {"cache_dir": tmp_path / "other"}, test_share=0.3)
    np.testing.assert_array_equal(other.train.images, dataset.train.images)


def test_images_that_are_added_move_no_others_into_the_test_part(tmp_path):
    """Else a network would be measured on images that it was trained on."""

    def greys(count):
        for name in ("a", "b"):
            for index in range(count):
                save(tmp_path / "own" / name / f"{index}.png", (index,) * 3)
        made = load_folder(data_dir=str(tmp_path / "own"), cache_dir=tmp_path / f"cache {count}")
        return [
            set(zip(s.labels.tolist(), s.images[:, 0, 0, 0].tolist(), strict=True))
            for s in (made.train, made.test)
        ]

    (train, test), (more_train, more_test) = greys(20), greys(200)
    assert train < more_train
    assert test < more_test
    assert 0.1 < len(more_test) / 400 < 0.3


def empty_class(root):
    (root / "train" / "none").mkdir()
    (root / "test" / "none").mkdir()


def one_class(root):
    for split in ("train", "test"):
        (root / split / "große Hunde").rename(root / f".{split}")


def other_test_classes(root):
    (root / "test" / "cat").rename(root / "test" / "cats")


def no_image(root):
    (root / "train" / "cat" / "notes.txt").write_text("not an image")


def bomb(root):
    save(root / "train" / "cat" / "large.png", 0, size=(10_000, 9_000), mode="1")


def small(root):
    save(root / "test" / "cat" / "dot.png", 0, size=(40, 3))


def no_test(root):
    (root / "test").rename(root / ".test")


def link_outside(root):
    save(root.parent / "secret.png")
    os.symlink(root.parent / "secret.png", root / "train" / "cat" / "link.png")


def link_in_a_circle(root):
    os.symlink(root / "train" / "cat" / "me.png", root / "train" / "cat" / "me.png")


def not_utf_8(root):
    for split in ("train", "test"):
        folder = os.fsencode(root / split) + b"/caf\xe9"
        os.mkdir(folder)
        os.link(root / "train" / "cat" / "n 0.png", folder + b"/1.png")


def nested(root):
    (root / "train" / "cat" / "kittens").mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (empty_class, "class 'none' is empty"),
        (one_class, "has one class, 'cat'"),
        (other_test_classes, "different classes: only one has cat, cats"),
        (no_image, r"notes.txt: not an image .* take it out of the class"),
        (bomb, "large.png: 10000 x 9000 pixels; expected at most 50,000,000"),
        (small, "dot.png: 40 x 3 pixels; expected at least 8 a side"),
        (no_test, "has one of train and test only"),
        (link_outside, "link.png: a link that leads out of"),
        (link_in_a_circle, "me.png: "),
        (not_utf_8, r"caf\\udce9: this name is not UTF-8.*rename the folder"),
        (nested, "kittens is a folder inside a class"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_kept(root, load, tmp_path, damage, words):
    damage(root)
    with pytest.raises(DataCorrupt, match=words) as caught:
        load()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("given", [None, "", "no such folder", "a\0b"])
def test_a_folder_that_is_not_there_is_named(load, given):
    with pytest.raises(NotInGivenFolder, match="DIR/train/CLASS"):
        load(data_dir=given)


@pytest.mark.parametrize("share", [0, 1, -0.5, 2, float("nan")])
def test_a_share_of_none_or_all_is_refused(tmp_path, share):
    save(tmp_path / "a" / "1.png")
    with pytest.raises(DataCorrupt, match="above 0 and below 1"):
        load_folder(data_dir=str(tmp_path), test_share=share, cache_dir=tmp_path / ".cache")
