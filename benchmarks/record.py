"""What becomes of results: lines to read, lines of JSON with the machine, and a figure."""

import argparse
import json
import os
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.figure import ratios
from benchmarks.result import Result
from jaxconv.runs.environment import environment

OUT = Path("runs/benchmarks")


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
    from jaxconv.report.style import save

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
