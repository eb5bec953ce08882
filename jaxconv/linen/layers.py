"""The layers between convolutions, with PyTorch's semantics: ReLU, BatchNorm, Dropout, pooling."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxconv.ops.xla.sums import sum_over_pixels


class ReLU(nn.Module):
    """max(x, 0), as a layer of its own so that a summary can name it."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.relu(x)


class GlobalAvgPool(nn.Module):
    """Mean over space, accumulated in float32: [b, h, w, c] -> [b, 1, 1, c]."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.mean(
            x, axis=(1, 2), keepdims=True, dtype=jnp.promote_types(x.dtype, jnp.float32)
        ).astype(x.dtype)


class BatchNorm(nn.Module):
    """torch.nn.BatchNorm2d: normalises each channel over batch and space, then scales and shifts.

    Statistics are computed in at least float32, in one pass that stays correct for a mean that is
    large against the deviation. Training normalises by the biased variance and keeps the unbiased
    one, as PyTorch does; flax.linen.BatchNorm keeps the biased. With a batch sharded over devices
    under jit the statistics are those of the whole batch.

    Variables: params `scale`, `bias`; batch_stats `mean`, `var`; all [c].

    Attributes:
        momentum: the share of the old running statistics that stays; 0.9 is PyTorch's 0.1.
        epsilon: added to the variance.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, mask: jax.Array | None = None) -> jax.Array:
        """Normalises x [b, h, w, c]; `mask` [b] is 1 for examples that count in the statistics."""
        features = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, features, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, features, jnp.float32)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, features, jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, features, jnp.float32)
        if not train:
            factor = jax.lax.rsqrt(running_var.value + self.epsilon)
            return scale_and_shift(x, running_mean.value, factor, scale, bias)
        weights = jnp.ones(len(x)) if mask is None else mask.astype(jnp.float32)
        y, mean, var, count = normalize_batch(x, scale, bias, weights, self.epsilon)
        if not self.is_initializing():
            unbiased = var * (count / jnp.maximum(count - 1, 1))
            running_mean.value = self._blend(running_mean.value, mean)
            running_var.value = self._blend(running_var.value, unbiased)
        return y

    def _blend(self, old, new):
        return self.momentum * old + (1 - self.momentum) * jax.lax.stop_gradient(new)


def scale_and_shift(x, mean, factor, scale, bias):
    """(x - mean) * factor * scale + bias for x [b, h, w, c] and [c], rounded once to x's dtype."""
    slope = (factor * scale)[None, None, None]
    return ((x - mean[None, None, None]) * slope + bias[None, None, None]).astype(x.dtype)


