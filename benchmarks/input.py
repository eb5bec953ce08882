"""How the pictures get to the device: what augmentation costs, on the host and on the device.

    python -m benchmarks.input [--batch-size N] [--threads N] [--pairs N]

Trains with the albumentations engine as `train.py` does, one step after the other, and adds up how
long the device lay idle between the end of a step and the start of the next. Beside that: the
engine alone, and the share of a step that the device engine takes.
"""

import sys
from collections.abc import Iterator

from benchmarks.compete import Contender, Settings, settings_of, settings_parser
from benchmarks.measure import compare_steadily
from benchmarks.record import finish, show
from benchmarks.result import Result

JAX = "benchmarks.jax_s9"
TRAIN = Contender("jaxconv's step", f"{JAX}:train", {})
ON_DEVICE = Contender("device augmentation", f"{JAX}:augment", {})
ON_HOST = Contender("albumentations engine", "benchmarks.host_input:augment", {})
FED = Contender("jaxconv fed by albumentations", "benchmarks.host_input:train", {})


def results(settings: Settings) -> Iterator[Result]:
    with settings.start(TRAIN) as train:
        step = train.slot(settings.slot_seconds)
        for contender in (ON_DEVICE, ON_HOST, FED):
            # A run begins with batches that are ready: it has to be long against these.
            seconds = settings.slot_seconds * (5 if contender is FED else 1)
            with settings.start(contender) as worker:
                slots = worker.slot(seconds), step
                comparison = compare_steadily(*slots, pairs=settings.pairs)
                figures = {"images/s": settings.batch_size / comparison.a_seconds}
                if contender is FED:
                    figures["idle share"] = worker.check()[0]
                else:
                    figures["share of a step"] = 1 / comparison.ratio
            figures |= {"batch": settings.batch_size, "threads": settings.threads}
            yield Result("input", contender.name, TRAIN.name, comparison, figures)


def main() -> int:
    given = settings_parser(__doc__).parse_args()
    return finish("input", show(results(settings_of(given))), given.out)


if __name__ == "__main__":
    sys.exit(main())
