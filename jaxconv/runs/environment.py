"""Where a run was made: versions, machine and commit, read without importing what it names."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "albumentations")
_CHECKOUT = Path(__file__).resolve().parents[2]


def environment(device: Mapping[str, Any]) -> dict[str, Any]:
    """Describes this process for `environment.json`.

    Args:
        device: what the caller knows of the backend, such as {"backend": "cpu", "kind": ...,
            "count": 1}; it is taken as it is, since this file imports no JAX.

    Returns:
        time_utc, command, python, platform, cpu_count, device, versions, git. `git` is
        {"commit", "dirty"}, or None where the project runs from no git checkout of its own.
    """
    return {
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "device": dict(device),
        "versions": versions(),
        "git": git_state(_CHECKOUT),
    }


def versions() -> dict[str, str | None]:
    """Of the packages that results depend on; None of one that is not installed."""
    return {name: _version(name) for name in _PACKAGES}


def git_state(checkout: Path) -> dict[str, Any] | None:
    """Returns the commit of `checkout` and whether tracked files differ from it.

    None where `checkout` is not the top of a git work tree (an installed package may well lie
    inside somebody else's), has no commit yet, or where git is not installed.
    """
    head = _git(checkout, "rev-parse", "--show-toplevel", "HEAD")
    if head is None:
        return None
    top, commit = head.splitlines()
    if Path(top).resolve() != checkout.resolve():
        return None
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(changes)}


def _git(directory: Path, *arguments: str) -> str | None:
    command = ("git", "--no-optional-locks", "-C", str(directory), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
