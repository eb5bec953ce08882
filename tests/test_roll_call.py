"""Processes that meet before they train as one: who is there, who differs, who is a stranger."""

import contextlib
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from jaxconv.runs import roll_keeper, roll_words
from jaxconv.runs.roll_call import call_roll
from jaxconv.runs.roll_words import Absent, Disagreement, Facts, JobError

FACTS = {"seed": 0, "max_lr": 0.1, "data.sources": ["shapes10"], "data.dir": None}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def outcome(address, number, processes, facts, seconds, load=dict):
    try:
        call_roll(address, Facts(number, processes, facts), load=load, start_seconds=seconds)
    except JobError as error:
        return error
    return None


def meet(*who, seconds=20, port=None):
    """What becomes of each of `who`: (number, processes, facts) of one that starts now."""
    address = f"127.0.0.1:{port or free_port()}"
    with ThreadPoolExecutor(len(who)) as pool:
        return [*pool.map(lambda one: outcome(address, *one[:3], seconds, *one[3:]), who)]


def test_all_of_a_job_go_on_together():
    assert meet(*((number, 5, FACTS) for number in range(5))) == [None] * 5
    assert meet((0, 1, FACTS)) == [None]


def test_the_port_is_free_again_for_what_listens_next():
    port = free_port()
    for _ in range(3):
        assert meet((0, 2, FACTS), (1, 2, FACTS), port=port) == [None, None]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed is 0 in process 0 and 1 in process 1"),
        ({"max_lr": 0.2}, "max_lr is 0.1 in process 0 and 0.2 in process 1"),
        ({"max_lr": 1}, "max_lr is 0.1 in process 0 and 1 in process 1"),
        ({"data.sources": []}, 'data.sources is ["shapes10"] in process 0 and [] in process 1'),
        (
            {"data.dir": "/a\x1b[31m\n"},
            r'dir is null in process 0 and "/a\u001b[31m\n" in process 1',
        ),
        ({"other": None}, "other is absent in process 0 and null in process 1"),
        ({"seed": 7, "max_lr": 9}, "seed is 0 in process 0 and 7 in process 1; max_lr is 0.1 in"),
    ],
)
def test_a_difference_is_named_in_all_at_once(change, named):
    started = time.monotonic()
    both = meet((0, 2, FACTS), (1, 2, FACTS | change))
    assert time.monotonic() - started < 5
    for error in both:
        assert (type(error), error.exit_code) == (Disagreement, 2)
        assert named in str(error)
        assert str(error).isprintable()
    assert str(both[0]) == str(both[1])


