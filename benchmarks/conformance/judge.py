"""Runs every case through one library, in that library's environment.

    python -m benchmarks.conformance.judge PEER CASES OUT      (what the command starts)

A case agrees where dtype, shape and values are those asked for, within TOLERANCE of the largest
value; all else is said in one line.
"""

import importlib
import json
import pickle
import re
import sys
import warnings
from pathlib import Path

import jax
import numpy as np

from benchmarks.conformance.cases import Case
from benchmarks.conformance.peers.common import CannotExpress

TOLERANCE = 1e-5  # of the largest value
AGREES, DIFFERS, REFUSES, CANNOT = "agrees", "differs", "refuses", "cannot express"


def outcome(peer, case: Case) -> tuple[str, str]:
    """What the library did, and why where it does not agree."""
    try:
        run = peer.function(case)
        with jax.enable_x64(case.kind == "int64"):
            output = jax.jit(run)(*case.arrays)
    except CannotExpress as why:
        return CANNOT, str(why)
    except Exception as error:  # whatever a library refuses with
        lines = re.sub(r"<\S+ object at \w+>", "...", str(error)).strip().splitlines() or [""]
        return REFUSES, f"{type(error).__name__}: {lines[0]}"
    said = compared(output, case.output)
    return (DIFFERS, said) if said else (AGREES, "")


def compared(given, wanted):
    """How an array differs from the one asked for; nothing where it does not."""
    given, kind = np.asarray(given), wanted.dtype
    if given.shape != wanted.shape:
        return f"the output is {list(given.shape)}, not {list(wanted.shape)}"
    if given.dtype != kind:
        return f"the output is {given.dtype}, not {kind}"
    wide = np.complex128 if kind.kind == "c" else np.float64
    apart = np.abs(given.astype(wide) - wanted.astype(wide)).max(initial=0)
    largest = np.abs(wanted.astype(wide)).max(initial=0)
    if not apart <= TOLERANCE * largest:
        return f"the output is off by {apart / max(largest, 1e-30):.1g} of its largest value"
    return ""


def main() -> None:
    name, cases, out = sys.argv[1:]
    warnings.simplefilter("ignore")
    given = pickle.loads(Path(cases).read_bytes())
    try:
        peer = importlib.import_module(f"benchmarks.conformance.peers.{name}")
        found = [outcome(peer, case) for case in given]
    except (ImportError, AttributeError) as error:  # it does not go with what it asks pip for
        found = [(REFUSES, f"import: {type(error).__name__}: {error}")] * len(given)
    Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
