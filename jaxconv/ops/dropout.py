"""Dropout whose mask is a hash of each element's index: one fused pass, forward and backward."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt32


def dropout(
    x: Float[Array, "*shape"], key: Key[Array, ""] | UInt32[Array, " n"], rate: float
) -> Float[Array, "*shape"]:
    """x with each element zeroed with probability `rate`, and the rest scaled by 1/(1 - rate).

    The mask comes from a counter hash of the element's index, not from jax.random: it costs one
    fused pass, and the gradient computes it again instead of keeping it.

    Args:
        x: any shape, floating point.
        key: one typed key of JAX, or its uint32 words [n], at least two.
        rate: in [0, 1), resolved to 2**-32.

    Raises:
        ValueError: a rate outside of [0, 1), several keys, or an x of whole numbers.

    Example:
        >>> y = dropout(jnp.ones((100, 100)), jax.random.key(0), 0.25)
        >>> 0.24 < (y == 0).mean() < 0.26
        Array(True, dtype=bool)

    Source: Srivastava et al., "Dropout" (2014); element-wise, as torch.nn.Dropout.
    """
    require_rate(rate)
    rate = float(rate)
    if rate == 0:
        return x
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise ValueError(f"x must be floating point, got {x.dtype}; convert it")
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not typed and (key.dtype != jnp.uint32 or key.size < 2):
        raise ValueError(
            f"the key must be of jax.random, or at least two uint32 words, got {key.shape} of "
            f"{key.dtype}"
        )
    if key.ndim != (0 if typed else 1):
        raise ValueError(f"dropout takes one key, got {key.shape} of {key.dtype}; use jax.vmap")
    words = jax.random.key_data(key) if typed else key
    return _masked(x, words.ravel()[:2], rate)


def require_rate(rate: float) -> None:
    """Refuses a rate outside of [0, 1) by a ValueError."""
    if not 0 <= rate < 1:
        raise ValueError(f"the dropout rate must be in [0, 1), got {rate}")


def _mask(x, words, rate):
    keep = hash_bits(x.shape, words) >= jnp.uint32(min(round(rate * 2**32), 2**32 - 1))
    return jnp.where(keep, x * jnp.asarray(1 / (1 - rate), x.dtype), jnp.zeros((), x.dtype))


def _masked_forward(x, words, rate):
    return _mask(x, words, rate), words


def _masked_backward(rate, words, cotangent):
    return _mask(cotangent, words, rate), None


_masked = jax.custom_vjp(_mask, nondiff_argnums=(2,))
_masked.defvjp(_masked_forward, _masked_backward)


def hash_bits(shape: tuple[int, ...], words: UInt32[Array, " 2"]) -> UInt32[Array, "..."]:
    """Uniform uint32 of `shape` from two seed words: a mixed counter, cheap enough to recompute.

    The mixing steps are those of the 32-bit hash "lowbias32" (Wellons, 2018), applied twice with a
    seed word before each. The first seed word is what counting begins at: a counter that did not
    depend on it would be computed once before a loop of steps, and read from memory in each.
    """
    counter = jnp.full(shape, words[0])
    stride = 1
    for axis in reversed(range(len(shape))):
        # An int would not wrap by itself, and a symbol has no remainder.
        step = jnp.uint32(stride % 2**32) if isinstance(stride, int) else _wrapped(stride)
        places = jnp.arange(shape[axis], dtype=jnp.uint32) * step
        counter += jax.lax.broadcast_in_dim(places, shape, (axis,))
        stride *= shape[axis]
    return _mix(_mix(counter) ^ words[1])


def _wrapped(size):
    return jnp.asarray(size).astype(jnp.uint32)


def _mix(bits):
    bits = (bits ^ (bits >> 16)) * jnp.uint32(0x7FEB352D)
    bits = (bits ^ (bits >> 15)) * jnp.uint32(0x846CA68B)
    return bits ^ (bits >> 16)
