"""Workers in JAX: jaxconv's S9Net, the same of plain Flax layers, and what they are set beside."""

from collections.abc import Callable
from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from benchmarks import problem
from benchmarks.flax_s9 import FlaxS9
from benchmarks.worker import Job
from configs import s9
from jaxconv.augment.device import make_device_augment
from jaxconv.augment.pipeline import parse_pipeline
from jaxconv.interop.torch import s9_state_dict, s9_variables
from jaxconv.models.inference import fold, infer
from jaxconv.models.s9 import S9Net
from jaxconv.training.epochs import RunEpoch, Tally, empty_tally, make_device_epoch, steps_of
from jaxconv.training.step import TrainState, identity_augment, make_train_step

MOST_BATCHES = 8  # in memory, used in turn


def make_model(network: str, dropout_rate: float) -> nn.Module:
    """jaxconv's network or Flax's."""
    made = {"jaxconv": S9Net, "flax": FlaxS9}[network]
    return made(problem.CLASSES, dropout_rate)


def make_variables() -> dict:
    """The common weights, as both networks take them."""
    model, image = S9Net(problem.CLASSES), jnp.zeros((1, 32, 32, 3))
    made = jax.eval_shape(lambda: model.init(jax.random.key(0), image, train=False))
    zeros = jax.tree.map(lambda array: jnp.zeros(array.shape, array.dtype), made)
    shapes = {name: array.shape for name, array in s9_state_dict(zeros).items()}
    return jax.device_put(s9_variables(problem.draw_weights(shapes)))


def describe() -> str:
    return jax.devices()[0].device_kind if jax.default_backend() != "cpu" else "cpu"


def make_tx() -> optax.GradientTransformation:
    """The optimizer, as PyTorch's SGD orders it."""
    return optax.chain(
        optax.add_decayed_weights(problem.WEIGHT_DECAY),
        optax.sgd(problem.LEARNING_RATE, problem.MOMENTUM),
    )


def make_runner(
    run_epoch: RunEpoch, tx: optax.GradientTransformation
) -> Callable[[int], tuple[TrainState, Tally]]:
    """Returns run(calls), which trains on from where it stood; the tally is of the last epoch."""
    variables = make_variables()
    params, batch_stats = variables["params"], variables["batch_stats"]

    def train():
        state = TrainState(jnp.zeros((), jnp.int32), params, batch_stats, tx.init(params))
        for epoch in count():
            for reached in run_epoch(state, empty_tally(), epoch, 0):
                yield reached
                state, _ = reached

    trained = train()

    def run(calls):
        for _ in range(calls):
            reached = next(trained)
        return jax.block_until_ready(reached)

    return run


def train(
    *, threads: int, network: str = "jaxconv", batch_size: int, steps_per_call: int = 1
) -> Job:
    """Training, `steps_per_call` steps in one loop of XLA's where there is more than one."""
    tx = make_tx()

    def runner(dropout_rate, batches):
        step = make_train_step(make_model(network, dropout_rate), tx, identity_augment)
        images, labels = problem.draw_batches(batches, batch_size)
        options = {"batch_size": batch_size, "steps_per_call": steps_per_call, "seed": 0}
        return make_runner(make_device_epoch(step, images, labels, **options), tx)

    run = runner(problem.DROPOUT_RATE, MOST_BATCHES if steps_per_call == 1 else steps_per_call)

    def check():
        once = runner(0.0, 1)
        return [float(once(1)[1].loss_sum) / batch_size for _ in range(problem.CHECKED_STEPS)]

    return Job(lambda calls: float(run(calls)[1].loss_sum), check, describe(), steps_per_call)


def epoch(*, threads: int, batch_size: int) -> Job:
    """The documented recipe on 50,000 images with its augmentation: a call is an epoch."""
    tx = make_tx()
    model = make_model("jaxconv", problem.DROPOUT_RATE)
    step = make_train_step(model, tx, make_augment())
    images, labels = problem.draw_pixels(50_000)
    per_call = steps_of(50_000, batch_size)
    options = {"batch_size": batch_size, "steps_per_call": per_call, "seed": 0}
    run = make_runner(make_device_epoch(step, images, labels, **options), tx)
    return Job(lambda calls: float(run(calls)[1].loss_sum), list, describe())


def inference(*, threads: int, network: str = "folded", batch_size: int) -> Job:
    """Logits of a batch: a call is a batch. Networks: "folded", "jaxconv" (applied), "flax"."""
    variables = make_variables()
    if network == "folded":
        weights, logits = fold(variables), jax.jit(infer)
    else:
        model = make_model(network, problem.DROPOUT_RATE)
        weights = variables
        logits = jax.jit(lambda variables, x: model.apply(variables, x, train=False))
    images, _ = problem.draw_batches(MOST_BATCHES, batch_size)
    batches = jax.device_put(list(images.reshape(MOST_BATCHES, batch_size, 32, 32, 3)))

    def run(calls):
        total = 0.0
        for n in range(calls):
            total += np.asarray(logits(weights, batches[n % MOST_BATCHES]))[0, 0]
        return float(total)

    return Job(run, lambda: logits(weights, batches[0]).tolist(), describe())


def make_augment() -> Callable:
    """The documented pipeline, as a function of keys and images."""
    return make_device_augment(parse_pipeline(s9.get_config().augment.transforms))


def augment(*, threads: int, batch_size: int) -> Job:
    """The documented pipeline on the device: a call is a batch."""
    run_pipeline = jax.jit(make_augment())
    images = jax.device_put(problem.draw_pixels(batch_size)[0])

    def run(calls):
        outputs = [run_pipeline(jax.random.key(n), images) for n in range(calls)]
        return sum(float(output[0, 0, 0, 0]) for output in jax.block_until_ready(outputs))

    return Job(run, list, describe())


def matrix_product(*, threads: int, size: int) -> Job:
    """The product of two float32 matrices of `size` rows and columns: a call is a product."""
    a = jax.random.normal(jax.random.key(0), (size, size)) / size**0.5

    multiply = jax.jit(jnp.matmul)

    def run(calls):
        product = a
        for _ in range(calls):
            product = multiply(product, a)
        return float(jax.block_until_ready(product)[0, 0])

    return Job(run, list, describe())
