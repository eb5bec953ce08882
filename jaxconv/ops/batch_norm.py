"""Batch normalisation: each channel by its mean and variance over batch and space."""

from math import prod

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from jaxconv.ops.xla.sums import sums_over_pixels, wide
from jaxconv.ops.xla.types import by_batch, vary_alike, whole


def batch_norm(
    x: Float[Array, "b *space c"],
    scale: Float[Array, " c"],
    bias: Float[Array, " c"],
    mean: Float[Array, " c"],
    var: Float[Array, " c"],
    *,
    train: bool,
    mask: Shaped[Array, " b"] | None = None,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
) -> tuple[Float[Array, "b *space c"], Float[Array, " c"], Float[Array, " c"]]:
    """torch.nn.BatchNorm1d, 2d and 3d as a pure function.

        y = (x - m) / sqrt(v + epsilon) * scale + bias

    In training, m and v are the mean and the biased variance of the batch; the running variance
    takes the unbiased one, as in PyTorch. In evaluation they are the running ones. A batch that is
    split over devices under jit has the statistics of the whole batch.

    Args:
        x: [b, *space, c], floating point; up to three spatial axes.
        scale, bias: [c].
        mean, var: [c], the running statistics.
        train: normalise by the batch, and update the running statistics.
        mask: [b], true (or 1) for examples that count in the statistics; all do if None. The
            others may hold anything; NaN, inf and what is about as large count as 0 in them.
        momentum: the share of the old running statistics that stays; 0.9 is PyTorch's 0.1.
        epsilon: added to the variance.

    Returns:
        y of x's shape and dtype, computed in at least float32, and the running mean and variance
        after, of their own dtypes: as they were in evaluation, or where the mask keeps nothing.

    Raises:
        ValueError: an empty batch in training, a mask that is not [b], an x that is not floating
            point, or another array that is not [c].

    Example:
        >>> import jax.numpy as jnp
        >>> x, ones = jnp.arange(8.0).reshape(4, 2), jnp.ones(2)
        >>> y, mean, var = batch_norm(x, ones, 0 * ones, 0 * ones, ones, train=True)
        >>> [round(number, 3) for number in mean.tolist()]  # a tenth of the way to 3 and 4
        [0.3, 0.4]

    Source: Ioffe and Szegedy, "Batch normalization" (2015).
    """
    x, scale, bias, mean, var = map(jnp.asarray, (x, scale, bias, mean, var))
    of_channels = {"scale": scale, "bias": bias, "mean": mean, "var": var}
    for name, array in of_channels.items():
        if x.ndim < 2 or array.shape != x.shape[-1:]:
            raise ValueError(
                f"{name} must be [c] of x [b, *space, c], got {array.shape} and {x.shape}"
            )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"x must be floating point, got {x.dtype}; convert it")
    x, scale, bias, mean, var = by_batch(x), *map(whole, (scale, bias, mean, var))
    if not train:
        return scale_and_shift(x, mean, jax.lax.rsqrt(var + epsilon), scale, bias), mean, var
    if 0 in x.shape:
        raise ValueError(f"a batch to take statistics of must not be empty, got x {x.shape}")
    if mask is not None and mask.shape != x.shape[:1]:
        raise ValueError(f"mask must be [b], one entry an example of x {x.shape}, got {mask.shape}")
    kept = jnp.ones(x.shape[:1], bool) if mask is None else mask.astype(bool)
    given = vary_alike(x, scale, bias, kept)  # so that shard_map adds up the gradients of its parts
    y, batch_mean, batch_var, count = normalize_batch(*given, epsilon)
    share = jnp.where(count > 0, 1 - momentum, 0)
    unbiased = batch_var * (count / jnp.maximum(count - 1, 1))
    return (
        y,
        ((1 - share) * mean + share * jax.lax.stop_gradient(batch_mean)).astype(mean.dtype),
        ((1 - share) * var + share * jax.lax.stop_gradient(unbiased)).astype(var.dtype),
    )


def scale_and_shift(x, mean, factor, scale, bias):
    """(x - mean) * factor * scale + bias for x [..., c] and [c], rounded once to x's dtype."""
    mean, slope, bias = (_channels(each, x) for each in (mean, factor * scale, bias))
    return ((x.astype(wide(x.dtype)) - mean) * slope + bias).astype(x.dtype)


