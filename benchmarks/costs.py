"""Seconds of every convolution for the same job, against the standard convolution.

    python -m benchmarks.costs [--pairs N]

128 maps of 32x32 pixels, 32 channels in and out, a 3x3 kernel: the job whose multiply-adds
`python -m jaxconv costs` counts.
"""

import sys
from collections.abc import Iterator

import jax

from benchmarks.measure import compare_steadily
from benchmarks.record import finish, options_parser, show
from benchmarks.result import Result
from benchmarks.variants import Mode, forward_alone, gradients_alone, slot
from jaxconv.memory import keep_freed_memory
from jaxconv.models.cost import same_job

BATCH, IMAGE, FEATURES = 128, (32, 32, 32), 32
MODES = (Mode("forward", forward_alone), Mode("forward and gradients", gradients_alone))


def results(*, pairs: int, seconds: float = 0.1) -> Iterator[Result]:
    keep_freed_memory()
    x = jax.random.normal(jax.random.key(0), (BATCH, *IMAGE))
    for mode in MODES:
        slots = {}
        for name, layer in same_job(IMAGE, FEATURES).items():
            variables = layer.init(jax.random.key(1), x[:1])
            run = mode.make(lambda x, variables, layer=layer: layer.apply(variables, x))
            slots[name] = slot(run, (x, (variables,)), seconds)
        standard = slots.pop("standard")
        for name, own in slots.items():
            compared = compare_steadily(own, standard, pairs=pairs)
            yield Result("costs", mode.name, f"{name} over standard", compared, {})


def main() -> int:
    given = options_parser(__doc__).parse_args()
    return finish("costs", show(results(pairs=given.pairs)), given.out)


if __name__ == "__main__":
    sys.exit(main())
