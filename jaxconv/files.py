"""The one way in which this package writes files: whole or not at all, and never through a link.

A folder may come from somebody else, with links in it that lead to files of the user's own. What
replaces a file is written under a name that nobody can know before, and takes the place of a link
instead of following it; what is appended to must be a plain file.
"""

import contextlib
import errno
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)
_FLAGS = 0
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _flag, 0)  # no system has all


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends well, and else vanishes.

    The folder is made if need be. The file's `name` is a path, for a program that writes to it.

    Raises:
        OSError: the folder cannot be made or written, or is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(16)}.tmp")
    with open(temporary, "xb", opener=_open) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            file.close()  # Windows renames nothing that is open
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_whole(path: Path, data: bytes | str) -> None:
    """Writes `data`, text as UTF-8, as `replacing` does."""
    with replacing(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def open_to_append(path: Path) -> BinaryIO:
    """Opens a plain file for reading and appending, or for a lock; it is made if need be.

    Raises:
        OSError: `path` is a link, a folder, a pipe or a device, or cannot be written.
    """
    opened = _open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    if stat.S_ISREG(os.fstat(opened).st_mode):
        return os.fdopen(opened, "a+b")
    os.close(opened)
    raise OSError(errno.EINVAL, "not a plain file", str(path))


def locked(descriptor: int, path: Path, *, wait: bool = False) -> bool:
    """Locks an open file or folder; False where another process has, unless told to `wait`.

    The kernel frees it when the file is closed or the process dies. Where the file system knows no
    locks, as some of networks do not, it counts as locked, and a warning says so.
    """
    import fcntl  # POSIX only

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        log.warning("%s cannot be locked (%s): use it from one process", path, error.strerror)
    return True


def require_inside(path: Path, folder: Path) -> None:
    """Refuses a `path` that leads out of `folder` through a link.

    Raises:
        OSError: it does, or its links go round in a circle.
    """
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except RuntimeError as error:  # so Python 3.12 tells of links that go round in a circle
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error
    if not inside:
        raise OSError(errno.ELOOP, f"a link that leads out of {folder}", str(path))


def _open(path: str | Path, flags: int) -> int:
    try:
        return os.open(path, flags | _FLAGS, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP and os.path.islink(path):
            raise OSError(errno.ELOOP, "a link, and it is not followed", str(path)) from error
        raise
