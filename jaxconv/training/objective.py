"""What is minimised and what is counted, over the examples that a mask keeps."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Num, Shaped

Sums = dict[str, Num[Array, ""]]
Batch = dict[str, Any]
Objective = Callable[[Float[Array, "b k"], Batch], Sums]
"""(logits, batch) -> sums, as `make_objective` returns."""

TARGETS = ("label", "teacher")  # what a batch holds of what an image should be taken for


def cross_entropy(
    logits: Float[Array, "b k"], labels: Integer[Array, " b"], *, label_smoothing: float = 0.0
) -> Float[Array, " b"]:
    """In nats, float32; `label_smoothing` is the share of the target spread over all k classes."""
    log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
    hit = jnp.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
    return -(1 - label_smoothing) * hit - label_smoothing * jnp.mean(log_p, axis=1)


def distillation(
    logits: Float[Array, "b k"], teacher: Float[Array, "b k"], *, temperature: float
) -> Float[Array, " b"]:
    """How far a student is from its teacher: T^2 KL(teacher || student), of softened probabilities.

    Both logits are divided by the temperature T. In nats, float32; 0 where the two agree.

    Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (2015).
    """
    log_p = jax.nn.log_softmax(teacher.astype(jnp.float32) / temperature)
    log_q = jax.nn.log_softmax(logits.astype(jnp.float32) / temperature)
    return temperature**2 * jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=1)


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
    objective = make_objective(label_smoothing=label_smoothing)
    return objective(logits, {"label": labels, "mask": mask})


def make_objective(
    *, label_smoothing: float = 0.0, teacher_weight: float = 0.0, temperature: float = 1.0
) -> Objective:
    """Returns `objective(logits, batch) -> sums` over the examples that the batch's mask keeps.

    The sums are those of `classification_sums`. Of a batch that `mixing` has mixed, the loss of an
    example is that of its own targets and its partner's by their shares, and `correct` counts the
    heavier label.

    Args:
        label_smoothing: share of the target spread evenly over all classes, in [0, 1].
        teacher_weight: of `distillation` in the loss, in [0, 1]; the rest is the labels'. Above 0
            the batches must have `teacher`, logits [b, k].
        temperature: of the distillation, above 0.
    """

    def loss_of(logits, targets):
        hard = cross_entropy(logits, targets["label"], label_smoothing=label_smoothing)
        if teacher_weight == 0:
            return hard
        soft = distillation(logits, targets["teacher"], temperature=temperature)
        return (1 - teacher_weight) * hard + teacher_weight * soft

    def objective(logits, batch):
        kept = batch["mask"].astype(bool)
        # Before any arithmetic: the gradient of what is left out by a later `where` may be 0 * inf.
        logits = jnp.where(kept[:, None], logits, 0)
        label, loss = batch["label"], loss_of(logits, batch)
        if "partner" in batch:
            share, partner = batch["share"], batch["partner"]
            loss = share * loss + (1 - share) * loss_of(logits, partner)
            label = jnp.where(share < 0.5, partner["label"], label)
        return {
            "loss_sum": jnp.sum(jnp.where(kept, loss, 0)),
            "correct": jnp.sum(kept & (jnp.argmax(logits, axis=1) == label), dtype=jnp.int32),
            "count": jnp.sum(kept, dtype=jnp.int32),
        }

    return objective


def mean_loss(sums: Sums) -> Float[Array, ""]:
    """Mean loss over the counted examples; 0 where there are none."""
    return sums["loss_sum"] / jnp.maximum(sums["count"], 1)