def test_one_that_differs_refuses_all_and_those_that_come_later():
    others = [(number, 4, FACTS | {"seed": number // 3}) for number in range(4)]
    errors = meet(*others)
    assert {type(error) for error in errors} == {Disagreement}
    assert all("seed is 0 in process 0 and 1 in process 3" in str(error) for error in errors)


def test_a_thousand_differences_are_a_line_of_bearable_length():
    errors = meet((0, 2, {}), (1, 2, {f"field {n}": "x" * 500 for n in range(1000)}))
    assert all(re.search("and 980 more", str(error)) for error in errors)
    assert all(len(str(error)) < 6000 for error in errors)


def test_other_numbers_of_processes_are_refused():
    errors = meet((0, 2, FACTS), (1, 3, FACTS))
    assert "--processes is 2 in process 0 and 3 in process 1" in str(errors[0])
    assert str(errors[0]) == str(errors[1])


def test_what_each_has_loaded_is_compared_too():
    alike = {"data.train": 10}
    assert meet(*((number, 3, FACTS, lambda: alike) for number in range(3))) == [None] * 3
    errors = meet(*((n, 3, FACTS, lambda n=n: {"data.train": n // 2}) for n in range(3)))
    assert {type(error) for error in errors} == {Disagreement}
    assert all("data.train is 0 in process 0 and 1 in process 2" in str(e) for e in errors)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_one_that_can_not_load_ends_all_at_once(failing):
    def load(number):
        if number == failing:
            raise JobError("no data")
        return {}

    started = time.monotonic()
    errors = meet(*((n, 3, FACTS, lambda n=n: load(n)) for n in range(3)))
    assert time.monotonic() - started < 5
    assert str(errors.pop(failing)) == "no data"
    for error in errors:
        assert (type(error), error.exit_code) == (Absent, 3)
        assert str(error).startswith(f"process {failing} has gone before training began; what it")


def test_nothing_is_loaded_by_those_that_differ():
    def never():
        raise AssertionError("loaded")

    errors = meet((0, 2, FACTS, never), (1, 2, {}, never))
    assert {type(error) for error in errors} == {Disagreement}


def test_a_number_that_two_have_is_told_to_all(monkeypatch):
    monkeypatch.setattr(roll_keeper, "REFUSING_SECONDS", 1)
    started = time.monotonic()
    errors = meet((0, 3, FACTS), (1, 3, FACTS), (1, 3, FACTS))
    assert time.monotonic() - started < 5
    assert {type(error) for error in errors} == {Disagreement}
    assert all("two processes are --process 1" in str(error) for error in errors)


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
def test_a_port_in_use_is_a_line_at_once(host):
    with socket.create_server((host, 0)) as other:
        port = other.getsockname()[1]
        started = time.monotonic()
        (error,) = meet((0, 2, FACTS), port=port)
        assert time.monotonic() - started < 1
    assert str(error).startswith(
        f"can't listen at port {port} (Address already in use): is another"
    )


@pytest.mark.parametrize("port", ["0", "65536", "1" * 5000, "", "²"])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(Disagreement, match="expected HOST:PORT, a port below 65536"):
        call_roll(f"127.0.0.1:{port}", Facts(0, 2, {}))


def stranger(answer):
    """Something that listens, and answers each connection by `answer(connection)`."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                answer(connection)

    threading.Thread(target=serve, daemon=True).start()
    return server


ANSWERS = {
    "closes": lambda connection: None,
    "is silent": lambda connection: time.sleep(2),
    "speaks of its own": lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "speaks HTTP": lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "speaks JSON": lambda connection: connection.sendall(b"[]\n"),
    "nests": lambda connection: connection.sendall(b"[" * 100_000 + b"\n"),
    "never ends": lambda connection: connection.sendall(b"x" * (2 << 20)),
}


@pytest.mark.parametrize("how", ANSWERS)
def test_something_else_that_listens_is_told_soon(how, monkeypatch):
    monkeypatch.setattr(roll_keeper, "HELLO_SECONDS", 0.5)

    def answer(connection):
        with contextlib.suppress(OSError):
            ANSWERS[how](connection)

    with stranger(answer) as server:
        port = server.getsockname()[1]
        started = time.monotonic()
        (error,) = meet((1, 2, FACTS), port=port)
        assert time.monotonic() - started < 5
    assert f"what listens at 127.0.0.1:{port} is not process 0 of a job that starts" in str(error)


def test_those_that_do_not_come_are_named():
    errors = meet((0, 4, FACTS), (2, 4, FACTS), seconds=1)
    for error in errors:
        assert (type(error), error.exit_code) == (Absent, 3)
        assert "process 1, 3 has not come within 1 seconds; start all of them" in str(error)
    (error,) = meet((1, 2, FACTS), seconds=0.5)
    assert "process 0 has not come within 0.5 seconds" in str(error)


def test_one_that_went_again_may_come_again():
    port = free_port()
    address = f"127.0.0.1:{port}"
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(outcome, address, 0, 2, FACTS, 20)
        while not first.done():  # until it listens
            try:
                with socket.create_connection(("127.0.0.1", port)) as gone:
                    gone.shutdown(socket.SHUT_RDWR)
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        with socket.create_connection(("127.0.0.1", port)) as gone:
            gone.sendall(roll_words.line(process=1, processes=2, facts=FACTS)[:-9])
        second = pool.submit(outcome, address, 1, 2, FACTS, 20)
        assert (first.result(), second.result()) == (None, None)


def test_when_process_0_goes_the_others_know_at_once(monkeypatch):
    def die(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(roll_keeper.Roll, "_answer", die)
    port = free_port()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(outcome, f"127.0.0.1:{port}", 1, 2, FACTS, 20)
        with pytest.raises(KeyboardInterrupt):
            call_roll(f"127.0.0.1:{port}", Facts(0, 2, FACTS), start_seconds=20)
        error = other.result(timeout=5)
    assert (type(error), error.exit_code) == (Absent, 3)
    assert str(error) == "process 0 has gone before training began; what it said tells why"


ROGUES = (
    b"",
    b"\0" * 1000,
    b"GET / HTTP/1.1\r\n\r\n",
    b"{}\n",
    b"null\n",
    b'{"jaxconv": true}\n',
    b'{"jaxconv": true, "process": "1", "processes": 2, "facts": {}}\n',
    b'{"jaxconv": true, "process": -1, "processes": 2, "facts": {}}\n',
    b'{"jaxconv": true, "process": 1, "processes": 2, "facts": []}\n',
    b"[" * 100_000 + b"\n",
    b"\xff\xfe\n",
    b"x" * (3 << 20),
)


def test_strangers_that_connect_do_not_matter():
    port = free_port()
    address = f"127.0.0.1:{port}"
    held = []
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(outcome, address, 0, 2, FACTS, 30)
        for rogue in ROGUES * 10:
            for _ in range(100):
                try:
                    connection = socket.create_connection(("127.0.0.1", port), 5)
                    break
                except ConnectionRefusedError:
                    time.sleep(0.02)
            with contextlib.suppress(OSError):
                connection.sendall(rogue)
            held.append(connection)
        assert not first.done()
        second = pool.submit(outcome, address, 1, 2, FACTS, 30)
        assert (first.result(), second.result()) == (None, None)
    for connection in held:
        connection.close()


def test_facts_are_compared_as_json_holds_them():
    """A tuple is a list, and nothing is compared that could not be sent."""
    assert meet((0, 2, {"a": (1, 2)}), (1, 2, {"a": [1, 2]})) == [None, None]
    with pytest.raises(TypeError):
        call_roll("127.0.0.1:1", Facts(0, 2, {"a": object()}))
    assert json.loads(json.dumps({"a": 1e-300})) == {"a": 1e-300}
