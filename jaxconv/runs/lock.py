"""One training run at a time in a run directory."""

import contextlib
import os
from collections.abc import Iterator

from jaxconv.files import locked, open_to_append
from jaxconv.runs.run_dir import RunDir, RunDirError
from jaxconv.text import printable


@contextlib.contextmanager
def sole_trainer(run: RunDir) -> Iterator[None]:
    """A context that holds the directory's lock; the kernel frees it when the process dies.

    Raises:
        RunDirError: another process holds it.
    """
    with open_to_append(run.path / ".lock") as file:
        if not locked(file.fileno(), run.path):
            file.seek(0)
            holder = printable(file.read(20).decode(errors="replace").strip())
            raise RunDirError(
                f"process {holder} is training in {run.path}; "
                "wait until it ends, stop it, or give another --workdir"
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield
