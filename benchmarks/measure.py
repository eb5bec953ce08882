"""How two things are compared on a noisy machine: in turn, in pairs, with a check of the clock."""

import math
import statistics
from collections.abc import Callable
from typing import NamedTuple

Slot = Callable[[], float]
"""Does some of the work once more; returns the seconds that one unit of it (a step) took."""

MOST_DRIFT = 0.05  # how far the same work may seem from itself
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
    steady: bool  # whether `same` is within MOST_DRIFT of 1


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
    a: Slot, b: Slot, *, pairs: int = 8, attempts: int = MOST_ATTEMPTS
) -> Comparison:
    """`compare`, again where the same work differed from itself; the last may be unsteady."""
    for _ in range(attempts):
        comparison = compare(a, b, pairs=pairs)
        if comparison.steady:
            break
    return comparison


def units_for(seconds: float, unit_seconds: float) -> int:
    """How many units of work fill a slot of `seconds`; at least one."""
    return max(1, math.ceil(seconds / max(unit_seconds, 1e-9)))
