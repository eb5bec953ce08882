"""The layers between convolutions, with PyTorch's semantics: ReLU, BatchNorm, Dropout, pooling."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Num, Shaped

from jaxconv.ops.batch_norm import batch_norm
from jaxconv.ops.dropout import dropout, require_rate
from jaxconv.ops.xla.sums import wide


class ReLU(nn.Module):
    """max(x, 0), as a layer of its own so that a summary can name it."""

    @nn.compact
    def __call__(self, x: Num[Array, "*shape"]) -> Num[Array, "*shape"]:
        return nn.relu(x)


class GlobalAvgPool(nn.Module):
    """Mean over space, accumulated in float32: [b, *space, c] -> [b, 1..., c]."""

    @nn.compact
    def __call__(self, x: Float[Array, "b *space c"]) -> Float[Array, "b *ones c"]:
        space = tuple(range(1, x.ndim - 1))
        return jnp.mean(x, axis=space, keepdims=True, dtype=wide(x.dtype)).astype(x.dtype)


class BatchNorm(nn.Module):
    """torch.nn.BatchNorm1d, 2d and 3d: normalises each channel over batch and space.

    Training normalises by the biased variance and keeps the unbiased one in the running statistics,
    as PyTorch does; flax.linen.BatchNorm keeps the biased. With a batch sharded over devices under
    jit the statistics are those of the whole batch.

    Variables: params `scale`, `bias`; batch_stats `mean`, `var`; all [c], float32.

    Attributes:
        momentum: the share of the old running statistics that stays; 0.9 is PyTorch's 0.1.
        epsilon: added to the variance.
        train: as in the call; give it here or there.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> x = jnp.ones((8, 4, 4, 3))
        >>> variables = BatchNorm().init(jax.random.key(0), x, train=True)
        >>> y, updated = BatchNorm().apply(variables, x, train=True, mutable=["batch_stats"])
        >>> y.shape, updated["batch_stats"]["mean"].shape
        ((8, 4, 4, 3), (3,))
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    train: bool | None = None

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b *space c"],
        *,
        train: bool | None = None,
        mask: Shaped[Array, " b"] | None = None,
    ) -> Float[Array, "b *space c"]:
        """Normalises x; the sums are in float32 at least, the output is of x's shape and dtype.

        Args:
            x: [b, *space, c], floating point; up to three spatial axes.
            train: normalise by the batch and update `batch_stats`, which must be mutable; else by
                `batch_stats`.
            mask: [b], 1 for examples that count in the statistics, 0 for padding, which may hold
                anything.

        Raises:
            ValueError: an empty batch in training, a mask that is not [b], an x of whole numbers,
                or `train` not given or given twice.
        """
        train = nn.merge_param("train", self.train, train)
        features = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, features, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, features, jnp.float32)
        mean = self.variable("batch_stats", "mean", jnp.zeros, features, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, features, jnp.float32)
        y, *after = batch_norm(
            x,
            scale,
            bias,
            mean.value,
            var.value,
            train=train,
            mask=mask,
            momentum=self.momentum,
            epsilon=self.epsilon,
        )
        if train and not self.is_initializing():
            mean.value, var.value = after
        return y


class Dropout(nn.Module):
    """torch.nn.Dropout: zeroes each element with probability `rate`, scales the rest by 1/(1-rate).

    Needs an rng named "dropout" in training. Its mask is that of `jaxconv.ops.dropout`.

    Attributes:
        rate: in [0, 1), resolved to 2**-32.
        train: as in the call; give it here or there.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> y = Dropout(0.5).apply({}, jnp.ones(8), train=True, rngs={"dropout": jax.random.key(0)})
        >>> sorted(set(y.tolist()))
        [0.0, 2.0]
    """

    rate: float = 0.1
    train: bool | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "*shape"], *, train: bool | None = None
    ) -> Float[Array, "*shape"]:
        """x of any shape, with or (where `train` is False) without dropout.

        Raises:
            ValueError: a rate outside of [0, 1), or `train` not given or given twice.
        """
        require_rate(self.rate)
        train = nn.merge_param("train", self.train, train)
        if not train or self.rate == 0:
            return x
        return dropout(x, self.make_rng("dropout"), self.rate)
