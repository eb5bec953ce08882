"""Every convolution over a grid of shapes: jaxconv against `lax.conv_general_dilated`.

    python -m benchmarks.variants [--only TEXT] [--pairs N]

Four measurements a shape: the forward pass, and the forward pass with the gradients of the input
and the kernels, each compiled alone and inside `lax.scan`. The definition's gradients are those
that JAX derives. Both run in one process, which keeps freed memory as `train.py` does.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.grid import CASES, Case
from benchmarks.measure import Slot, compare, compare_steadily, units_for
from benchmarks.record import finish, options_parser
from benchmarks.result import Result
from jaxconv.memory import keep_freed_memory

LEAST = 0.95  # of the definition's speed; anything below is a fault
SCAN_STEPS = 2
RATE = 1e-3  # of the descent that makes the next input of a step depend on every gradient


class Mode(NamedTuple):
    """What is timed: `make(f)` is a jitted function of (x, kernels)."""

    name: str
    make: Callable[[Callable], Callable]


def forward_alone(f: Callable) -> Callable:
    return jax.jit(lambda x, kernels: f(x, *kernels))


def forward_in_scan(f: Callable) -> Callable:
    def run(x, kernels):
        steps = np.arange(1, SCAN_STEPS + 1, dtype=x.dtype)
        xs = x[None] * steps.reshape(-1, *[1] * x.ndim)
        return jax.lax.scan(lambda carry, x: (carry, f(x, *kernels)), None, xs)[1]

    return jax.jit(run)


def descent(f: Callable, x: jax.Array, kernels: tuple) -> tuple[jax.Array, tuple]:
    """One step down the gradient of sum(f(x, *kernels)**2) / 2: it uses every output."""
    y, pullback = jax.vjp(f, x, *kernels)
    lower = jax.tree.map(lambda old, slope: old - RATE * slope, (x, *kernels), pullback(y))
    return lower[0], lower[1:]


def gradients_alone(f: Callable) -> Callable:
    return jax.jit(partial(descent, f))


def gradients_in_scan(f: Callable) -> Callable:
    def run(x, kernels):
        def body(carry, _):
            return descent(f, *carry), None

        return jax.lax.scan(body, (x, kernels), length=SCAN_STEPS)[0]

    return jax.jit(run)


MODES = (
    Mode("forward", forward_alone),
    Mode("forward in scan", forward_in_scan),
    Mode("gradients", gradients_alone),
    Mode("gradients in scan", gradients_in_scan),
)


def draw(case: Case) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """x, standard normal, and kernels that keep its scale; on the device."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.x, dtype=np.float32)
    kernels = tuple(
        rng.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(np.prod(shape[:-1])))
        for shape in case.kernels
    )
    return jax.device_put((x, kernels))


def check(case: Case, mode: Mode, ours: Any, plain: Any) -> None:
    """Raises ValueError where the two computed different numbers."""
    for own, other in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        scale = float(abs(other).max())
        error = float(abs(own - other).max())
        if not error <= 1e-3 * scale:
            raise ValueError(f"{case.name}, {mode.name}: {error:.2g} apart, of {scale:.2g}")


def slot(function: Callable, arguments: tuple, seconds: float) -> Slot:
    """Calls a compiled function for about `seconds`, waiting for each call."""

    def run(calls: int) -> float:
        started = time.perf_counter()
        for _ in range(calls):
            jax.block_until_ready(function(*arguments))
        return (time.perf_counter() - started) / calls

    calls = units_for(seconds, min(run(1), run(1)))
    return lambda: run(calls)


def measure(case: Case, mode: Mode, *, pairs: int, seconds: float, quick: bool) -> Result:
    """Compares the two ways to compute one case in one mode; a slow result is measured again."""
    arguments = draw(case)
    ours, plain = (mode.make(f) for f in case.functions)
    check(case, mode, ours(*arguments), plain(*arguments))
    slots = slot(ours, arguments, seconds), slot(plain, arguments, seconds)
    if quick:
        glance = compare(*slots, pairs=2)
        if glance.ratio > 2:
            return Result("variants", mode.name, case.name, glance, {})
    comparison = compare_steadily(*slots, pairs=pairs)
    if comparison.ratio < LEAST:
        comparison = compare_steadily(*slots, pairs=2 * pairs)
    return Result("variants", mode.name, case.name, comparison, {})


def results(*, pairs: int, seconds: float, quick: bool = False, only: str = "") -> Iterator[Result]:
    keep_freed_memory()
    for case in CASES:
        if only in case.name:
            for mode in MODES:
                yield measure(case, mode, pairs=pairs, seconds=seconds, quick=quick)


def slow(found: list[Result]) -> list[Result]:
    return [result for result in found if result.comparison.ratio < LEAST]


def main() -> int:
    parser = options_parser(__doc__)
    parser.add_argument("--only", default="", help="measure the shapes whose name holds this text")
    parser.add_argument("--seconds", type=float, default=0.05, help="length of a slot")
    parser.add_argument("--quick", action="store_true", help="two pairs where ours is far ahead")
    given = parser.parse_args()
    found = []
    options = {"seconds": given.seconds, "quick": given.quick, "only": given.only}
    for result in results(pairs=given.pairs, **options):
        print(result.line, flush=True)
        found.append(result)
    below = slow(found)
    print(f"{len(below)} of {len(found)} below {LEAST:.2f} of the definition's speed")
    for result in below:
        print(result.line)
    return finish("variants", found, given.out) or int(bool(below))


if __name__ == "__main__":
    sys.exit(main())
