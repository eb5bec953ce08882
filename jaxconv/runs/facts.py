"""What decides the result of a run besides the machine: its config, code, versions, data, settings.

Processes that train as one compare all of it; a run that goes on compares its settings and data.
"""

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jax

from jaxconv.data.dataset import Dataset, fingerprint
from jaxconv.runs.environment import versions
from jaxconv.runs.run_dir import flatten

PACKAGE = Path(__file__).resolve().parents[1]
PLACES = (
    "data.dir",
    "data.download",
    "distill.teacher",
)  # of a config: these may differ from host to host; what lies there is compared instead
SETTINGS = (  # of JAX: each changes what a program computes
    "jax_enable_x64",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_random_seed_offset",
    "jax_default_matmul_precision",
    "jax_numpy_dtype_promotion",
)
HARMLESS_FLAGS = ("--xla_dump_", "--xla_force_host_platform_device_count")


def settings() -> dict[str, Any]:
    """Settings of JAX, by environment or program, and XLA's flags, without those for watching."""
    flags = os.environ.get("XLA_FLAGS", "").split()
    kept = sorted(flag for flag in flags if not flag.startswith(HARMLESS_FLAGS))
    values = {name: _plain(getattr(jax.config, name)) for name in SETTINGS}
    return values | {"XLA_FLAGS": " ".join(kept)}


def _plain(value: Any) -> Any:
    """Some are members of an enum, by the version of JAX."""
    return getattr(value, "value", value)


def facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """All of it but the data, flat, for `job.join`.

    Args:
        config: nested dict of plain values.
    """
    fields = {f"--config.{name}": value for name, value in flatten(config).items()}
    for name in PLACES:
        fields.pop(f"--config.{name}", None)
    return fields | flatten({"code": code_digest(), "version": versions()}) | settings()


def data_facts(dataset: Dataset) -> dict[str, Any]:
    """The rest of it."""
    return flatten({"data": fingerprint(dataset)})


@cache
def code_digest() -> str:
    """SHA-256, shortened, of the package's sources, wherever they lie."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(PACKAGE).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
