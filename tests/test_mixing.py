"""Mixup and CutMix: pairs within the mask, shares that are those of the pixels, a linear loss."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.training.mixing import make_mix, outside, ring
from jaxconv.training.objective import classification_sums, make_objective

KEY = jax.random.key(5)
KINDS = [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}]


def batch_of(count, size=None, shape=(8, 6)):
    """Images that are all one number, that of the place in the batch; padding is NaN."""
    size = size or count
    number = jnp.where(jnp.arange(size) < count, jnp.arange(size, dtype=jnp.float32), jnp.nan)
    image = jnp.broadcast_to(number[:, None, None, None], (size, *shape, 3))
    return {"image": image, "label": jnp.arange(size) % 10, "mask": jnp.arange(size) < count}


@functools.cache
def mixer(mixup=0.0, cutmix=0.0):
    return jax.jit(make_mix(mixup=mixup, cutmix=cutmix))


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_mixed_with_its_partner_by_its_share(kind):
    """The mean of what is mixed of two constants tells the share of each, in both kinds."""
    batch = batch_of(50)
    mixed = mixer(**kind)(KEY, batch)
    partner = ring(batch["mask"])
    np.testing.assert_array_equal(partner, (np.arange(50) + 1) % 50)
    np.testing.assert_array_equal(mixed["partner"]["label"], batch["label"][partner])
    share = np.asarray(mixed["share"])
    mean = np.asarray(mixed["image"]).mean((1, 2, 3))
    expected = share * np.arange(50) + (1 - share) * np.asarray(partner)
    np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-4)
    assert ((share >= 0) & (share <= 1.000001)).all()
    assert len(set(share.tolist())) > 10
    assert set(mixed) == {*batch, "share", "partner"}


def test_cutmix_takes_each_pixel_of_one_or_the_other():
    image = np.asarray(mixer(cutmix=1.0)(KEY, batch_of(50))["image"])[..., 0]
    cut = image != np.arange(50)[:, None, None]
    np.testing.assert_array_equal(image[cut], ((np.arange(50) + 1) % 50)[np.where(cut)[0]])
    for one in cut[cut.any((1, 2))]:  # a rectangle
        rows, columns = one.any(1), one.any(0)
        np.testing.assert_array_equal(one, rows[:, None] & columns[None])
        assert all((np.diff(np.flatnonzero(axis)) == 1).all() for axis in (rows, columns))


def test_both_are_chosen_by_a_coin():
    image = np.asarray(mixer(mixup=0.4, cutmix=1.0)(KEY, batch_of(400))["image"])[..., 0]
    added = (np.ptp(image, axis=(1, 2)) == 0) & (image[:, 0, 0] != np.arange(400))
    assert 100 < added.sum() < 260  # some shares are so near 1 that nothing is to be seen
    assert (np.ptp(image, axis=(1, 2)) > 0).sum() > 100


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_mask_leaves_out_is_never_mixed_in(kind):
    whole, part = mixer(**kind)(KEY, batch_of(5)), mixer(**kind)(KEY, batch_of(5, 8))
    assert np.isfinite(part["image"][:5]).all()
    chex.assert_trees_all_equal(whole, jax.tree.map(lambda array: array[:5], part))


@pytest.mark.parametrize("mask", ["1", "0", "0110", "1011", "10101", "111000"])
def test_a_ring_holds_what_is_kept_and_leaves_the_others_alone(mask):
    kept = np.array([digit == "1" for digit in mask])
    partner = np.asarray(ring(jnp.asarray(kept, jnp.float32)))
    np.testing.assert_array_equal(partner[~kept], np.flatnonzero(~kept))
    places = np.flatnonzero(kept)
    np.testing.assert_array_equal(partner[kept], np.roll(places, -1))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_those_of_beta(alpha):
    share = np.asarray(mixer(mixup=alpha)(KEY, batch_of(20_000, shape=(1, 1)))["share"])
    assert abs(share.mean() - 0.5) < 0.02
    assert abs(share.var() * 4 * (2 * alpha + 1) - 1) < 0.05


def test_a_rectangle_is_what_is_left_of_the_paper_s():
    """Sides by the root of what is cut, about any pixel, cut at the border: by its own words."""
    share = jnp.linspace(0, 1, 500)
    kept = np.asarray(outside(KEY, share, (32, 20)))
    for one, left in zip(kept, np.asarray(share), strict=True):
        sides = [2 * int(np.sqrt(1 - left) * length / 2) for length in (32, 20)]
        rows, columns = (~one).any(1).sum(), (~one).any(0).sum()
        assert (rows <= sides[0], columns <= sides[1]) == (True, True)
        assert rows >= sides[0] / 2 - 1 or columns == 0
    assert not (~kept).any((1, 2))[-1]
    assert kept.mean((0, 1)).std() < 0.1  # every column is cut about as often


def test_a_mix_follows_from_its_key():
    first, second, other = (
        mixer(mixup=0.4)(jax.random.key(seed), batch_of(8)) for seed in (1, 1, 2)
    )
    chex.assert_trees_all_equal(first, second)
    assert (first["share"] != other["share"]).all()


def test_the_loss_of_a_mixed_batch_is_that_of_its_targets_by_their_shares():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(6, 4)).astype(np.float32), np.array([0, 1, 2, 3, 0, 1])
    partner, share = np.roll(labels, -1), rng.uniform(size=6).astype(np.float32)
    mask = np.arange(6) < 5
    batch = {"label": labels, "mask": mask, "share": share, "partner": {"label": partner}}
    sums = make_objective(label_smoothing=0.1)(logits, batch)
    one_hot = np.eye(4)
    target = share[:, None] * one_hot[labels] + (1 - share[:, None]) * one_hot[partner]
    target = 0.9 * target + 0.1 / 4
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    np.testing.assert_allclose(sums["loss_sum"], -(target * log_p).sum(1)[:5].sum(), rtol=1e-5)
    heavier = np.where(share < 0.5, partner, labels)
    assert sums["correct"] == (logits.argmax(1) == heavier)[:5].sum()
    assert sums["count"] == 5
    alone = make_objective()(logits, batch | {"share": np.ones(6, np.float32)})
    chex.assert_trees_all_close(alone, classification_sums(logits, labels, mask), rtol=1e-6)


@pytest.mark.parametrize("alphas", [{}, {"mixup": -1.0}, {"mixup": 1.0, "cutmix": -0.1}])
def test_alphas_that_mix_nothing_are_refused(alphas):
    with pytest.raises(ValueError, match="expected none below 0, and one above"):
        make_mix(**alphas)


@pytest.mark.parametrize("kind", KINDS)
def test_shares_and_images_stay_float32_where_jax_has_float64(kind):
    with jax.enable_x64(True):
        mixed = make_mix(**{"mixup": 0.0, "cutmix": 0.0} | kind)(KEY, batch_of(4))
    assert {mixed["share"].dtype, mixed["image"].dtype} == {jnp.dtype("float32")}
