"""The flags by which several processes become one run; without them a process is alone.

Nothing is guessed: SLURM's variables are read only where `--slurm` asks for it, since a process
that somebody starts by hand inside a job of SLURM's sees them too.
"""

import argparse
import re
from typing import NamedTuple

from jaxconv.cli.config.error import ConfigError

FLAGS = "--coordinator HOST:PORT, --processes N and --process I"


class Membership(NamedTuple):
    """How a process finds the others of its job; all None where SLURM is to say it."""

    coordinator: str | None = None  # HOST:PORT, where process 0 listens
    processes: int | None = None
    process: int | None = None


def add_job_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `membership` reads."""
    alone = "default none, for a single process"
    words = f"address at which process 0 listens; {alone}"
    parser.add_argument("--coordinator", metavar="HOST:PORT", help=words)
    words = f"number of processes that train together; {alone}"
    parser.add_argument("--processes", metavar="N", type=int, help=words)
    words = f"number of this process, from 0; {alone}"
    parser.add_argument("--process", metavar="I", type=int, help=words)
    words = "reads coordinator, processes and process from SLURM's variables; default off"
    parser.add_argument("--slurm", action="store_true", help=words)


def membership(flags: argparse.Namespace) -> Membership | None:
    """What the flags say, or None for a process that trains alone.

    Raises:
        ConfigError: they are not all there, or contradict each other.
    """
    given = Membership(flags.coordinator, flags.processes, flags.process)
    coordinator, processes, process = given
    missing = sum(value is None for value in given)
    if flags.slurm and missing < 3:
        raise ConfigError(f"--slurm beside {FLAGS}: give one or the other")
    if missing == 3:
        return given if flags.slurm else None
    if coordinator is None or processes is None or process is None:
        raise ConfigError(f"several processes need all of {FLAGS}; {missing} missing")
    if not re.fullmatch(r".+:\d+", coordinator):
        raise ConfigError(f"--coordinator {coordinator}: expected HOST:PORT of process 0")
    if not 0 <= process < processes:
        raise ConfigError(
            f"--process {process} of --processes {processes}: "
            "expected the number of this one, from 0, below that of all"
        )
    return given
