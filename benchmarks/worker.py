"""One process for each opponent, so that only one of them has threads at work at a time.

The parent starts `python -m benchmarks.worker MODULE:FUNCTION OPTIONS` and writes lines of JSON:
{"do": "run", "calls": 8}, {"do": "latency", "calls": 8} or {"do": "check"}. The worker answers each
with a line of JSON. FUNCTION takes the OPTIONS, a JSON object, and returns a `Job`. A worker ends
when its standard input does.
"""

import importlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

from benchmarks.measure import Slot, units_for
from jaxconv.memory import keep_freed_memory

ROOT = Path(__file__).resolve().parents[1]
# OpenMP's threads may spin for 0.2 s after their last work; the next slot waits for that.
REST_SECONDS = 0.25


class Job(NamedTuple):
    """What a worker can do."""

    run: Callable[[int], float]  # makes so many calls, finished at return; gives a finite number
    check: Callable[[], list]  # numbers that must be the same for every opponent
    device: str
    steps_per_call: int = 1


class Latency(NamedTuple):
    """Seconds of a call: half, and 99 of 100, took no longer."""

    p50: float
    p99: float


class WorkerFailed(Exception):
    """An opponent can't be measured here; the message is one line."""


class Worker:
    """The parent's end: an opponent that works when it is asked to."""

    def __init__(self, builder: str, *, threads: int, **options: Any) -> None:
        options = json.dumps({"threads": threads} | options)
        self.name = builder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", builder, options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "NPROC": str(threads)},
        )
        try:
            ready = self._answer()
        except WorkerFailed:
            self.close()
            raise
        self.device, self._steps_per_call = ready["device"], ready["steps_per_call"]

    def run(self, calls: int) -> float:
        """Makes `calls` calls; returns the seconds that a step took."""
        time.sleep(REST_SECONDS)
        return self._ask({"do": "run", "calls": calls})["seconds"] / (calls * self._steps_per_call)

    def slot(self, seconds: float) -> Slot:
        """A slot of about `seconds`, after a warm-up: a first call may compile."""
        self.run(1)
        calls = units_for(seconds, min(self.run(1), self.run(1)) * self._steps_per_call)
        return lambda: self.run(calls)

    def latency(self, calls: int) -> Latency:
        """How long single calls take, each begun when the one before is done."""
        time.sleep(REST_SECONDS)
        return Latency(**self._ask({"do": "latency", "calls": calls}))

    def check(self) -> list:
        """The numbers by which opponents are compared."""
        return self._ask({"do": "check"})["check"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ask(self, request: dict) -> dict:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the process ended without an answer"}
        if "error" in answer:
            raise WorkerFailed(f"{self.name}: {answer['error']}")
        return answer


def pin(threads: int) -> None:
    """Leaves this process as many processors as it may have threads, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def serve(build: Callable[[], Job], requests: Any, answers: Any) -> None:
    """Answers requests, one a line, until there are no more; an error ends it."""

    def answer(**values: Any) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    try:
        job = build()
        answer(device=job.device, steps_per_call=job.steps_per_call)
        for line in requests:
            request = json.loads(line)
            if request["do"] == "check":
                answer(check=job.check())
                continue
            if request["do"] == "latency":
                answer(**latency([timed(job, 1) for _ in range(request["calls"])])._asdict())
                continue
            answer(seconds=timed(job, request["calls"]))
    except Exception as error:  # whatever it is, the parent says it
        answer(error=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def timed(job: Job, calls: int) -> float:
    """The seconds that so many calls take together."""
    started = time.perf_counter()
    number = job.run(calls)
    seconds = time.perf_counter() - started
    if not math.isfinite(number):
        raise ValueError(f"it computed {number}")
    return seconds


def latency(seconds: list[float]) -> Latency:
    """Of the seconds of at least two calls."""
    return Latency(statistics.median(seconds), statistics.quantiles(seconds, n=100)[98])


def main(builder: str, options: str) -> None:
    # Only answers may go to the parent; what libraries print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    arguments = json.loads(options)
    pin(arguments["threads"])
    if arguments.pop("memory", "untouched") == "kept" and not keep_freed_memory():
        raise SystemExit("freed memory can be kept with glibc only")
    module, _, function = builder.partition(":")

    def build() -> Job:
        return getattr(importlib.import_module(module), function)(**arguments)

    serve(build, sys.stdin, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
