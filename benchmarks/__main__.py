"""Every benchmark in one run, and the table of targets filled in.

    python -m benchmarks [--batch-size N] [--threads N] [--memory kept] [--pairs N] [--out DIR]

About half an hour on two cores that have nothing else to do; inference is measured at batch 1, too.
Exit code 1 where a result has to be discarded, because the same work differed from itself, or where
a variant is a fault.
"""

import sys
from pathlib import Path

from benchmarks import costs, inference, input, startup, train_step, variants
from benchmarks.compete import settings_of, settings_parser
from benchmarks.record import finish, show
from benchmarks.targets import table
from benchmarks.worker import ROOT


def main() -> int:
    given = settings_parser(__doc__).parse_args()
    settings = settings_of(given)
    runs = {
        "train_step": lambda: train_step.results(settings),
        "inference": lambda: inference.results(settings),
        "latency": lambda: inference.results(settings._replace(batch_size=1)),
        "input": lambda: input.results(settings),
        "startup": lambda: startup.results(ROOT / "configs/s9_quick.py", pairs=4),
        "costs": lambda: costs.results(pairs=settings.pairs),
        "variants": lambda: variants.results(pairs=settings.pairs, seconds=0.05),
    }
    found, code = [], 0
    for name, run in runs.items():
        print(f"\n{name}", flush=True)
        results = show(run())
        code |= finish(name, results, given.out)
        found += results
    devices = {result.figures.get("device", "cpu") for result in found}
    lines = table(found, device="cpu" if devices == {"cpu"} else "gpu")
    print("", *lines, sep="\n")
    (Path(given.out) / "targets.txt").write_text("\n".join(lines) + "\n")
    return code | int(bool(variants.slow(found)))


if __name__ == "__main__":
    sys.exit(main())
