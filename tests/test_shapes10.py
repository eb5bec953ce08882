"""Shapes10: the same for the same seed, a prefix of itself, balanced, and not for free."""

import numpy as np
import pytest

from jaxconv.data import drawing
from jaxconv.data.shapes10 import CHUNK, CLASS_NAMES, OUTLINES, PATTERNS, draw_split, load_shapes10


@pytest.fixture(scope="module")
def dataset():
    return load_shapes10(train_count=4000, test_count=1000)


def test_it_has_the_interface_of_cifar10(dataset):
    assert dataset.name == "shapes10"
    assert len(dataset.class_names) == len(set(dataset.class_names)) == 10
    assert dataset.train.images.shape == (4000, 32, 32, 3)
    assert dataset.test.images.shape == (1000, 32, 32, 3)
    assert dataset.train.images.dtype == np.uint8
    assert dataset.train.labels.dtype == np.int32
    assert dataset.origin == "drawn from seed 0"


def test_every_class_is_equally_frequent_in_every_hundred(dataset):
    for labels in dataset.train.labels.reshape(-1, CHUNK):
        np.testing.assert_array_equal(np.bincount(labels, minlength=10), CHUNK // 10)
    assert np.any(dataset.train.labels[:CHUNK] != np.sort(dataset.train.labels[:CHUNK]))


def test_an_image_depends_on_seed_split_and_index_alone(dataset):
    fewer = load_shapes10(train_count=130, test_count=1)
    np.testing.assert_array_equal(fewer.train.images, dataset.train.images[:130])
    np.testing.assert_array_equal(fewer.train.labels, dataset.train.labels[:130])
    np.testing.assert_array_equal(fewer.test.images, dataset.test.images[:1])


def test_seeds_and_splits_share_no_image(dataset):
    other = load_shapes10(seed=1, train_count=1000, test_count=1000)
    pictures = [
        image.tobytes()
        for split in (dataset.train, dataset.test, other.train, other.test)
        for image in split.images
    ]
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "shapes10 seed is -1: expected at least 0"),
        ({"train_count": 0}, "shapes10 train_count is 0: expected at least 1"),
        ({"test_count": -3}, "shapes10 test_count is -3: expected at least 1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_shapes10(**arguments)


def _features(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / 255 - 0.5


def test_a_linear_classifier_learns_next_to_nothing(dataset):
    train, test = _features(dataset.train.images), _features(dataset.test.images)
    # 4,000 images and 3,072 pixels: solve the small side of ridge regression
    gram = train @ train.T + 40 * np.eye(len(train), dtype=np.float32)
    targets = np.eye(10, dtype=np.float32)[dataset.train.labels] - 0.1
    scores = test @ (train.T @ np.linalg.solve(gram, targets))
    assert np.mean(scores.argmax(axis=1) == dataset.test.labels) < 0.2


def test_the_nearest_neighbours_say_little(dataset):
    train, test = _features(dataset.train.images), _features(dataset.test.images)
    distance = (train**2).sum(axis=1) - 2 * test @ train.T
    nearest = dataset.train.labels[distance.argsort(axis=1)[:, :5]]
    votes = (nearest[..., None] == np.arange(10)).sum(axis=1)
    assert np.mean(votes.argmax(axis=1) == dataset.test.labels) < 0.3


def test_mean_colours_do_not_tell_the_classes_apart(dataset):
    means = [dataset.train.images[dataset.train.labels == k].mean((0, 1, 2)) for k in range(10)]
    assert np.ptp(means, axis=0).max() < 12  # of 255; the mean of 400 images varies by about 2


# The outlines: each is judged by what makes it that figure.


def _grid() -> tuple[np.ndarray, np.ndarray]:
    axis = np.linspace(-1.5, 1.5, 301, dtype=np.float32)
    return np.meshgrid(axis, axis)


AREAS = {
    "disc": np.pi,
    "ring": np.pi * (1 - 0.48**2),
    "square": 1.6**2,
    "triangle": 3 * np.sqrt(3) / 4,
    "star": 5 * 0.42 * np.sin(np.pi / 5),
    "cross": 2 * 1.96 * 0.54 - 0.54**2,
}


@pytest.mark.parametrize("name", AREAS)
def test_an_outline_encloses_the_area_of_its_figure(name):
    covered = drawing.coverage(OUTLINES[name](*_grid()), 0.01)
    assert np.isclose(covered.sum() * 0.01**2, AREAS[name], rtol=0.01)


@pytest.mark.parametrize(
    ("name", "turns"), [("triangle", 3), ("square", 4), ("cross", 4), ("star", 5), ("disc", 7)]
)
def test_an_outline_has_the_symmetry_of_its_figure(name, turns):
    u, v = _grid()
    angle = 2 * np.pi / turns
    turned = OUTLINES[name](
        u * np.cos(angle) - v * np.sin(angle), u * np.sin(angle) + v * np.cos(angle)
    )
    np.testing.assert_allclose(turned, OUTLINES[name](u, v), atol=1e-5)


@pytest.mark.parametrize("name", OUTLINES)
def test_an_outline_is_a_distance(name):
    """Nowhere steeper than 1, or edges would not be one pixel wide; nothing outside the disc."""
    u, v = _grid()
    distance = OUTLINES[name](u, v)
    for axis in (0, 1):
        slope = np.abs(np.diff(distance, axis=axis)) / 0.01
        assert np.quantile(slope, 0.98) < 1.3  # the spiral is stretched near its middle
    assert np.all(distance[np.hypot(u, v) > 1.15] > 0)


def test_the_spiral_crosses_a_ray_more_than_twice():
    along = np.linspace(0, 1.2, 400, dtype=np.float32)
    inside = drawing.spiral(along, np.zeros_like(along)) < 0
    assert np.count_nonzero(np.diff(inside.astype(int)) == 1) >= 2


@pytest.mark.parametrize("name", ["stripes", "checker", "dots"])
def test_a_pattern_repeats_and_uses_its_whole_range(name):
    pattern = getattr(drawing, name)
    u, v = _grid()
    period = 2 if name == "checker" else 1
    values = pattern(u, v)
    assert values.min() == 0
    assert values.max() == 1
    np.testing.assert_allclose(pattern(u + period, v), values, atol=1e-3)
    np.testing.assert_allclose(pattern(u, v + period), values, atol=1e-3)
    assert 0.2 < values.mean() < 0.8


def test_upsampling_keeps_a_constant_and_meets_the_corners():
    weights = drawing.upsample_weights(320, 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights[[0, 79, 160]] @ np.arange(5.0), [0, 1, 2], atol=1e-3)


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_a_label_names_the_figure_that_is_drawn(monkeypatch, name):
    """Without its figure, the images of a class change, and only they."""
    before = draw_split((0, 0), CHUNK)
    table = OUTLINES if name in OUTLINES else PATTERNS
    monkeypatch.setitem(table, name, lambda u, v: np.ones_like(u))
    after = draw_split((0, 0), CHUNK)
    changed = np.any(before.images != after.images, axis=(1, 2, 3))
    np.testing.assert_array_equal(changed, before.labels == CLASS_NAMES.index(name))
