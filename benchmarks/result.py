"""A result: what was compared, the comparison, and one line that says so."""

from typing import Any, NamedTuple

from benchmarks.measure import Comparison


class Result(NamedTuple):
    """A comparison; `figures` are further numbers by name."""

    benchmark: str  # the module of this package
    ours: str  # what was measured
    against: str  # and with what it was compared, or on which work
    comparison: Comparison
    figures: dict[str, Any]

    @property
    def line(self) -> str:
        c = self.comparison
        return (
            f"{c.ratio:6.2f}x ({c.low:.2f} to {c.high:.2f}, {c.pairs} pairs)  "
            f"{self.ours}, {self.against}  [{_time(c.a_seconds)} against {_time(c.b_seconds)}]"
            + _figures(self.figures)
            + ("" if c.steady else f"  UNSTEADY: the same work differed {c.same:.2f}x, ")
            + ("" if c.steady else f"others used {c.busy:.0%} of the processors")
        )


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"


def _figures(figures: dict[str, Any]) -> str:
    parts = [f"{name} {_number(value)}" for name, value in figures.items()]
    return "  " + ", ".join(parts) if parts else ""


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
