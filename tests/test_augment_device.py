"""The device engine as a function: what its results depend on, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from augmentations import DOCUMENTED, blobs, canonical, noise

from jaxconv.augment.device import (
    alternates,
    make_device_augment,
    make_device_normalize,
    visit,
)
from jaxconv.augment.gallery import named_augmentations
from jaxconv.augment.pipeline import Transform, parse_pipeline


def test_a_result_depends_on_its_key_and_image_alone():
    """Compilers round differently for other shapes: a grey level, rarely."""
    augment = jax.jit(make_device_augment(DOCUMENTED))
    images, keys = noise(33), jax.random.split(jax.random.key(4), 33)
    whole = np.asarray(augment(keys, images))
    order = np.random.default_rng(2).permutation(33)
    permuted = np.asarray(augment(keys[order], images[order]))
    for other, rows in [
        (permuted, order),
        (np.asarray(augment(keys[5:8], images[5:8])), [5, 6, 7]),
    ]:
        difference = np.abs(other - whole[rows]) * np.array(DOCUMENTED[-1].arguments["std"]) * 255
        assert difference.max() < 1.1
        assert np.mean(difference > 0.01) < 1e-3


def test_one_key_gives_every_position_its_own():
    augment = jax.jit(make_device_augment([canonical("Rotate", {"limit": 90, "p": 1.0})]))
    images = np.repeat(noise(1, 8, 8), 9, axis=0)
    out = np.asarray(augment(jax.random.key(0), images))
    assert len({one.tobytes() for one in out}) == 9
    np.testing.assert_array_equal(augment(jax.random.key(0), images[:4]), out[:4])
    assert (np.asarray(augment(jax.random.key(1), images)) != out).any((1, 2, 3)).all()


def test_jit_vmap_and_scan_compose():
    augment = make_device_augment(DOCUMENTED)
    images = jnp.asarray(noise(6)).reshape(2, 3, 32, 32, 3)
    keys = jax.random.split(jax.random.key(0), 2)
    jitted = jax.jit(augment)
    plain = np.stack([jitted(key, one) for key, one in zip(keys, images, strict=True)])
    mapped = jax.jit(jax.vmap(augment))(keys, images)
    _, scanned = jax.lax.scan(lambda none, batch: (none, augment(*batch)), None, (keys, images))
    for other in (mapped, scanned):
        assert np.mean(np.abs(other - plain) > 0.01) < 1e-3


def test_probabilities_are_kept_and_coins_are_independent():
    cases = [("HorizontalFlip", {"p": 0.3}), ("VerticalFlip", {"p": 0.6})]
    corners = jnp.asarray(np.array([[[0], [1]], [[2], [3]]], np.uint8))
    images = jnp.broadcast_to(corners, (4000, 2, 2, 1))
    seen = make_device_augment(parse_pipeline(cases))(jax.random.key(1), images)[:, 0, 0, 0]
    expected = 4000 * np.outer([0.4, 0.6], [0.7, 0.3]).ravel()
    counts = np.bincount(np.asarray(seen, int), minlength=4)
    np.testing.assert_allclose(counts, expected, atol=4 * np.sqrt(expected.max()))


@pytest.mark.parametrize("name", ["Rotate", "Affine", "RandomBrightnessContrast", "CoarseDropout"])
def test_p_is_the_share_of_examples_that_change(name):
    arguments = {"Affine": {"rotate": (10, 20)}}.get(name, {})
    images = jnp.asarray(noise(2000, 12, 12))
    for p in (0.0, 0.25, 1.0):
        pipeline = [canonical(name, {**arguments, "p": p})]
        out = jax.jit(make_device_augment(pipeline))(jax.random.key(2), images)
        changed = float((out != images).any((1, 2, 3)).mean())
        assert abs(changed - p) <= 4 * np.sqrt(p * (1 - p) / 2000) + 0.002


def test_adding_a_transform_leaves_the_earlier_ones_as_they_were():
    flip = parse_pipeline([("HorizontalFlip", {}), ("VerticalFlip", {"p": 0})])
    images = jnp.asarray(noise(16, 4, 4))
    results = [make_device_augment(flip[:n])(jax.random.key(0), images) for n in (1, 2)]
    np.testing.assert_array_equal(*results)


def test_normalize_alone_for_evaluation():
    images = noise(3)
    given = DOCUMENTED[-1].arguments
    expected = (images / 255 - np.array(given["mean"])) / np.array(given["std"])
    np.testing.assert_allclose(make_device_normalize(DOCUMENTED)(images), expected, atol=1e-5)
    np.testing.assert_array_equal(make_device_normalize(DOCUMENTED[:-1])(images), images)


def test_crop_to_a_smaller_size():
    augment = make_device_augment([canonical("RandomCrop", {"height": 5, "width": 7})])
    images = noise(6, 9, 9)
    out = np.asarray(jax.jit(augment)(jax.random.key(0), images))
    windows = np.lib.stride_tricks.sliding_window_view(images, (5, 7), axis=(1, 2))
    for crop, places in zip(out, windows, strict=True):
        assert (places == crop.transpose(2, 0, 1)).all((2, 3, 4)).any()


def visits(epoch, examples, seed=0):
    return jax.vmap(visit, (None, None, 0))(jax.random.key(seed), epoch, jnp.asarray(examples))


def test_an_alternating_flip_shows_each_image_both_ways_in_two_epochs():
    augment = jax.jit(make_device_augment([canonical("AlternatingFlip", {})]))
    images, many = noise(500, 2, 3), np.arange(500)
    seen = [np.asarray(augment(visits(epoch, many), images)) for epoch in range(4)]
    flipped = [(one == images[:, :, ::-1]).all((1, 2, 3)) for one in seen]
    kept = [(one == images).all((1, 2, 3)) for one in seen]
    np.testing.assert_array_equal(kept, np.logical_not(flipped))
    assert (flipped[0] != flipped[1]).all()
    np.testing.assert_array_equal(flipped[0::2], [flipped[0]] * 2)
    np.testing.assert_array_equal(flipped[1::2], [flipped[1]] * 2)
    assert abs(flipped[0].mean() - 0.5) < 0.1
    other = np.asarray(augment(visits(0, many, seed=1), images))
    agrees = ((other == images[:, :, ::-1]).all((1, 2, 3)) == flipped[0]).mean()
    assert abs(agrees - 0.5) < 0.1
    some = [7, 400, 3]
    np.testing.assert_array_equal(augment(visits(0, some), images[some]), seen[0][some])


def test_an_alternating_flip_takes_no_number_from_the_others():
    rotate = canonical("Rotate", {"limit": 90, "p": 1.0})
    flip = canonical("AlternatingFlip", {})
    assert [alternates(pipeline) for pipeline in ([rotate], [rotate, flip])] == [False, True]
    images = np.repeat(noise(20, 9, 9)[:, :, :5], 2, axis=2)[:, :, :9]
    images = np.concatenate([images, images[:, :, ::-1]], axis=2)  # the flip changes nothing
    alone, before, after = (
        np.asarray(make_device_augment(pipeline)(visits(3, range(20)), images))
        for pipeline in ([rotate], [flip, rotate], [rotate, flip])
    )
    np.testing.assert_array_equal(alone, before)
    flipped = (alone != after).any((1, 2, 3))
    assert 0 < flipped.sum() < 20
    np.testing.assert_array_equal(alone[flipped][:, :, ::-1], after[flipped])


def test_visits_carry_the_keys_that_pipelines_without_alternation_get():
    augment = make_device_augment(DOCUMENTED)
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 5), i))
    images = noise(8)
    np.testing.assert_array_equal(
        augment(visits(5, range(8)), images), augment(keys(jnp.arange(8)), images)
    )


def test_keys_alone_are_refused_where_the_epoch_counts():
    augment = make_device_augment([canonical("AlternatingFlip", {})])
    with pytest.raises(ValueError, match=r"AlternatingFlip follows from epoch and example, given"):
        augment(jax.random.key(0), noise(1))


@pytest.mark.parametrize(
    ("border_mode", "mode"), [(4, "reflect"), (0, "constant"), (2, "symmetric")]
)
def test_a_shift_by_whole_pixels_is_padding_and_a_random_crop(border_mode, mode):
    """Of RandomCrop(32, padding=4) elsewhere: bit for bit one of its 81 crops, each as likely."""
    shift = canonical("Affine", {"translate_px": (-4, 4), "border_mode": border_mode, "p": 1.0})
    image, count = noise(1), 4050
    padded = np.pad(image[0], ((4, 4), (4, 4), (0, 0)), mode)
    crops = np.lib.stride_tricks.sliding_window_view(padded, (32, 32), axis=(0, 1))
    places = {
        crops[y, x].transpose(1, 2, 0).tobytes(): 9 * y + x for y in range(9) for x in range(9)
    }
    augment = jax.jit(make_device_augment([shift]))
    shown = np.asarray(augment(jax.random.key(0), np.repeat(image, count, axis=0)), np.uint8)
    counts = np.bincount([places[one.tobytes()] for one in shown], minlength=81)
    assert (np.abs(counts - count / 81) < 5 * np.sqrt(count / 81)).all()


REFUSED = [
    ([("Rotate", {"interpolation": 2})], "Rotate: the device engine computes interpolation=1 only, "
                                         "given 2; the albumentations engine may know it"),
    ([("Affine", {"fit_output": True})], "computes fit_output=False only, given True"),
    ([("Normalize", {"p": 0.5})], "Normalize: the device engine computes p=1.0 only, given 0.5"),
    ([("CoarseDropout", {"fill": "random"})], "fills with numbers only, given 'random'"),
    ([("Normalize", {}), ("Rotate", {})], "Rotate after Normalize: the device engine expects it"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), REFUSED)
def test_what_the_device_does_not_compute_is_refused(spec, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the message is compared below
        make_device_augment(parse_pipeline(spec))
    assert message in str(refusal.value)


def test_a_transform_of_the_host_is_refused_with_the_list_of_known_ones():
    with pytest.raises(ValueError, match=r"'GaussNoise': expected one of RandomCrop, .*Normalize"):
        make_device_augment([Transform("GaussNoise", {})])


MISFITS = [
    (("HorizontalFlip", {}), np.zeros((2, 4, 4, 3), np.float32), "images float32(2, 4, 4, 3): exp"),
    (("HorizontalFlip", {}), np.zeros((4, 4, 3), np.uint8), "expected uint8 [b, h, w, c]"),
    (("Normalize", {}), np.zeros((2, 4, 4, 1), np.uint8), "images of 1 channels: expected 1 n"),
    (("RandomCrop", {"height": 8, "width": 2}), noise(1, 4, 4), "to 8 x 2 from images of"),
    (("RandomCrop", {"height": 2, "width": 2, "p": 0.5}), noise(1, 4, 4), "sizes: expected p=1"),
    (("CoarseDropout", {"hole_height_range": (9, 9), "hole_width_range": (1, 2)}), noise(1, 4, 4),
     "CoarseDropout with holes of at least 9 in images of 4 pixels"),
]  # fmt: skip


@pytest.mark.parametrize(("transform", "images", "message"), MISFITS)
def test_images_that_do_not_fit_are_refused(transform, images, message):
    augment = make_device_augment([canonical(*transform)])
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the message is compared below
        augment(jax.random.key(0), images)
    assert message in str(refusal.value)


@pytest.mark.parametrize("engine", ["device", "albumentations"])
def test_named_augmentations_show_each_transform_applied(engine):
    image = blobs(1)[0]
    shown = named_augmentations(DOCUMENTED, image, seed=0, engine=engine)
    names = ["original", *(step.name for step in DOCUMENTED), "all together"]
    assert [name for name, _ in shown] == names
    assert all(one.dtype == np.uint8 and one.shape == image.shape for _, one in shown)
    pictures = dict(shown)
    np.testing.assert_array_equal(pictures["original"], image)
    np.testing.assert_array_equal(pictures["RandomCrop"], image)
    np.testing.assert_array_equal(pictures["HorizontalFlip"], image[:, ::-1])
    changed = [step.name for step in DOCUMENTED[2:]]
    assert all((pictures[name] != image).any() for name in changed)


def test_an_alternating_flip_is_shown_applied():
    image = blobs(1)[0]
    shown = dict(named_augmentations([canonical("AlternatingFlip", {})], image))
    np.testing.assert_array_equal(shown["AlternatingFlip"], image[:, ::-1])


def test_a_crop_works_where_jax_has_64_bits():
    crop = make_device_augment([canonical("RandomCrop", {"height": 4, "width": 5})])
    images = np.arange(2 * 8 * 8 * 3).reshape(2, 8, 8, 3).astype(np.uint8)
    keys = jax.random.split(jax.random.key(0), 2)
    with jax.enable_x64(True):
        wide = crop(keys, jnp.asarray(images))
    assert wide.dtype == jnp.float32
    np.testing.assert_array_equal(wide, crop(keys, images))
