"""One training run at a time in a run directory."""

import contextlib
import os
from collections.abc import Iterator

from jaxconv.runs.run_dir import RunDir, RunDirError


@contextlib.contextmanager
def sole_trainer(run: RunDir) -> Iterator[None]:
    """A context that holds the directory's lock; the kernel frees it when the process dies.

    Raises:
        RunDirError: another process holds it.
    """
    import fcntl  # POSIX only

    with (run.path / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise RunDirError(
                f"process {file.read().strip()} is training in {run.path}; "
                "wait until it ends, stop it, or give another --workdir"
            ) from error
        file.truncate(0)
        print(os.getpid(), file=file, flush=True)
        yield