def batch_statistics(x: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Mean [c], biased variance [c] and number of values a channel, of x [b, h, w, c].

    Example b counts `weights`[b] times, 0 or 1. One pass over x: the sums are taken around one
    pixel of x itself, so that they do not cancel where the mean is large.
    """
    wide = jnp.promote_types(x.dtype, jnp.float32)
    _, h, w, _ = x.shape
    pivot = x[:1, h // 2 : h // 2 + 1, w // 2 : w // 2 + 1].astype(wide)
    each = weights.astype(wide)[:, None, None, None]
    count = jnp.maximum(jnp.sum(weights), 1) * (h * w)
    offset = sum_over_pixels(lambda x, w: (x.astype(wide) - pivot) * w, x, each) / count
    square = sum_over_pixels(lambda x, w: (x.astype(wide) - pivot) ** 2 * w, x, each) / count
    return pivot[0, 0, 0] + offset, jnp.maximum(square - offset * offset, 0), count


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def normalize_batch(x, scale, bias, weights, epsilon):
    """x [b, h, w, c] normalised by its own statistics, then scaled and shifted by [c].

    Returns y of x's shape and dtype, and the mean [c], biased variance [c] and count of
    `batch_statistics`, through which no gradient flows: they are for the running statistics.
    The gradient keeps x alone: XLA would otherwise store the centred x as well.
    """
    mean, var, count = batch_statistics(x, weights)
    return scale_and_shift(x, mean, jax.lax.rsqrt(var + epsilon), scale, bias), mean, var, count


def _normalize_forward(x, scale, bias, weights, epsilon):
    y, mean, var, count = normalize_batch(x, scale, bias, weights, epsilon)
    return (y, mean, var, count), (x, scale, weights, mean, var, count)


def _normalize_backward(epsilon, residuals, cotangents):
    x, scale, weights, mean, var, count = residuals
    wide = jnp.promote_types(x.dtype, jnp.float32)
    factor = jax.lax.rsqrt(var + epsilon)[None, None, None]
    cotangent = cotangents[0].astype(wide)

    def normalized(x):
        return (x.astype(wide) - mean[None, None, None]) * factor

    bias_gradient = sum_over_pixels(lambda cotangent: cotangent, cotangent)
    scale_gradient = sum_over_pixels(lambda x, slope: slope * normalized(x), x, cotangent)
    # What reaches x through the statistics, which examples of weight 0 do not enter.
    common = (
        bias_gradient[None, None, None] + normalized(x) * scale_gradient[None, None, None]
    ) / count
    inner = cotangent - common * weights.astype(wide)[:, None, None, None]
    x_gradient = (inner * factor * scale[None, None, None]).astype(x.dtype)
    return x_gradient, scale_gradient, bias_gradient, jnp.zeros_like(weights)


normalize_batch.defvjp(_normalize_forward, _normalize_backward)


class Dropout(nn.Module):
    """torch.nn.Dropout: zeroes each element with probability `rate`, scales the rest by 1/(1-rate).

    Needs an rng named "dropout" in training. The mask comes from a counter hash of the element's
    index, not from jax.random: it costs one fused pass, and backward recomputes it.

    Attributes:
        rate: in [0, 1), resolved to 2**-32.
    """

    rate: float = 0.1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        if not 0 <= self.rate < 1:
            raise ValueError(f"the dropout rate must be in [0, 1), got {self.rate}")
        if not train or self.rate == 0:
            return x
        return dropout(x, jax.random.key_data(self.make_rng("dropout")), self.rate)


def dropout(x: jax.Array, words: jax.Array, rate: float) -> jax.Array:
    """x with a share `rate` of its elements zeroed, chosen by `words` (uint32, at least two)."""
    return _masked(x, words.ravel()[:2], rate)


def _masked(x, words, rate):
    keep = hash_bits(x.shape, words) >= jnp.uint32(min(round(rate * 2**32), 2**32 - 1))
    return jnp.where(keep, x * jnp.asarray(1 / (1 - rate), x.dtype), jnp.zeros((), x.dtype))


def _masked_forward(x, words, rate):
    return _masked(x, words, rate), words


def _masked_backward(rate, words, cotangent):
    return _masked(cotangent, words, rate), None


_masked = jax.custom_vjp(_masked, nondiff_argnums=(2,))
_masked.defvjp(_masked_forward, _masked_backward)


def hash_bits(shape: tuple[int, ...], words: jax.Array) -> jax.Array:
    """Uniform uint32 of `shape` from two seed words: a mixed counter, cheap enough to recompute.

    The mixing steps are those of the 32-bit hash "lowbias32" (Wellons, 2018), applied twice with a
    seed word before each. The first seed word is what counting begins at: a counter that did not
    depend on it would be computed once before a loop of steps, and read from memory in each.
    """
    counter = jnp.full(shape, words[0])
    stride = 1
    for axis in reversed(range(len(shape))):
        places = jnp.arange(shape[axis], dtype=jnp.uint32) * jnp.uint32(stride % 2**32)
        counter += jax.lax.broadcast_in_dim(places, shape, (axis,))
        stride *= shape[axis]
    return _mix(_mix(counter) ^ words[1])


def _mix(bits):
    bits = (bits ^ (bits >> 16)) * jnp.uint32(0x7FEB352D)
    bits = (bits ^ (bits >> 15)) * jnp.uint32(0x846CA68B)
    return bits ^ (bits >> 16)
