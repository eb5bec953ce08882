"""The training step of S9Net: jaxconv against PyTorch and plain Flax, in images a second.

    python -m benchmarks.train_step [--batch-size N] [--threads N] [--pairs N]

Everyone has the same weights, float32 batches in memory, dropout, BatchNorm, SGD with momentum and
weight decay, and as many threads; the losses of the first steps (without dropout) must agree. Each
runs in a process of its own, with its own defaults; ours keeps freed memory, as `train.py` does.
"""

import sys
from collections.abc import Iterator

from benchmarks.compete import Contender, Settings, matrix_rate, race, settings_of, settings_parser
from benchmarks.measure import compare_steadily
from benchmarks.problem import TRAINING_MULTIPLY_ADDS
from benchmarks.record import Result, finish, show

JAX, TORCH = "benchmarks.jax_s9:train", "benchmarks.torch_s9:train"

ALONE = Contender("jaxconv", JAX, {})
IN_SCAN = Contender("jaxconv in scan", JAX, {"steps_per_call": 4})
OPPONENTS = (
    Contender("PyTorch eager", TORCH, {"mode": "eager"}),
    Contender("PyTorch channels_last", TORCH, {"mode": "channels_last"}),
    Contender("torch.compile", TORCH, {"mode": "compile"}),
    Contender("Flax nn.Conv", JAX, {"network": "flax"}),
)
# A call of two steps takes about 20 s on two cores.
FLAX_IN_SCAN = Contender("Flax nn.Conv in scan", JAX, {"network": "flax", "steps_per_call": 2})
AUGMENT = Contender("device augmentation", "benchmarks.jax_s9:augment", {})


def results(settings: Settings) -> Iterator[Result]:
    for result in _races(settings):
        rate = TRAINING_MULTIPLY_ADDS * settings.batch_size / result.comparison.a_seconds
        share = rate / matrix_rate(settings)
        yield result._replace(figures=result.figures | {"of matrix product": share})
    yield augmentation_share(settings)


def _races(settings: Settings) -> Iterator[Result]:
    yield from race("train_step", ALONE, OPPONENTS, settings)
    yield from race("train_step", IN_SCAN, (ALONE, FLAX_IN_SCAN), settings)


def augmentation_share(settings: Settings) -> Result:
    """How many times as long as the augmentation of a batch its training step takes."""
    with settings.start(AUGMENT) as augment, settings.start(ALONE) as train:
        slots = [worker.slot(settings.slot_seconds) for worker in (augment, train)]
        comparison = compare_steadily(*slots, pairs=settings.pairs)
    return Result(
        "train_step",
        AUGMENT.name,
        "jaxconv's step",
        comparison,
        {"share of a step": 1 / comparison.ratio, "batch": settings.batch_size},
    )


def main() -> int:
    given = settings_parser(__doc__).parse_args()
    return finish("train_step", show(results(settings_of(given))), given.out)


if __name__ == "__main__":
    sys.exit(main())
