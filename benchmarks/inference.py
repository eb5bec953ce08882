"""The evaluation pass of S9Net: jaxconv against PyTorch and plain Flax, in images a second.

    python -m benchmarks.forward [--batch-size N] [--threads N] [--pairs N]

Everyone has the same weights, float32 batches in memory and as many threads; the logits must agree.
"""

import sys
from collections.abc import Iterator

from benchmarks.compete import Contender, Settings, matrix_rate, race, settings_of, settings_parser
from benchmarks.problem import FORWARD_MULTIPLY_ADDS
from benchmarks.record import finish, show
from benchmarks.result import Result

JAX, TORCH = "benchmarks.jax_s9:forward", "benchmarks.torch_s9:forward"

OURS = Contender("jaxconv", JAX, {})
OPPONENTS = (
    Contender("PyTorch eager", TORCH, {"mode": "eager"}),
    Contender("PyTorch channels_last", TORCH, {"mode": "channels_last"}),
    Contender("torch.compile", TORCH, {"mode": "compile"}),
    Contender("Flax nn.Conv", JAX, {"network": "flax"}),
)


def results(settings: Settings) -> Iterator[Result]:
    for result in race("forward", OURS, OPPONENTS, settings):
        rate = FORWARD_MULTIPLY_ADDS * settings.batch_size / result.comparison.a_seconds
        share = rate / matrix_rate(settings)
        yield result._replace(figures=result.figures | {"of matrix product": share})


def main() -> int:
    given = settings_parser(__doc__).parse_args()
    return finish("forward", show(results(settings_of(given))), given.out)


if __name__ == "__main__":
    sys.exit(main())
