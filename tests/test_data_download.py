"""Downloading from a host of our own on the loopback, and preparing it without TensorFlow."""

import hashlib
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cifar_files
import numpy as np
import pytest

from jaxconv.data import archive, download
from jaxconv.data.dataset import DataCorrupt, DataUnavailable
from jaxconv.data.download import RemoteFile, check_reachable, fetch
from jaxconv.data.tfds_directory import find_tfds_directory, read_tfds_directory

CONTENT = np.random.default_rng(0).bytes(300_000)


class _Host:
    """Serves `content` by HTTP; each request follows the next of `plan`, the last one for ever.

    A plan says how many bytes to send before the connection drops (None: all), and whether the
    host can begin midway.
    """

    def __init__(self, content: bytes, plan=((None, True),), status: int | None = None):
        self.requests: list[str | None] = []
        self.hung_up_on = False
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers.get("Range")
                host.requests.append(asked)
                most, ranges = plan[min(len(host.requests), len(plan)) - 1]
                start = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked and ranges else 0
                body = content[start:]
                self.send_response(status or (206 if start else 200))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body[:most])
                except OSError:
                    host.hung_up_on = True

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/cifar-10-binary.tar.gz"
        self.file = RemoteFile(self.url, len(content), hashlib.sha256(content).hexdigest())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# fetch


def test_a_file_is_fetched_once_and_its_progress_is_shown(tmp_path, capsys):
    with _Host(CONTENT) as host:
        path = fetch(host.file, tmp_path / "new" / "folder")
        assert fetch(host.file, tmp_path / "new" / "folder") == path
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["cifar-10-binary.tar.gz"]
    assert host.requests == [None]
    assert re.search(r"cifar-10-binary\.tar\.gz: +100%.*300k/300k.*B/s", capsys.readouterr().err)


def test_a_dropped_connection_goes_on_where_it_stopped(tmp_path):
    with _Host(CONTENT, plan=[(100_000, True), (50_000, True), (None, True)]) as host:
        path = fetch(host.file, tmp_path)
    assert path.read_bytes() == CONTENT
    assert host.requests == [None, "bytes=100000-", "bytes=150000-"]


def test_the_next_run_goes_on_where_the_last_one_stopped(tmp_path):
    with (
        _Host(CONTENT, plan=[(1000, True), (0, True)]) as host,
        pytest.raises(DataUnavailable, match=r"stopped at 1000 of 300000 bytes .*goes on from"),
    ):
        fetch(host.file, tmp_path, pause_s=0)
    with _Host(CONTENT) as host:
        assert fetch(host.file, tmp_path).read_bytes() == CONTENT
    assert host.requests == ["bytes=1000-"]


def test_a_host_that_cannot_begin_midway_starts_anew(tmp_path):
    with _Host(CONTENT, plan=[(100_000, False), (None, False)]) as host:
        assert fetch(host.file, tmp_path).read_bytes() == CONTENT


def test_two_that_fetch_at_once_fetch_once(tmp_path, capsys):
    """The second waits for the first, and finds what that has fetched."""
    with _Host(CONTENT, plan=((100_000, True), (None, True))) as host, ThreadPoolExecutor() as pool:
        paths = list(pool.map(lambda _: fetch(host.file, tmp_path, pause_s=1), range(2)))
    assert paths == [tmp_path / "cifar-10-binary.tar.gz"] * 2
    assert paths[0].read_bytes() == CONTENT
    assert host.requests == [None, "bytes=100000-"]
    assert "another process fetches cifar-10-binary.tar.gz: waiting" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"\0", CONTENT + b"more"])
def test_other_content_is_refused_and_not_kept(tmp_path, wrong):
    with _Host(wrong) as host:
        file = RemoteFile(host.url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
        with pytest.raises(DataCorrupt, match=r"is not the file with SHA-256 \w+: run again"):
            fetch(file, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_body_without_end_is_not_read_to_its_end(tmp_path):
    with _Host(CONTENT + bytes(40_000_000)) as host, pytest.raises(DataCorrupt, match="run again"):
        fetch(RemoteFile(host.url, len(CONTENT), host.file.sha256), tmp_path)
    assert host.hung_up_on


def test_a_refusal_is_told_with_its_status(tmp_path):
    with _Host(CONTENT, status=404) as host, pytest.raises(DataUnavailable, match="404"):
        fetch(host.file, tmp_path, pause_s=0)
    assert len(host.requests) == download.MOST_FRUITLESS_ATTEMPTS


def test_silence_counts_as_a_dropped_connection(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        started = time.monotonic()
        with pytest.raises(DataUnavailable, match="timed out"):
            fetch(RemoteFile(url, 10, ""), tmp_path, stall_s=0.1, pause_s=0)
        assert time.monotonic() - started < 3


# check_reachable


def test_a_refused_connection_is_told_at_once():
    with pytest.raises(DataUnavailable, match=r"127\.0\.0\.1 cannot be reached \(.*refused"):
        check_reachable(f"http://127.0.0.1:{_closed_port()}/x")


def test_a_name_that_no_one_knows_is_told(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DataUnavailable, match=r"nowhere\.invalid cannot .*Name or service"):
        check_reachable("https://nowhere.invalid/x")


def test_a_look_up_that_never_ends_is_left_behind(monkeypatch):
    forever = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: forever.wait(10) and [])
    started = time.monotonic()
    with pytest.raises(DataUnavailable, match=r"no answer within 0\.2 s"):
        check_reachable("https://nowhere.invalid/x", timeout_s=0.2)
    assert time.monotonic() - started < 1
    forever.set()


def test_behind_a_proxy_the_proxy_is_what_must_be_reached(monkeypatch):
    with _Host(CONTENT) as host:
        monkeypatch.setenv("https_proxy", host.url)
        check_reachable("https://nowhere.invalid/x")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{_closed_port()}")
    with pytest.raises(DataUnavailable, match=r"127\.0\.0\.1 cannot be reached"):
        check_reachable("https://nowhere.invalid/x")


# tfds


def test_what_is_downloaded_is_prepared_so_that_a_later_run_finds_it(tmp_path, monkeypatch):
    from jaxconv.data.tfds_builder import prepare_cifar10

    monkeypatch.setattr(archive, "IMAGES_PER_BATCH", cifar_files.BATCH)
    served = cifar_files.write_archive(tmp_path / "served", cifar_files.binary_members())
    data_dir = tmp_path / "data"
    with _Host(served.read_bytes()) as host:
        directory = prepare_cifar10(data_dir, host.file)
    assert host.requests == [None]
    assert directory == find_tfds_directory(data_dir) == data_dir / "cifar10" / "3.0.2"
    train, test = read_tfds_directory(directory)
    for got, want in zip((*train, *test), cifar_files.expected(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_tfds_itself_reads_what_was_prepared(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    from jaxconv.data.tfds_builder import prepare_cifar10

    monkeypatch.setattr(archive, "IMAGES_PER_BATCH", cifar_files.BATCH)
    served = cifar_files.write_archive(tmp_path / "served", cifar_files.binary_members())
    with _Host(served.read_bytes()) as host:
        prepare_cifar10(tmp_path, host.file)
    source = tfds.data_source("cifar10", split="test", data_dir=tmp_path)
    _, _, images, labels = cifar_files.expected()
    assert len(source) == cifar_files.BATCH
    for example in source:
        index = int(example["id"].decode().removeprefix("test_"))
        np.testing.assert_array_equal(example["image"], images[index])
        assert example["label"] == labels[index]
