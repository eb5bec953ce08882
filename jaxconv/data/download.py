"""Fetching one large file from a slow host: quick to say no, visible, and able to go on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tqdm import tqdm

from jaxconv.data.dataset import DataCorrupt, DataUnavailable
from jaxconv.files import locked, open_to_append

MOST_FRUITLESS_ATTEMPTS = 4


class RemoteFile(NamedTuple):
    """A file whose content is known before it is fetched."""

    url: str
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        return urlsplit(self.url).path.rsplit("/", 1)[-1]


def check_reachable(url: str, *, timeout_s: float = 3.0) -> None:
    """Opens and closes a connection to the host of `url`, or to the proxy that leads to it.

    The look-up of a name has no timeout of its own and may block for minutes; it runs in a thread
    that is left behind when the time is up.

    Raises:
        DataUnavailable: no connection within `timeout_s` seconds in all.
    """
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    address = (parts.hostname, parts.port or (80 if parts.scheme == "http" else 443))
    outcome: list[str] = []

    def connect() -> None:
        try:
            socket.create_connection(address, timeout=timeout_s).close()
            outcome.append("")
        except OSError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(timeout_s)
    problem = outcome[0] if outcome else f"no answer within {timeout_s:g} s"
    if problem:
        raise DataUnavailable(f"{address[0]} cannot be reached ({problem})")


def fetch(
    file: RemoteFile, directory: Path, *, stall_s: float = 30.0, pause_s: float = 2.0
) -> Path:
    """`directory/<name>` with the content of `file`, its speed shown while it comes.

    Bytes gather in `<name>.part`; a dropped connection, or the next run, goes on from there. The
    file gets its name when its size and SHA-256 are right. Of several processes one fetches, and
    the others wait.

    Args:
        stall_s: seconds of silence after which a connection counts as dropped.
        pause_s: seconds to wait after an attempt that brought nothing, twice that after the next.

    Raises:
        DataUnavailable: the host cannot be reached (known within 5 seconds), refuses, or keeps
            dropping the connection.
        DataCorrupt: what came is not the file.
        OSError: the directory cannot be written.
    """
    path = directory / file.name
    if path.exists() and _sha256(path) == file.sha256:
        return path
    check_reachable(file.url)
    directory.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(path):
        if path.exists() and _sha256(path) == file.sha256:
            return path  # another process has fetched it meanwhile
        return _fetch(file, path, stall_s=stall_s, pause_s=pause_s)


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """A context that waits for other processes which fetch into the same folder."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        if not locked(folder, path.parent):
            tqdm.write(f"another process fetches {path.name}: waiting for it", sys.stderr)
            locked(folder, path.parent, wait=True)
        yield
    finally:
        os.close(folder)


def _fetch(file: RemoteFile, path: Path, *, stall_s: float, pause_s: float) -> Path:
    part = path.with_name(f"{path.name}.part")
    open_to_append(part).close()  # a link is not followed: the folder may be from somebody else
    fruitless = 0
    with tqdm(total=file.bytes, unit="B", unit_scale=True, desc=file.name) as bar:
        while (have := part.stat().st_size) < file.bytes:
            bar.update(have - bar.n)
            try:
                _receive(file.url, part, bar, timeout_s=stall_s)
                problem = "the host closed the connection"
            except (OSError, HTTPException) as error:
                problem = str(error)
            fruitless = 0 if part.stat().st_size > have else fruitless + 1
            if fruitless == MOST_FRUITLESS_ATTEMPTS:
                raise DataUnavailable(
                    f"{file.url} stopped at {have} of {file.bytes} bytes ({problem}); "
                    "the next run goes on from there"
                )
            time.sleep(fruitless * pause_s)
    if _sha256(part) != file.sha256:
        part.unlink()
        raise DataCorrupt(f"{file.url} is not the file with SHA-256 {file.sha256}: run again")
    return part.replace(path)


def _receive(url: str, part: Path, bar: tqdm, *, timeout_s: float) -> None:
    """Appends to `part` what it lacks, or starts it anew where the host cannot begin midway."""
    have = part.stat().st_size
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=timeout_s) as response:
        anew = response.status != 206
        if anew:
            bar.reset()
        with open_to_append(part) as out:
            if anew:
                out.truncate(0)
            while block := response.read1(1 << 16):
                out.write(block)
                bar.update(len(block))
                if bar.n > bar.total:
                    return  # not the file we know: no need to see how long it is


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
