"""The strict set-up of the whole suite, in one place: no GPU, no silent rank promotion."""

import os
import signal
import tempfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Of tests and of the processes that they start; not the user's.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "jaxconv-tests" / "compiled")
)
os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(2**30))  # none has to go meanwhile

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # of the processes that tests start, under nohup too


@pytest.fixture
def no_case_is_small(monkeypatch):
    """For tests that convolve small arrays and are to take the ways that large ones take."""
    from jaxconv.ops.xla import dense

    monkeypatch.setattr(dense, "LEAST_MULTIPLY_ADDS", 0)


def pytest_terminal_summary(terminalreporter):
    """Adds up the counts that passed tests recorded, such as values equal to PyTorch's.

    A recorded text is a table of what a long test did, shown as it is.
    """
    counts = Counter()
    for report in terminalreporter.stats.get("passed", []):
        if report.when == "call":
            counts.update({name: n for name, n in report.user_properties if type(n) is int})
            for name, table in report.user_properties:
                if type(table) is str:
                    terminalreporter.write_line(f"{name}\n{table}\n")
    for name, count in sorted(counts.items()):
        terminalreporter.write_line(f"{name} checked: {count}")
