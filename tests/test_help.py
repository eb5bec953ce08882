"""What `--help` says: every flag, every field with type, default and meaning, and exit codes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from jaxconv import cli
from jaxconv.cli.config.field_help import field_comments
from jaxconv.cli.config.fields import field_paths, get_field
from jaxconv.cli.config.file import load_config
from jaxconv.cli.parsers import EXIT_CODES
from jaxconv.cli.program import all_parsers

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "s9.py"
WITHOUT_CONFIG = {"summary", "costs", "animate", "explore", "compare", "completion"}


def require_fields(text):
    """Every field of the documented recipe stands in a line with type, default and meaning."""
    config, comments = load_config(CONFIG), field_comments(CONFIG)
    lines = {line.split()[0]: line for line in text.splitlines() if "--config." in line[:20]}
    assert set(lines) == {f"--config.{name}" for name in field_paths(config)}
    for name in field_paths(config):
        _, kind, *rest = re.split(r"\s{2,}", lines[f"--config.{name}"].strip())
        default = repr(get_field(config, name))
        *group, leaf = name.split(".")
        owner = get_field(config, group[0]) if group else config
        assert kind.removesuffix(" or None") == owner.get_type(leaf).__name__
        assert rest == [default if len(default) <= 40 else f"{default[:37]}...", comments[name]]
        assert len(comments[name]) > 5


def require_flags(text, flags):
    """Every flag is explained; one that takes a value says what is so without it."""
    options = text[: text.index("exit codes:")]
    for flag in set(flags) - {"-h"}:
        (entry,) = re.findall(
            rf"^  (?:-h, )?{flag}(?=[ \n])(.*(?:\n {{10,}}.*)*)", options, re.MULTILINE
        )
        words = " ".join(entry.split())
        assert len(words) > 15, flag
        assert flag in ("--help", "--config") or "default" in words or "see above" in words, words


@pytest.mark.parametrize("verb", [verb for verb in cli.VERBS if verb != "train"])
def test_a_verb_explains_all_that_it_takes(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([verb, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: python -m jaxconv {verb}" in text
    assert cli.VERBS[verb].words in text
    assert EXIT_CODES in text
    parser = all_parsers()[verb]
    require_flags(text, parser.flag_names)
    assert parser.takes_fields == (verb not in WITHOUT_CONFIG)
    if parser.takes_fields:
        require_fields(text)
    else:
        assert "--config" not in text
        assert cli.main([verb, "--config.seed=1"]) == 2


@pytest.mark.parametrize(
    ("program", "config"),
    [("train.py", "configs/s9.py"), ("-m jaxconv train", "s9")],
)
def test_train_explains_all_that_it_takes(program, config):
    done = subprocess.run(
        [sys.executable, *program.split(), "--config", config, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: python {program}")
    for code in ("0 done", "1 an error", "2 a wrong command line", "130 after", "143 after"):
        assert code in " ".join(done.stdout.split())
    require_fields(done.stdout)
    require_flags(done.stdout.partition("options:")[2], all_parsers()["train"].flag_names)


def test_the_program_lists_its_verbs_and_exit_codes(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert re.findall(r"^  (\w+) +[A-Z]", text, flags=re.MULTILINE) == list(cli.VERBS)
    assert EXIT_CODES in text
