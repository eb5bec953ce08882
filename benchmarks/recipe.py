"""Whole trainings of a config over several seeds: accuracy, seconds, seconds to a target.

    python -m benchmarks.recipe [--config FILE] [--seeds N] [--target PERCENT] [-- OVERRIDES ...]

Each seed is a process of `train.py` of its own, started when the one before has ended. Seconds
count from its start, so that imports, data and compilation are in them. The accuracy is that of
the last epoch; the target is reached when the first epoch at or above it ends. Overrides are those
of `train.py`, such as --config.epochs=10.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.record import OUT, machine
from benchmarks.worker import ROOT


class Training(NamedTuple):
    """What one seed gave."""

    seed: int
    accuracy: float  # percent of the test images, after the last epoch
    seconds: float  # from the start of the process to the end of its last epoch
    epoch_seconds: float  # median over the epochs but the first, without evaluation
    seconds_to_target: float | None  # from the start; None where it was never reached


def train(
    config: Path, seed: int, *, workdir: Path, target: float, overrides: Sequence[str]
) -> Training:
    """Trains once; raises CalledProcessError where `train.py` fails, after it said why."""
    command = [sys.executable, "-u", "train.py", "--config", str(config), "--workdir", str(workdir)]
    command += [f"--config.seed={seed}", *overrides]
    metrics = workdir / "metrics.jsonl"
    began, reached, ended = time.perf_counter(), None, None
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("epoch"):
                ended = time.perf_counter() - began
                latest = json.loads(metrics.read_text().splitlines()[-1])
                if reached is None and latest["test_accuracy"] >= target:
                    reached = ended
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    steady = [row["seconds"] for row in rows[1:] or rows]
    return Training(seed, rows[-1]["test_accuracy"], ended, statistics.median(steady), reached)


def summary(trainings: Sequence[Training], target: float) -> list[str]:
    """A line for each seed, and one for all of them."""
    lines = [
        f"seed {t.seed}: {t.accuracy:.2f} %, {t.seconds:.1f} s, {t.epoch_seconds:.3f} s an epoch, "
        + (
            f"{target:g} % after {t.seconds_to_target:.1f} s"
            if t.seconds_to_target
            else f"never {target:g} %"
        )
        for t in trainings
    ]
    accuracies = [t.accuracy for t in trainings]
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
    reached = [t.seconds_to_target for t in trainings if t.seconds_to_target]
    soonest = f"; {target:g} % after {statistics.median(reached):.1f} s" if reached else ""
    return [
        *lines,
        f"{len(trainings)} seeds: {statistics.mean(accuracies):.2f} % on average, standard "
        f"deviation {spread:.2f}, {statistics.median(t.seconds for t in trainings):.1f} s{soonest} "
        f"in {len(reached)} of {len(trainings)}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=ROOT / "configs/s9.py")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to N - 1")
    parser.add_argument("--target", type=float, default=85.0, help="percent of the test images")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for runs and JSON lines")
    parser.add_argument("overrides", nargs="*", help="of train.py, after --")
    given = parser.parse_args()
    out = given.out.resolve()
    trainings = []
    for seed in range(given.seeds):
        workdir = out / f"{given.config.stem}-{time.strftime('%Y%m%d-%H%M%S')}-seed{seed}"
        options = {"target": given.target, "overrides": given.overrides}
        trainings.append(train(given.config.resolve(), seed, workdir=workdir, **options))
    lines = summary(trainings, given.target)
    print(*lines, sep="\n")
    record = {"config": given.config.name, "overrides": given.overrides, "target": given.target}
    record["trainings"] = [training._asdict() for training in trainings]
    with open(out / "recipe.jsonl", "a") as file:
        file.write(json.dumps(record | machine()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
