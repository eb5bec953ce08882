"""Colour in a terminal alone; a shell that completes; a reader that goes away."""

import io
import os
import pty
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jaxconv import cli
from jaxconv.cli.terminal import shows_colour

ROOT = Path(__file__).resolve().parents[1]
WRONG = [sys.executable, "-m", "jaxconv", "dance"]


def in_a_terminal(**environment):
    """What a wrong command line says to a terminal, and the exit code."""
    ours, theirs = pty.openpty()
    inherited = {name: os.environ[name] for name in os.environ if name != "NO_COLOR"}
    done = subprocess.run(
        WRONG, cwd=ROOT, stderr=theirs, env=inherited | {"TERM": "xterm"} | environment, timeout=120
    )
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    return said, done.returncode


@pytest.mark.parametrize(
    ("environment", "start"),
    [
        ({}, "\x1b[31merror:\x1b[0m dance: unknown verb"),
        ({"NO_COLOR": "1"}, "error: dance: unknown verb"),
    ],
)
def test_an_error_is_red_in_a_terminal_that_wants_it(environment, start):
    said, code = in_a_terminal(**environment)
    assert said.startswith(start)
    assert code == 2


@pytest.mark.parametrize(
    ("terminal", "environment", "shown"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "0"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(terminal, environment, shown, monkeypatch):
    class Stream(io.StringIO):
        def isatty(self):
            return terminal

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert shows_colour(Stream()) == shown


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("argv", ["--help", "costs --help"])
def test_a_reader_that_goes_away_is_no_error(argv):
    command = f"{shlex.quote(sys.executable)} -m jaxconv {argv} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    assert done.stdout in ("0\n", "141\n")  # the reader may be quicker or slower


COMPLETE = """
source /dev/stdin
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _shtab_jaxconv
echo "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def script():
    command = [sys.executable, "-m", "jaxconv", "completion", "bash"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("jaxconv pre", "predict"),
        ("jaxconv predict --w", "--workdir --weights"),
        ("jaxconv stats --config.data.d", "--config.data.dir --config.data.download"),
        ("jaxconv costs --config.data.d", ""),
    ],
)
def test_bash_completes_verbs_flags_and_fields(script, words, completed):
    done = subprocess.run(
        ["bash", "-c", COMPLETE.format(words=words)],
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout == f"{completed}\n"


def test_completion_knows_its_shells_and_says_what_to_install(monkeypatch, capsys):
    assert cli.main(["completion", "fish"]) == 2
    assert "invalid choice: 'fish'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert cli.main(["completion", "zsh"]) == 2
    assert "pip install 'jaxconv[completion]'" in capsys.readouterr().err
