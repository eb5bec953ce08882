"""How the program ends: each kind of error has an exit code and one line, whatever it quotes."""

import errno
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import jaxconv
from jaxconv import cli
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.outcomes import Outcome, outcome
from jaxconv.errors import JaxconvError
from jaxconv.interop.plain_pickle import Refused
from jaxconv.runs.signals import Stopped
from jaxconv.training.loop import Interrupted

ROOT = Path(__file__).resolve().parents[1]


class JaxRuntimeError(Exception):
    """As JAX names its own."""


def encoding_error():
    try:
        "\udcff".encode()
    except UnicodeEncodeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigError("a\nb"), Outcome(2, r"a\nb")),
        (JaxconvError("a \x1b[31mred\x1b[0m line"), Outcome(1, r"a \x1b[31mred\x1b[0m line")),
        (Stopped(15), Outcome(143, "stopped at once")),
        (KeyboardInterrupt(), Outcome(130, "interrupted")),
        (BrokenPipeError(), Outcome(141)),
        (OSError(errno.ENOSPC, "No space"), Outcome(1, f"[Errno {errno.ENOSPC}] No space")),
        (MemoryError(), Outcome(1, "out of memory; lower --config.batch_size")),
        (
            JaxRuntimeError("RESOURCE_EXHAUSTED: no"),
            Outcome(1, "out of memory; lower --config.batch_size"),
        ),
        (RecursionError(), Outcome(1, "a file or a value is nested too deeply to be read")),
        (
            ModuleNotFoundError("No module named 'PIL'", name="PIL.Image"),
            Outcome(2, "PIL.Image is not installed; pip install 'jaxconv[train]'"),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_user_can_cause_is_a_code_and_a_line(error, expected):
    assert outcome(error) == expected


def test_a_text_that_is_not_utf8_is_a_line():
    assert outcome(encoding_error()).exit_code == 1


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        JaxRuntimeError("INTERNAL: a bug"),
        ModuleNotFoundError("No module named 'jaxconv.cil'", name="jaxconv.cil"),
        SystemExit(0),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_bug_keeps_its_traceback(error):
    assert outcome(error) is None


def test_a_note_tells_what_to_do():
    error = OSError(errno.ENOSPC, "No space")
    error.add_note("make some")
    error.add_note("-----\nwhat JAX says of its traceback")
    assert outcome(error).line == f"[Errno {errno.ENOSPC}] No space; make some"


def test_every_error_of_the_package_has_the_base_that_the_table_knows():
    found = set()
    for module in pkgutil.walk_packages(jaxconv.__path__, "jaxconv."):
        if module.name != "jaxconv.__main__" and ".configs" not in module.name:
            members = vars(import_module(module.name)).values()
            found |= {
                member
                for member in members
                if inspect.isclass(member)
                and issubclass(member, BaseException)
                and member.__module__.startswith("jaxconv.")
            }
    assert len(found) > 8
    others = {error for error in found if not issubclass(error, JaxconvError)}
    assert others == {Stopped, Interrupted, Refused}


def run(*argv, before="true", shell="", **environment):
    """A process of the program, with what a shell says before and after it."""
    command = f'{before}; "$0" -m jaxconv "$@" {shell}; echo "code $?" >&9'
    ours, theirs = os.pipe()
    try:
        done = subprocess.run(
            ["bash", "-c", command.replace(">&9", f">&{theirs}"), sys.executable, *argv],
            env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"} | environment,
            capture_output=True,
            text=True,
            timeout=120,
            pass_fds=[theirs],
        )
        os.close(theirs)
        code = os.read(ours, 100).decode()
    finally:
        os.close(ours)
    return int(code.removeprefix("code ")), done.stdout, done.stderr


def test_a_closed_stderr_spoils_nothing(tmp_path):
    code, out, _ = run("predict", "nothing.png", "--json", shell="2>&-")
    assert (code, json.loads(out)) == (1, [])


def test_a_closed_stdout_is_no_error_and_no_file_takes_its_place(tmp_path):
    picture = tmp_path / "film.png"
    argv = ["animate", "pointwise", "--size", "2", "--still", str(picture)]
    code, _, err = run(*argv, shell=">&- 2>&-")
    assert (code, err) == (0, "")
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_is_a_line():
    code, _, err = run("costs", shell="> /dev/full")
    assert (code, err) == (1, "error: [Errno 28] No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_training_goes_on_where_its_first_line_cannot_be_written(tmp_path):
    """As far as the data, in vain."""
    fields = ["--config.data.sources=folder", "--config.data.dir=/nowhere"]
    argv = ["train", "--config=s9_quick", f"--workdir={tmp_path / 'run'}", *fields]
    code, _, err = run(*argv, shell="> /dev/full")
    assert code == 2
    assert "data.dir '/nowhere' is not an existing folder" in err


def test_the_folder_of_now_may_be_gone(tmp_path):
    gone, run_dir = tmp_path / "gone", tmp_path / "run"
    gone.mkdir()
    fields = ["--config.data.sources=folder", "--config.data.dir=/nowhere"]
    argv = ["train", "--config=s9_quick", f"--workdir={run_dir}", *fields]
    code, _, err = run(*argv, before=f"cd {gone} && rmdir {gone}")
    assert code == 2
    assert "data.dir '/nowhere' is not an existing folder" in err


def test_a_name_that_the_terminal_cannot_show_is_escaped(tmp_path):
    code, _, err = run("predict", str(tmp_path / "数.png"), PYTHONIOENCODING="latin-1")
    assert code == 1
    assert r"\u6570.png: there is no such file" in err
    assert "Traceback" not in err


def test_help_needs_no_docstrings():
    done = subprocess.run(
        [sys.executable, "-OO", "-m", "jaxconv", "costs", "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert cli.VERBS["costs"].words in done.stdout


@pytest.mark.parametrize(
    ("workdir", "message"),
    [
        ("", "--workdir: expected a path, got none"),
        ("x\udcff", r"x\udcff: not UTF-8; rename it, or name something else"),
        ("~nobody_of_this_name/x", "--workdir: ~nobody_of_this_name/x: no such path"),
    ],
)
@pytest.mark.parametrize("verb", ["train", "evaluate"])
def test_a_path_that_cannot_be_is_refused_at_the_start(verb, workdir, message, capsys):
    assert cli.main([verb, "--workdir", workdir]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message}")


def test_a_folder_whose_own_name_is_not_utf8_is_refused(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "x\udcff"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert cli.main(["train", "--config", "s9", "--workdir", "run"]) == 2
    assert "this path is not UTF-8" in capsys.readouterr().err


def test_links_in_a_circle_are_refused(tmp_path, capsys):
    (tmp_path / "round").symlink_to(tmp_path / "round")
    code = cli.main(["train", "--config", "s9", "--workdir", str(tmp_path / "round" / "x")])
    assert code in (1, 2)  # Python tells of it sooner or later
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


def test_a_notebook_s_choice_of_how_to_draw_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://nothing_of_this_name")
    argv = ["samples", "--config.data.sources=shapes10", "--config.data.train_limit=20"]
    argv += ["--config.data.test_limit=10", "--out", str(tmp_path / "samples.png")]
    code, _, err = run(*argv)
    assert code == 0, err
    assert os.environ["MPLBACKEND"] == "module://nothing_of_this_name"


@pytest.mark.parametrize(
    ("ending", "code", "torn_down"),
    [("raise Stopped(signal.SIGINT)", 130, False), ("return 3", 3, True), ("return None", 0, True)],
)
def test_a_stopped_process_skips_what_python_does_at_its_end(ending, code, torn_down):
    """Where XLA still compiled in a thread, that ended in a segmentation fault now and then."""
    program = f"""
import atexit, signal
from jaxconv.cli import program, run_and_exit
from jaxconv.runs.signals import Stopped
def summary(parser, argv):
    print("summary", end=" ")
    {ending}
program.VERBS = {{"summary": program.VERBS["summary"]._replace(run=summary)}}
atexit.register(print, "torn down")
run_and_exit(["summary"])
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (code, "summary " + "torn down\n" * torn_down)
