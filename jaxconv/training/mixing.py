"""Mixup and CutMix: each image of a batch is mixed with another one, and so are their targets."""

import zlib
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, Key, Shaped

from jaxconv.training.objective import TARGETS, Batch

Mix = Callable[[Key[Array, ""], Batch], Batch]
"""(key of the step, batch of float images) -> batch, as `make_mix` returns."""


def unmixed(key: Key[Array, ""], batch: Batch) -> Batch:
    """The batch as it is."""
    return batch


def make_mix(*, mixup: float = 0.0, cutmix: float = 0.0) -> Mix:
    """Returns `mix(key, batch) -> batch`, pure: images mixed in pairs, each by a share of its own.

    Each example of the batch is mixed with the next one, and the last with the first, so that each
    is used twice; the order of a batch is drawn anew in each epoch. Examples that the mask leaves
    out take no part.

    Args:
        mixup: alpha: an image's share is drawn from Beta(alpha, alpha), and the pair is added. 0 is
            never.
        cutmix: alpha: a share drawn likewise is what is left of an image outside of a rectangle of
            the image's shape, about a place drawn evenly; inside is the other one. The rectangle
            is cut at the border, and the share is what is left then. 0 is never. Where both are
            above 0, a coin for each image chooses.

    The batch that `mix` returns has mixed images, and besides
        share: [b], float32, of the example's own targets in the loss;
        partner: the targets of the other, as the batch has them: `label` [b], and others.

    Raises:
        ValueError: an alpha below 0, or both 0.

    Source: Zhang et al., "mixup" (2018); Yun et al., "CutMix" (2019). Both draw one share a batch;
    one for each image is a choice of timm's, and has less noise.
    """
    if min(mixup, cutmix) < 0 or max(mixup, cutmix) == 0:
        raise ValueError(f"{mixup=}, {cutmix=}: expected none below 0, and one above")

    def mix(key: Key[Array, ""], batch: Batch) -> Batch:
        key = jax.random.fold_in(key, zlib.crc32(b"mix"))  # no part of a split one
        share_key, place_key, coin_key = jax.random.split(key, 3)
        images, partner = batch["image"], ring(batch["mask"])
        count, height, width, _ = images.shape
        beta = partial(jax.random.beta, share_key, shape=(count,), dtype=jnp.float32)
        added = beta(mixup or 1.0, mixup or 1.0)[:, None, None]
        if cutmix:
            left = beta(cutmix, cutmix)
            kept = outside(place_key, left, (height, width)).astype(jnp.float32)
            coin = jax.random.bernoulli(coin_key, shape=(count, 1, 1))
            own = jnp.where(coin, kept, added) if mixup else kept
        else:
            own = jnp.broadcast_to(added, (count, height, width))
        mixed = own[..., None] * images + (1 - own[..., None]) * images[partner]
        targets = {name: batch[name][partner] for name in TARGETS if name in batch}
        return {**batch, "image": mixed, "share": own.mean((1, 2)), "partner": targets}

    return mix


def ring(mask: Shaped[Array, " b"]) -> Int32[Array, " b"]:
    """The next place in a batch that the mask keeps, the first one after the last, for each that it
    keeps; the others have themselves.

    Example:
        >>> ring(jnp.array([True, False, True, True])).tolist()
        [2, 1, 3, 0]
    """
    kept = mask.astype(bool)
    places = jnp.argsort(~kept)  # stable: those that are kept, in their order, then the others
    rank = jnp.cumsum(kept) - 1
    after = places[(rank + 1) % jnp.maximum(kept.sum(), 1)]
    return jnp.where(kept, after, jnp.arange(len(mask))).astype(jnp.int32)


def outside(
    key: Key[Array, ""], share: Float[Array, " b"], size: tuple[int, int]
) -> Bool[Array, "b h w"]:
    """Where an image stays: all but a rectangle of 1 - share of it, about a pixel drawn evenly."""
    rows, columns = jax.random.split(key)
    away = [
        _interval(axis_key, jnp.sqrt(1 - share), length)
        for axis_key, length in zip((rows, columns), size, strict=True)
    ]
    return ~(away[0][:, :, None] & away[1][:, None, :])


def _interval(key: Key[Array, ""], share: Float[Array, " b"], length: int) -> Bool[Array, "b n"]:
    """Places of an axis within an interval of so much of it, cut at its ends."""
    half = jnp.floor(share[:, None] * length / 2)
    middle = jax.random.randint(key, (len(share), 1), 0, length)
    places = jnp.arange(length)[None]
    return (places >= middle - half) & (places < middle + half)
