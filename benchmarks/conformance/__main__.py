"""Asks every library and writes docs/conformance.md.

    python -m benchmarks.conformance [--peers NAME ...] [--environments DIR] [--page FILE]

Each library runs in an environment of its own, installed with pip at the first run (about 3 GB with
both that need PyTorch) and kept in DIR; then a run takes about five minutes on two cores. With
--peers the page is not written: their counts are printed alone. Exit code 1 where jaxconv does not
agree on every case.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.conformance import cases
from benchmarks.conformance.environments import PEERS, python_for
from benchmarks.conformance.page import counts, written

ROOT = Path(__file__).resolve().parents[2]


def ask(peer: str, asked: Path, environments: Path, out: Path) -> list[tuple[str, str]]:
    """A library's outcome and reason for each case.

    Raises:
        subprocess.CalledProcessError: the library ended without answering.
    """
    python = python_for(peer, environments)
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",  # it is compiling that takes long
    }
    command = [python, "-m", "benchmarks.conformance.judge", peer, asked, out]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return [tuple(pair) for pair in json.loads(out.read_text())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--environments", type=Path, default=ROOT / "build" / "conformance")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "conformance.md")
    given = parser.parse_args()
    every = [*cases.samples(), *cases.node_tests()]
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        asked, out = Path(folder) / "cases", Path(folder) / "answers"
        asked.write_bytes(pickle.dumps(every))
        for peer in given.peers:
            answers[peer] = ask(peer, asked, given.environments.resolve(), out)
            print(peer, dict(counts(answers[peer])), flush=True)
    if set(answers) == set(PEERS):
        page = written(given.page.read_text(encoding="utf-8"), every, answers)
        given.page.write_text(page, encoding="utf-8")
        print(given.page)
    return int(any(said != "agrees" for said, _ in answers.get("jaxconv", [])))


if __name__ == "__main__":
    sys.exit(main())