def _channels(array, x):
    """[c] with as many axes as x."""
    return jax.lax.expand_dims(array, range(x.ndim - 1))


def _examples(kept, x):
    """[b] with as many axes as x."""
    return jax.lax.expand_dims(kept, range(1, x.ndim))


def batch_statistics(
    x: Float[Array, "b *space c"], kept: Bool[Array, " b"]
) -> tuple[Float[Array, " c"], Float[Array, " c"], Float[Array, ""]]:
    """Mean [c], biased variance [c] and number of values a channel, of x [b, *space, c].

    `kept` [b], boolean, names the examples that count; the values of others enter no arithmetic.

    One pass over x, whose sums are taken around a pivot so that they do not cancel where the mean
    is large. The pivot is the mean of one row in eight. Whatever x holds, that is within sqrt(8)
    standard deviations of the mean (Cauchy-Schwarz), so that less than four bits are lost; a pixel
    of x could be an outlier, and the running mean is far off at first.
    """
    each, dtype = _examples(kept, x), wide(x.dtype)
    examples = jnp.sum(kept, dtype=dtype)

    def offsets_and_squares(x, each):
        around = _channels(pivot, x)
        offset = jnp.where(each, x.astype(dtype), around) - around
        return offset, jnp.square(offset)

    def count_of(x):
        return examples * prod(x.shape[1:-1])

    rows = x[:, ::8] if x.ndim > 2 else x
    (total,) = sums_over_pixels(lambda x, each: [jnp.where(each, x.astype(dtype), 0)], rows, each)
    pivot = total / jnp.maximum(count_of(rows), 1)
    count = count_of(x)
    offset, square = (
        total / jnp.maximum(count, 1) for total in sums_over_pixels(offsets_and_squares, x, each)
    )
    return pivot + offset, jnp.maximum(square - offset * offset, 0), count


def _cleaned(x, kept):
    """x without what is not finite in masked examples, which would reach gradients times zero.

    Nor what is so large that its product with a factor may not be. A comparison, since XLA would
    store the result of `isfinite`, and each pass for itself, since it would store a common one.
    """
    most = float(jnp.finfo(wide(x.dtype)).max) ** 0.5
    small = jnp.abs(x) <= min(most, float(jnp.finfo(x.dtype).max))
    return jnp.where(kept | small, x, jnp.zeros((), x.dtype))


def _normalize(x, scale, bias, kept, epsilon):
    """x [b, *space, c] normalised by its own statistics, then scaled and shifted by [c].

    Returns y of x's shape and dtype, and the mean [c], biased variance [c] and count of
    `batch_statistics`, through which no gradient flows: they are for the running statistics.
    The gradient keeps x alone: XLA would otherwise store the centred x as well.
    """
    mean, var, count = batch_statistics(x, kept)
    x = _cleaned(x, _examples(kept, x))
    return scale_and_shift(x, mean, jax.lax.rsqrt(var + epsilon), scale, bias), mean, var, count


def _normalize_forward(x, scale, bias, kept, epsilon):
    y, mean, var, count = _normalize(x, scale, bias, kept, epsilon)
    return (y, mean, var, count), (x, scale, bias, kept, mean, var, count)


def _normalize_backward(epsilon, residuals, cotangents):
    x, scale, bias, kept, mean, var, count = residuals
    kept, factor = _examples(kept, x), jax.lax.rsqrt(var + epsilon)
    x = _cleaned(x, kept)
    cotangent = cotangents[0].astype(wide(x.dtype))

    def normalized(x):
        return (x.astype(wide(x.dtype)) - _channels(mean, x)) * _channels(factor, x)

    def of_bias_and_scale(cotangent, x):
        return cotangent, cotangent * normalized(x)

    bias_gradient, scale_gradient = sums_over_pixels(of_bias_and_scale, cotangent, x)
    # What reaches x through the statistics, which masked examples do not enter.
    common = _channels(bias_gradient, x) + normalized(x) * _channels(scale_gradient, x)
    inner = cotangent - jnp.where(kept, common / jnp.maximum(count, 1), 0)
    x_gradient = (inner * _channels(factor * scale, x)).astype(x.dtype)
    return x_gradient, scale_gradient.astype(scale.dtype), bias_gradient.astype(bias.dtype), None


normalize_batch = jax.custom_vjp(_normalize, nondiff_argnums=(4,))
normalize_batch.defvjp(_normalize_forward, _normalize_backward)
