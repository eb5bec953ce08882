"""A result: one line to read, one line of JSON with the machine it was measured on, one bar."""

import argparse
import json
import os
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import Comparison
from jaxconv.report.environment import environment

OUT = Path("runs/benchmarks")


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


def options_parser(doc: str) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=8, help="pairs of slots for each ratio")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for JSON lines and figures")
    return parser


def show(found: Iterable[Result]) -> list[Result]:
    """Prints each result as soon as it is there."""
    shown = []
    for result in found:
        print(result.line, flush=True)
        shown.append(result)
    return shown


def finish(benchmark: str, found: Sequence[Result], out: Path) -> int:
    """Writes results and their figure to `out`; returns 1 if one has to be discarded, else 0."""
    from benchmarks.figure import ratios
    from jaxconv.report.figures import save

    where = machine()
    out.mkdir(parents=True, exist_ok=True)
    with open(out / f"{benchmark}.jsonl", "a") as file:
        for result in found:
            file.write(json.dumps(as_json(result) | where) + "\n")
    title = f"{benchmark} on {where['device']['processor']}"
    save(ratios(found, title=title), out / f"{benchmark}.png")
    return int(not all(result.comparison.steady for result in found))


def as_json(result: Result) -> dict[str, Any]:
    return result._asdict() | {"comparison": result.comparison._asdict()}


def machine() -> dict[str, Any]:
    """Hardware, versions and commit, as every line of results has them."""
    where = environment({"processor": processor()})
    where["versions"]["torch"] = _version("torch")
    return where


def processor() -> str:
    """The name of the CPU; what `platform` knows where the system does not say it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
