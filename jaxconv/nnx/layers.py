"""BatchNorm and Dropout with PyTorch's semantics, as Flax NNX modules."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Shaped

from jaxconv.ops.batch_norm import batch_norm
from jaxconv.ops.dropout import dropout, require_rate


class BatchNorm(nnx.Module):
    """torch.nn.BatchNorm1d, 2d and 3d: normalises each channel over batch and space.

    Training normalises by the biased variance and keeps the unbiased one in the running statistics,
    as PyTorch does; flax.nnx.BatchNorm keeps the biased. `model.train()` and `model.eval()` choose,
    or `use_running_average`, here or in the call.

    Variables: Params `scale`, `bias`; BatchStats `mean`, `var`; all [num_features], float32.

    Args:
        num_features: channels of x.
        momentum: the share of the old running statistics that stays; 0.9 is PyTorch's 0.1.
        epsilon: added to the variance.
        use_running_average: normalise by the running statistics (evaluation).
        rngs: not drawn from; every NNX layer takes it.

    Example:
        >>> norm = BatchNorm(3)
        >>> norm(jnp.ones((8, 4, 4, 3))).shape, norm.mean[...].shape
        ((8, 4, 4, 3), (3,))
    """

    def __init__(
        self,
        num_features: int,
        *,
        use_running_average: bool = False,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        rngs: nnx.Rngs | None = None,
    ):
        self.scale = nnx.Param(jnp.ones(num_features, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(num_features, jnp.float32))
        self.mean = nnx.BatchStat(jnp.zeros(num_features, jnp.float32))
        self.var = nnx.BatchStat(jnp.ones(num_features, jnp.float32))
        self.use_running_average = use_running_average
        self.momentum = momentum
        self.epsilon = epsilon

    def __call__(
        self,
        x: Float[Array, "b *space c"],
        use_running_average: bool | None = None,
        *,
        mask: Shaped[Array, " b"] | None = None,
    ) -> Float[Array, "b *space c"]:
        """Normalises x [b, *space, c]; in training it updates the running statistics.

        Args:
            x: floating point; up to three spatial axes. The output is of its shape and dtype.
            use_running_average: as in the constructor, for this call.
            mask: [b], 1 for examples that count in the statistics, 0 for padding, which may hold
                anything.

        Raises:
            ValueError: an empty batch in training, or a mask that is not [b].
        """
        if use_running_average is None:
            use_running_average = self.use_running_average
        y, mean, var = batch_norm(
            x,
            self.scale[...],
            self.bias[...],
            self.mean[...],
            self.var[...],
            train=not use_running_average,
            mask=mask,
            momentum=self.momentum,
            epsilon=self.epsilon,
        )
        if not use_running_average:
            self.mean[...] = mean
            self.var[...] = var
        return y

    def set_view(self, use_running_average: bool | None = None) -> None:
        """What `nnx.view` may change."""
        if use_running_average is not None:
            self.use_running_average = use_running_average


class Dropout(nnx.Module):
    """torch.nn.Dropout: zeroes each element with probability `rate`, scales the rest by 1/(1-rate).

    `model.train()` and `model.eval()` choose, or `deterministic`, here or in the call. The mask is
    that of `jaxconv.ops.dropout`, from the stream "dropout" of `rngs`.

    Args:
        rate: in [0, 1), resolved to 2**-32.
        deterministic: leaves x as it is (evaluation).
        rngs: where masks come from in training; those of a call go before.

    Raises:
        ValueError: a rate outside of [0, 1).

    Example:
        >>> layer = Dropout(0.5, rngs=nnx.Rngs(0))
        >>> sorted(set(layer(jnp.ones(8)).tolist()))
        [0.0, 2.0]
    """

    def __init__(
        self, rate: float = 0.1, *, deterministic: bool = False, rngs: nnx.Rngs | None = None
    ):
        require_rate(rate)
        self.rate = rate
        self.deterministic = deterministic
        self.rngs = nnx.data(None) if rngs is None else rngs.dropout.fork()

    def __call__(
        self,
        x: Float[Array, "*shape"],
        *,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Float[Array, "*shape"]:
        """x of any shape, with or without dropout.

        Raises:
            ValueError: no `rngs`, here or in the constructor, where they are needed.
        """
        deterministic = self.deterministic if deterministic is None else deterministic
        if deterministic or self.rate == 0:
            return x
        stream = self.rngs if rngs is None else rngs.dropout
        if stream is None:
            raise ValueError("dropout in training needs random numbers, got no rngs; pass nnx.Rngs")
        return dropout(x, stream(), self.rate)

    def set_view(self, deterministic: bool | None = None) -> None:
        """What `nnx.view` may change."""
        if deterministic is not None:
            self.deterministic = deterministic
