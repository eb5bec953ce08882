"""The training step of S9Net: jaxconv against PyTorch and plain Flax, in images a second.

    python -m benchmarks.train_step [--batch-size N] [--threads N] [--memory kept] [--pairs N]

Everyone has the same weights, float32 batches in memory, dropout, BatchNorm, SGD with momentum and
weight decay, and as many threads; the losses of the first steps (without dropout) must agree. Each
runs in a process of its own, with the same settings of the C library's allocator.
"""

import sys
from collections.abc import Iterable, Iterator

from benchmarks.compete import Contender, Settings, matrix_rate, race, settings_of, settings_parser
from benchmarks.problem import TRAINING_MULTIPLY_ADDS
from benchmarks.record import finish, show
from benchmarks.result import Result

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
RECIPE = Contender("an epoch of the recipe", "benchmarks.jax_s9:epoch", {"batch_size": 512})
FLAX_IN_SCAN = Contender("Flax nn.Conv in scan", JAX, {"network": "flax", "steps_per_call": 2})


def results(settings: Settings) -> Iterator[Result]:
    on_cpu = True
    for result in with_rate(race("train_step", ALONE, OPPONENTS, settings), settings):
        on_cpu = result.figures["device"] == "cpu"
        yield result
    others = (ALONE, FLAX_IN_SCAN) if on_cpu else (ALONE, FLAX_IN_SCAN, *OPPONENTS[:3])
    yield from with_rate(race("train_step", IN_SCAN, others, settings), settings)
    if not on_cpu:
        yield from race_with_itself(settings)


def race_with_itself(settings: Settings) -> Iterator[Result]:
    """Seconds of an epoch of the documented recipe, data and augmentation on the device."""
    for result in race("train_step", RECIPE, (RECIPE,), settings):
        yield result._replace(figures={"seconds": result.comparison.a_seconds})


def with_rate(found: Iterable[Result], settings: Settings) -> Iterator[Result]:
    """Each result with our share of the rate of a matrix product, measured right after it."""
    for result in found:
        rate = TRAINING_MULTIPLY_ADDS * settings.batch_size / result.comparison.a_seconds
        share = rate / matrix_rate(settings)
        yield result._replace(figures=result.figures | {"of matrix product": share})


def main() -> int:
    given = settings_parser(__doc__).parse_args()
    return finish("train_step", show(results(settings_of(given))), given.out)


if __name__ == "__main__":
    sys.exit(main())
