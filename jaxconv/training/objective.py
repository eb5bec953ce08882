"""What is minimised and what is counted, over the examples that a mask keeps."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Num, Shaped

Sums = dict[str, Num[Array, ""]]


def classification_sums(
    logits: Float[Array, "b k"],
    labels: Integer[Array, " b"],
    mask: Shaped[Array, " b"],
    *,
    label_smoothing: float = 0.0,
) -> Sums:
    """Sums over the examples with mask 1; divide by `count` for means.

    Args:
        logits: [b, k], floating point.
        labels: [b], integers in [0, k).
        mask: [b], 1 for an example, 0 for padding, whose logits may be anything.
        label_smoothing: share of the target spread evenly over all k classes, in [0, 1].

    Returns:
        `loss_sum` (cross-entropy in nats, float32), `correct` and `count` (int32), each [].
    """
    kept = mask.astype(bool)
    # Before any arithmetic: the gradient of what is left out by a later `where` may be 0 * inf.
    logits = jnp.where(kept[:, None], logits, 0)
    log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
    hit = jnp.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
    loss = -(1 - label_smoothing) * hit - label_smoothing * jnp.mean(log_p, axis=1)
    return {
        "loss_sum": jnp.sum(jnp.where(kept, loss, 0)),
        "correct": jnp.sum(kept & (jnp.argmax(logits, axis=1) == labels), dtype=jnp.int32),
        "count": jnp.sum(kept, dtype=jnp.int32),
    }


def mean_loss(sums: Sums) -> Float[Array, ""]:
    """Mean loss over the counted examples; 0 where there are none."""
    return sums["loss_sum"] / jnp.maximum(sums["count"], 1)


def zero_sums() -> Sums:
    """The sums over no example."""
    zero = jnp.zeros((), jnp.int32)
    return {"loss_sum": jnp.zeros((), jnp.float32), "correct": zero, "count": zero}
