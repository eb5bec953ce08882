"""One step of training and of evaluation: pure functions of arrays, each compiled once."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, Float, Int32, Key, Shaped

from jaxconv.training.mixing import Mix, unmixed
from jaxconv.training.objective import (
    Batch,
    Objective,
    Sums,
    classification_sums,
    make_objective,
    mean_loss,
)


class TrainState(NamedTuple):
    """All that training changes, arrays only."""

    step: Int32[Array, ""]  # steps done
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    average: Any = None  # of params and batch_stats, as `variables`, where one is kept

    @property
    def variables(self) -> dict[str, Any]:
        """What `model.apply` takes: the average where one is kept, else the last step's."""
        return self.average or {"params": self.params, "batch_stats": self.batch_stats}


def init_train_state(
    model: nn.Module, tx: optax.GradientTransformation, key: jax.Array, image_shape: tuple[int, ...]
) -> TrainState:
    """Fresh parameters from `key`; `image_shape` is [h, w, c]."""
    images = jnp.zeros((1, *image_shape), jnp.float32)
    variables = jax.jit(model.init, static_argnames="train")(key, images, train=False)
    params, batch_stats = variables["params"], variables.get("batch_stats", {})
    return TrainState(jnp.zeros((), jnp.int32), params, batch_stats, tx.init(params))


def identity_augment(
    keys: Key[Array, " b"], images: Shaped[Array, "b h w c"]
) -> Shaped[Array, "b h w c"]:
    """Images as they are: the augmentation of batches that were augmented on the host."""
    return images


CROSS_ENTROPY = make_objective()


def make_train_step(
    model: nn.Module,
    tx: optax.GradientTransformation,
    augment: Callable[[Key[Array, " b"], Shaped[Array, "b h w c"]], Shaped[Array, "b h2 w2 c"]],
    *,
    mix: Mix = unmixed,
    objective: Objective = CROSS_ENTROPY,
) -> Callable[[TrainState, Batch, Key[Array, ""]], tuple[TrainState, Sums]]:
    """Returns `train_step(state, batch, key) -> (state, metrics)`, jitted; `state` is donated.

    Args:
        model: a linen classifier, `model.apply(variables, images, train=...)` -> logits [b, k]. If
            its `__call__` takes `mask`, the step passes the batch's, so padding stays out of its
            statistics.
        tx: the optimizer.
        augment: (keys [b], images [b, h, w, c]) -> float images; traced into the step.
        mix: (key, batch) -> batch, of what `augment` has made; of `make_mix`.
        objective: (logits, batch) -> sums, whose mean is minimised; of `make_objective`.

    A batch has `image` [b, h, w, c], `label` [b] and `mask` [b]; it may have `key` [b], a typed key
    for each example's augmentation (or what else `augment` takes), else they come from the step's
    key. That is `key` folded with `state.step`: use one `key` for a whole run; a resumed run then
    equals an uninterrupted one.

    `metrics` are sums over the examples: `loss_sum`, `correct`, `count`.
    """
    takes_mask = "mask" in inspect.signature(type(model).__call__).parameters

    def train_step(state, batch, key):
        step_key = jax.random.fold_in(key, state.step)
        dropout_key, augment_key = jax.random.split(step_key)
        if "key" in batch:
            keys = batch["key"]
        else:
            keys = jax.random.split(augment_key, batch["image"].shape[0])
        batch = mix(step_key, {**batch, "image": augment(keys, batch["image"])})

        def loss_of(params):
            logits, updated = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                batch["image"],
                train=True,
                rngs={"dropout": dropout_key},
                mutable=["batch_stats"],
                **({"mask": batch["mask"]} if takes_mask else {}),
            )
            sums = objective(logits, batch)
            return mean_loss(sums), (sums, updated.get("batch_stats", {}))

        gradients, (sums, batch_stats) = jax.grad(loss_of, has_aux=True)(state.params)
        updates, opt_state = tx.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(state.step + 1, params, batch_stats, opt_state), sums

    return jax.jit(train_step, donate_argnums=0)


Logits = Callable[[Any, Float[Array, "b h w c"]], Float[Array, "b k"]]
"""(variables, images that the model takes) -> logits [b, k]: a model's inference."""


def applied(model: nn.Module) -> Logits:
    """Inference as the model itself does it: running statistics, no dropout."""

    def logits(variables: Any, images: jax.Array) -> jax.Array:
        found = model.apply(variables, images, train=False)
        return cast(jax.Array, found)  # `apply` returns a pair only where something is mutable

    return logits


def mirrored(logits: Logits) -> Logits:
    """Inference with test-time flips: the mean of the logits of an image and its mirror image."""

    def mean(variables: Any, images: jax.Array) -> jax.Array:
        return (logits(variables, images) + logits(variables, jnp.flip(images, axis=2))) / 2

    return mean


def make_eval_step(
    model: nn.Module,
    normalize: Callable[[jax.Array], jax.Array] = lambda images: images,
    *,
    logits: Logits | None = None,
) -> Callable[[TrainState, Batch], Sums]:
    """Returns `eval_step(state, batch) -> metrics`, jitted: running statistics, no dropout.

    `normalize` maps the batch's images to what the model takes; `logits` is another way to the
    same logits as `model.apply`, a faster one; metrics as in `make_train_step`.
    """
    logits_of = logits or applied(model)

    def eval_step(state, batch):
        found = logits_of(state.variables, normalize(batch["image"]))
        return classification_sums(found, batch["label"], batch["mask"])

    return jax.jit(eval_step)


def make_predict_step(
    model: nn.Module, normalize: Callable[[jax.Array], jax.Array] = lambda images: images
) -> Callable[[TrainState, Shaped[Array, "b h w c"]], Float[Array, "b k"]]:
    """Returns `predict_step(state, images) -> probabilities [b, k]`, jitted, float32."""

    logits_of = applied(model)

    def predict_step(state, images):
        return jax.nn.softmax(logits_of(state.variables, normalize(images)))

    return jax.jit(predict_step)
