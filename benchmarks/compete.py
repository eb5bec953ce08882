"""Runs jaxconv against its opponents, each in a process of its own, in interleaved pairs."""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import compare_steadily
from benchmarks.record import options_parser
from benchmarks.result import Result
from benchmarks.worker import Worker, WorkerFailed

CPU_MATRIX, GPU_MATRIX = 1536, 8192  # rows, for the rate of a matrix product
# What the C library's allocator does with freed memory, the same for everyone: its default, or all
# of it kept (`jaxconv.keep_freed_memory`), as `jaxconv train` runs.
MEMORY = ("untouched", "kept")
LATENCY_CALLS = 2000
MOST_DIFFERENCE = 1e-3  # of float32 numbers that took different ways, against the largest


class Contender(NamedTuple):
    """Who runs: a builder for `Worker`, and its options."""

    name: str
    builder: str
    options: dict[str, Any]


class Settings(NamedTuple):
    """What is the same for all contenders."""

    batch_size: int
    threads: int
    pairs: int
    slot_seconds: float
    memory: str  # of MEMORY

    def start(self, contender: Contender) -> Worker:
        options = {"batch_size": self.batch_size, "memory": self.memory} | contender.options
        return Worker(contender.builder, threads=self.threads, **options)


def settings_parser(doc: str) -> argparse.ArgumentParser:
    """The options of the benchmarks that run contenders; see `settings_of`."""
    parser = options_parser(doc)
    parser.add_argument("--batch-size", type=int, default=128, help="images a step")
    parser.add_argument("--threads", type=int, default=2, help="processors for each contender")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a slot")
    parser.add_argument("--memory", choices=MEMORY, default="untouched", help="freed memory")
    return parser


def settings_of(given: argparse.Namespace) -> Settings:
    return Settings(given.batch_size, given.threads, given.pairs, given.seconds, given.memory)


def matrix_rate(settings: Settings) -> float:
    """Multiply-adds a second of a product of float32 matrices, measured now."""
    builder = "benchmarks.jax_s9:matrix_product"
    with Worker(builder, threads=settings.threads, size=64) as probe:
        size = CPU_MATRIX if probe.device == "cpu" else GPU_MATRIX
    with Worker(builder, threads=settings.threads, size=size) as worker:
        slot = worker.slot(settings.slot_seconds / 2)
        return size**3 / statistics.median(slot() for _ in range(5))


def race(
    benchmark: str, ours: Contender, opponents: Sequence[Contender], settings: Settings
) -> Iterator[Result]:
    """Compares `ours` with each opponent in turn; says why where one can't run."""
    with settings.start(ours) as worker:
        own_check, own_slot = worker.check(), worker.slot(settings.slot_seconds)
        for opponent in opponents:
            with ExitStack() as stack:
                try:
                    other = stack.enter_context(settings.start(opponent))
                    check_same(own_check, other.check(), opponent.name)
                    other_slot = other.slot(settings.slot_seconds)
                except WorkerFailed as failed:
                    print(f"skipped {opponent.name}: {failed}", flush=True)
                    continue
                comparison = compare_steadily(own_slot, other_slot, pairs=settings.pairs)
                latencies = {}
                if settings.batch_size == 1:
                    latencies = _latencies("", worker) | _latencies("against ", other)
            figures = {
                "images/s": settings.batch_size / comparison.a_seconds,
                "against images/s": settings.batch_size / comparison.b_seconds,
                "batch": settings.batch_size,
                "threads": settings.threads,
                "memory": settings.memory,
                "device": worker.device,
            }
            yield Result(benchmark, ours.name, opponent.name, comparison, figures | latencies)


def _latencies(prefix: str, worker: Worker) -> dict[str, float]:
    """Milliseconds of single calls."""
    found = worker.latency(LATENCY_CALLS)
    return {f"{prefix}{name} ms": seconds * 1e3 for name, seconds in found._asdict().items()}


def check_same(ours: list, theirs: list, name: str) -> None:
    """Raises WorkerFailed where an opponent computed other numbers from the same weights."""
    own, other = np.array(ours), np.array(theirs)
    error, scale = float(np.abs(own - other).max()), float(np.abs(own).max())
    if not error <= MOST_DIFFERENCE * scale:
        raise WorkerFailed(f"{name} computes other numbers: {error:.2g} apart, of {scale:.2g}")
