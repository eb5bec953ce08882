"""Which convolution for which budget: S9Net with each kind in the place of its standard ones.

    python -m benchmarks.budget [--data cifar10] [--epochs N] [--train-limit N] [--seeds N]

Every kind is trained by the recipe of configs/s9_quick.py, from each of the same seeds, and tested
once, after its last epoch. Then the training steps are timed, each in interleaved pairs with that
of the standard network (and that one with itself, which shows the noise of the clock). budget.json
and budget.png go to the folder of results, and a table to the terminal. Exit code 1 where a time
has to be discarded; `--keep budget.json` times again and keeps the accuracies of that record.
"""

import json
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks.budget_figure import budget_figure, budget_table
from benchmarks.kinds import KINDS, STANDARD, Kind
from benchmarks.measure import Comparison, Slot, compare_steadily
from benchmarks.record import machine, options_parser
from benchmarks.variants import slot
from benchmarks.worker import ROOT
from jaxconv.cli.build.data import build_dataset
from jaxconv.cli.build.network import build_network
from jaxconv.cli.build.training import Training, build_training
from jaxconv.cli.config.file import load_config
from jaxconv.cli.config.types import Config
from jaxconv.data.dataset import Dataset
from jaxconv.memory import keep_freed_memory
from jaxconv.report.style import save
from jaxconv.runs.devices import keep_compiled_programs
from jaxconv.training.epochs import empty_tally


class Budget(NamedTuple):
    """What every kind is given."""

    epochs: int
    seeds: Sequence[int]
    data: str
    train_limit: int | None
    test_limit: int | None
    pairs: int
    slot_seconds: float

    def config(self, kind: Kind, seed: int) -> Config:
        """The config that trains the kind from a seed."""
        config = load_config(ROOT / "configs" / "s9_quick.py")
        config.epochs, config.seed = self.epochs, seed
        config.data.sources = (self.data,)
        config.data.train_limit, config.data.test_limit = self.train_limit, self.test_limit
        config.model.update(kind.fields)
        return config


def build(budget: Budget, kind: Kind, dataset: Dataset, seed: int = 0) -> Training:
    config = budget.config(kind, seed)
    network = build_network(config, len(dataset.class_names))
    return build_training(config, dataset, network)


def train(budget: Budget, kind: Kind, dataset: Dataset, seed: int) -> dict[str, float]:
    """One training: its accuracy in percent of the test images, its seconds, compilation included.

    Raises:
        FloatingPointError: the loss after the last epoch is not finite.
    """
    training = build(budget, kind, dataset, seed)
    state, began = training.state, time.perf_counter()
    for epoch in range(budget.epochs):
        *_, (state, _) = training.course.run_epoch(state, empty_tally(), epoch, 0)
    jax.block_until_ready(state)
    seconds = time.perf_counter() - began
    tested = training.course.evaluate(state)
    if not tested["test_loss"] < float("inf"):
        raise FloatingPointError(f"seed {seed} diverged: a test loss of {tested['test_loss']}")
    return {"seed": seed, "test_accuracy": tested["test_accuracy"], "seconds": seconds}


def step_slot(budget: Budget, kind: Kind, dataset: Dataset) -> Slot:
    """Training steps of the kind, augmentation included, one after another without an end."""
    training = build(budget, kind, dataset)

    def steps() -> Iterator[Any]:
        state = training.state
        for epoch in count():
            for reached in training.course.run_epoch(state, empty_tally(), epoch, 0):
                yield reached[0].step, reached[1]
                state = reached[0]

    return slot(steps().__next__, (), budget.slot_seconds)


def time_steps(budget: Budget, dataset: Dataset) -> dict[str, Comparison]:
    """How many times as fast each kind's step is as the standard one's."""
    standard = step_slot(budget, KINDS[STANDARD], dataset)
    compared = {}
    for name, kind in KINDS.items():
        own = standard if name == STANDARD else step_slot(budget, kind, dataset)
        compared[name] = compare_steadily(own, standard, pairs=budget.pairs)
    return compared


def train_all(budget: Budget, dataset: Dataset) -> dict[str, list[dict[str, float]]]:
    """The trainings of each kind, with a line to the terminal for each."""
    trainings = {name: [] for name in KINDS}
    for seed in budget.seeds:
        for name, kind in KINDS.items():
            trained = train(budget, kind, dataset, seed)
            trainings[name].append(trained)
            told = f"{trained['test_accuracy']:.2f} %, {trained['seconds']:.0f} s"
            print(f"seed {seed}, {name}: {told}", flush=True)
    return trainings


def results(budget: Budget, kept: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The record of a whole run; the trainings are those of the record `kept` where there is one.

    Raises:
        ValueError: that record is of another budget.
    """
    dataset = build_dataset(budget.config(KINDS[STANDARD], 0))
    counts = {name: len(getattr(dataset, name).labels) for name in ("train", "test")}
    made = {"epochs": budget.epochs, "data": {"name": dataset.name, **counts}}
    if kept is None:
        trainings = train_all(budget, dataset)
    else:
        trainings = {kind["name"]: kind["trainings"] for kind in kept["kinds"]}
        if any(kept[name] != made[name] for name in made):
            raise ValueError(
                f"the record to keep is not of {made}; give the options it was made by"
            )
    times = time_steps(budget, dataset)
    kinds = [
        {"name": name, **kind.cost(), "trainings": trainings[name], "step": times[name]._asdict()}
        for name, kind in KINDS.items()
    ]
    return {**made, "kinds": kinds}


def finish(record: Mapping[str, Any], out: Path) -> int:
    """Writes and shows a record; returns 1 where a time has to be discarded."""
    out.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["python", "-m", "benchmarks.budget", *sys.argv[1:]])
    record = dict(record) | machine() | {"command": command}
    (out / "budget.json").write_text(json.dumps(record, indent=1) + "\n")
    save(budget_figure(record), out / "budget.png", dpi=120)
    print("", *budget_table(record), sep="\n")
    unsteady = [kind["name"] for kind in record["kinds"] if not kind["step"]["steady"]]
    if unsteady:
        print(f"UNSTEADY, to be timed again on a quiet machine: {', '.join(unsteady)}")
    return int(bool(unsteady))


def main() -> int:
    parser = options_parser(__doc__)
    parser.add_argument("--data", choices=("shapes10", "cifar10"), default="shapes10")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--train-limit", type=int, default=6400, help="training images")
    parser.add_argument("--test-limit", type=int, default=5000, help="test images")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 0 to N - 1")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a timed slot")
    parser.add_argument("--keep", type=Path, help="a budget.json whose accuracies stay")
    given = parser.parse_args()
    if given.seeds < 1 or given.epochs < 1:
        parser.error(f"--seeds {given.seeds} --epochs {given.epochs}: both must be at least 1")
    limits = given.train_limit, given.test_limit
    seeds = range(given.seeds)
    budget = Budget(given.epochs, seeds, given.data, *limits, given.pairs, given.seconds)
    keep_freed_memory()
    keep_compiled_programs()
    kept = json.loads(given.keep.read_text("utf-8")) if given.keep else None
    try:
        record = results(budget, kept)
    except ValueError as error:  # of images that there are, or of the record to keep
        parser.error(str(error))
    return finish(record, given.out)


if __name__ == "__main__":
    sys.exit(main())
