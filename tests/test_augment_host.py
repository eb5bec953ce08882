"""albumentations on the host: the same result for each (seed, epoch, index), however it is run."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jaxconv.augment.host import AugmentationError, make_host_augment
from jaxconv.augment.pipeline import Transform, parse_pipeline

PIPELINE = parse_pipeline(
    [
        ("HorizontalFlip", {"p": 0.5}),
        ("ShiftScaleRotate", {"border_mode": 4, "p": 0.5}),
        ("RandomBrightnessContrast", {"p": 0.5}),
        ("GaussNoise", {"p": 0.5}),
        ("CoarseDropout", {"hole_height_range": (1, 8), "hole_width_range": (1, 8), "p": 0.5}),
        ("Normalize", {"mean": 0.5, "std": 0.25}),
    ],
    engine="albumentations",
)
IMAGES = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
INDICES = np.arange(100, 124)


def test_result_is_the_same_in_any_thread():
    augment = make_host_augment(PIPELINE, seed=7)
    alone = augment(IMAGES, 3, INDICES)
    assert alone.dtype == np.float32
    assert alone.shape == IMAGES.shape
    with ThreadPoolExecutor(3) as pool:
        for result in pool.map(lambda _: augment(IMAGES, 3, INDICES), range(6)):
            np.testing.assert_array_equal(result, alone)


def test_result_is_the_same_for_any_batch_and_order():
    augment = make_host_augment(PIPELINE, seed=7)
    whole = augment(IMAGES, 3, INDICES)
    order = np.random.default_rng(1).permutation(24)
    np.testing.assert_array_equal(augment(IMAGES[order], 3, INDICES[order]), whole[order])
    np.testing.assert_array_equal(augment(IMAGES[5:6], 3, [105]), whole[5:6])


def test_seed_epoch_and_index_each_change_the_result():
    noise = parse_pipeline([("GaussNoise", {"p": 1.0})], engine="albumentations")
    same = np.repeat(IMAGES[:1], 24, axis=0)
    augment = make_host_augment(noise, seed=7)
    results = [
        *augment(same, 0, INDICES),
        *augment(same, 1, INDICES),
        *make_host_augment(noise, seed=8)(same, 0, INDICES),
    ]
    assert len({result.tobytes() for result in results}) == 3 * 24


def test_coins_of_two_transforms_are_independent():
    flips = parse_pipeline([("HorizontalFlip", {}), ("VerticalFlip", {})])
    corners = np.array([[[0], [1]], [[2], [3]]], np.uint8)  # the first pixel tells the flips
    images = np.repeat(corners[None], 4000, axis=0)
    seen = make_host_augment(flips, seed=0)(images, 0, range(4000))[:, 0, 0, 0]
    counts = np.bincount(seen.astype(int), minlength=4)
    np.testing.assert_allclose(counts, 1000, atol=4 * np.sqrt(4000 * 0.25 * 0.75))


def test_without_normalize_grey_levels_are_float32():
    result = make_host_augment((), seed=0)(IMAGES, 0, INDICES)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, IMAGES)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="an empty batch: expected at least one image"):
        make_host_augment(PIPELINE, seed=7)(IMAGES[:0], 0, [])


def test_images_of_different_sizes_are_refused():
    pipeline = parse_pipeline([("RandomCrop", {"height": 8, "width": 8, "p": 0.5})])
    augment = make_host_augment(pipeline, seed=0)
    with pytest.raises(ValueError, match=r"different sizes \[\(8, 8, 3\), \(16, 16, 3\)\]: expe"):
        augment(IMAGES, 0, INDICES)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed=-1: expected at least 0"):
        make_host_augment((), seed=-1)


def test_what_albumentations_would_only_warn_about_is_refused():
    dropped = [Transform("CoarseDropout", {"max_holes": 1})]
    with pytest.raises(ValueError, match="unknown argument of CoarseDropout 'max_holes'"):
        make_host_augment(dropped, seed=0)


def test_import_is_lazy_and_asks_no_network():
    program = """
import socket, sys
def refuse(*_, **__): raise SystemExit("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
from jaxconv.augment import host
assert "albumentations" not in sys.modules
host.make_host_augment((), seed=0)
assert "albumentations" in sys.modules
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_image_that_a_pipeline_fails_on_is_a_line():
    """albumentations, OpenCV and what they call raise whatever the mistake happens to cause."""
    spec = [("RandomCrop", {"height": 64, "width": 64})]
    augment = make_host_augment(parse_pipeline(spec, engine="albumentations"), seed=0)
    with pytest.raises(AugmentationError) as caught:
        augment(IMAGES, 0, INDICES)
    assert str(caught.value).startswith("albumentations can't augment an image [16, 16, 3] by this")
    assert str(caught.value).isprintable()
