"""How two things are compared on a noisy machine: in turn, in pairs, with a check of the clock."""

import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Slot = Callable[[], float]
"""Does some of the work once more; returns the seconds that one unit of it (a step) took."""

MOST_DRIFT = 0.05  # how far the same work may seem from itself
MOST_BUSY = 0.25  # share of the processors that others may use
MOST_ATTEMPTS = 3


class Comparison(NamedTuple):
    """How many times as fast A is as B, from pairs of neighbouring slots."""

    ratio: float  # seconds of B over seconds of A, the median of the pairs
    low: float  # the smallest and the largest ratio of a pair
    high: float
    pairs: int
    a_seconds: float  # medians, a unit of work
    b_seconds: float
    same: float  # A over A or B over B, whichever median is farther from 1
    steady: bool  # whether `same` is within MOST_DRIFT of 1, on a machine that others left alone
    busy: float = 0.0  # share of the processors that others used, before or after


def compare(a: Slot, b: Slot, *, pairs: int = 8) -> Comparison:
    """Runs A B B A as often as it takes for `pairs` pairs, an even number or one more.

    The two A of a round enclose the two B, so that a drift of the machine cancels in the pairs'
    median, and the same work measured twice tells whether the clock can be believed.
    """
    a_times, b_times = [], []
    for _ in range(math.ceil(pairs / 2)):
        a_times.append(a())
        b_times += [b(), b()]
        a_times.append(a())
    ratios = [other / own for own, other in zip(a_times, b_times, strict=True)]
    sames = [_median_of_repeats(times) for times in (a_times, b_times)]
    same = max(sames, key=lambda ratio: abs(math.log(ratio)))
    return Comparison(
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        pairs=len(ratios),
        a_seconds=statistics.median(a_times),
        b_seconds=statistics.median(b_times),
        same=same,
        steady=abs(math.log(same)) <= math.log(1 + MOST_DRIFT),
    )


def _median_of_repeats(times: list[float]) -> float:
    """The second time of each round over the first."""
    return statistics.median(
        second / first for first, second in zip(times[::2], times[1::2], strict=True)
    )


def compare_steadily(
    a: Slot,
    b: Slot,
    *,
    pairs: int = 8,
    attempts: int = MOST_ATTEMPTS,
    others: Callable[[], float] | None = None,
) -> Comparison:
    """`compare`, again where the machine was not steady; the last attempt may be unsteady, too.

    Steady work of others is worse than noise: it slows those most whose threads wait for each
    other (PyTorch's ten times, XLA's three), and no repetition shows it. `others` tells the share
    of the processors in use while nothing of ours runs.
    """
    others = others or others_busy
    for _ in range(attempts):
        before = others()
        comparison = compare(a, b, pairs=pairs)
        busy = max(before, others())
        steady = comparison.steady and busy <= MOST_BUSY
        comparison = comparison._replace(steady=steady, busy=busy)
        if steady:
            break
    return comparison


def others_busy(seconds: float = 0.2) -> float:
    """The share of the processors in use, watched for `seconds`; 0 where the system can't tell."""
    first = _processor_ticks()
    time.sleep(seconds)
    idle, total = (b - a for a, b in zip(first, _processor_ticks(), strict=True))
    return 1 - idle / total if total else 0.0


def _processor_ticks() -> tuple[int, int]:
    """Clock ticks of all processors since the system began: idle ones, all."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return 0, 0
    ticks = [int(field) for field in fields[:8]]  # user nice system idle iowait irq softirq steal
    return ticks[3] + ticks[4], sum(ticks)


def units_for(seconds: float, unit_seconds: float) -> int:
    """How many units of work fill a slot of `seconds`; at least one."""
    return max(1, math.ceil(seconds / max(unit_seconds, 1e-9)))
