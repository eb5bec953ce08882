"""From the start of a process to its first training step: with nothing compiled before, and again.

    python -m benchmarks.startup [--config FILE] [--pairs N]

Each start is a process of its own: it imports, loads the data of the config, compiles, makes two
steps and evaluates twice. Cold starts have an empty compilation cache, warm ones that of a start
before.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import compare_steadily
from benchmarks.record import finish, options_parser, show
from benchmarks.result import Result
from benchmarks.worker import ROOT


def start(config: Path, cache: str) -> dict[str, float]:
    """Seconds of each phase of one process; `total` is up to the end of its first step."""
    settings = {
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    started = time.time()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.startup",
            "--config",
            str(config),
            "--began",
            str(started),
        ],
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def probe(config_file: Path, began: float) -> dict[str, float]:
    """What a start does, in this process, which began then; seconds of each phase."""
    phases, last = {}, began

    def lap(name):
        nonlocal last
        now = time.time()
        phases[name], last = now - last, now

    import jax

    from jaxconv.cli.build.data import build_dataset
    from jaxconv.cli.build.network import build_network
    from jaxconv.cli.build.training import build_training
    from jaxconv.cli.config.file import load_config
    from jaxconv.training.epochs import empty_tally

    lap("import")
    config = load_config(config_file)
    dataset = build_dataset(config)
    lap("data")
    network = build_network(config, len(dataset.class_names))
    training = build_training(config, dataset, network)
    jax.block_until_ready(training.state)
    lap("build")
    steps = training.course.run_epoch(training.state, empty_tally(), 0, 0)
    jax.block_until_ready(next(steps))
    lap("first call")
    phases["total"] = last - began
    state, _ = jax.block_until_ready(next(steps))
    lap("second call")
    training.course.evaluate(state)
    lap("first evaluation")
    training.course.evaluate(state)
    lap("second evaluation")
    return phases


def results(config: Path, *, pairs: int) -> Iterator[Result]:
    starts = {"warm": [], "cold": []}
    with tempfile.TemporaryDirectory() as kept:
        start(config, kept)

        def warm():
            starts["warm"].append(start(config, kept))
            return starts["warm"][-1]["total"]

        def cold():
            with tempfile.TemporaryDirectory() as empty:
                starts["cold"].append(start(config, empty))
            return starts["cold"][-1]["total"]

        comparison = compare_steadily(warm, cold, pairs=pairs)
    figures = {
        f"{kind} {phase} (s)": statistics.median(phases[phase] for phases in several)
        for kind, several in starts.items()
        for phase in several[0]
    }
    yield Result("startup", "warm start", "cold start", comparison, figures)


def main() -> int:
    parser = options_parser(__doc__)
    parser.set_defaults(pairs=4)
    parser.add_argument("--config", type=Path, default=ROOT / "configs/s9_quick.py")
    parser.add_argument("--began", type=float, help="be one start, of that time; print its seconds")
    given = parser.parse_args()
    if given.began:
        print(json.dumps(probe(given.config, given.began)))
        return 0
    return finish("startup", show(results(given.config, pairs=given.pairs)), given.out)


if __name__ == "__main__":
    sys.exit(main())
