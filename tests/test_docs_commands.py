"""Every command of README.md and docs/ is really run, in a folder as a new user has it.

What takes long is made small by flags at its end, and what installs is checked, not done. A command
for which there is no rule fails its test. Pictures of the guide are drawn in test_guide.py.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jaxconv
from jaxconv import cli
from jaxconv.cli.config.command_line import parse_command_line
from jaxconv.cli.job_flags import membership
from jaxconv.cli.program import all_parsers
from jaxconv.cli.verbs.train import train_parser
from jaxconv.data.cache import save_cache
from jaxconv.data.dataset import Split
from jaxconv.weights.pretrained import PRETRAINED

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
SMALL = [
    "--config.data.train_limit=48",
    "--config.data.test_limit=40",
    "--config.batch_size=16",
    "--config.augment.transforms=(('Normalize', {'mean': (.5, .5, .5), 'std': (.2, .2, .2)}),)",
]
SMALLER = {"distill": [*SMALL, "--views=2"]}  # verbs that take long
DISTILL = "jaxconv distill runs/wide --config s9_quick"
OWN = "jaxconv train --config own_images --config.data.dir=photos"
UNTRIED = "onnx"  # an environment of its own, from a registry


def blocks(*languages: str) -> list[tuple[str, str]]:
    """The lines of all fenced blocks of these languages, with their pages."""
    found = []
    for page, text in sorted(PAGES.items()):
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines() if language in languages else []
            stripped = [line.partition(" #")[0].strip() for line in lines]
            found += [(page, line) for line in stripped if line and not line.startswith("#")]
    return found


def split_commands(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(page, part) for page, line in lines for part in line.split(" && ")]


ALL = sorted(set(split_commands(blocks("bash"))))


def kind(command: str) -> str | None:
    """Which rule a command falls under; None for none."""
    here, train = r"(\.venv/bin/)?", r"(\.venv/bin/)?(python train\.py|jaxconv train)"
    rules = {
        r"python3 -m venv \.venv|source \.venv/bin/activate": "environment",
        rf"{here}pip install -e \S+": "installation",
        rf"{here}pip wheel( --no-deps)? --wheel-dir wheels \S+( promise)?": "installation",
        rf"{here}pip install --no-index --find-links wheels \S+": "installation",
        rf"{here}pip download --dest wheels --find-links wheels .* \S+": "installation",
        rf"{here}python -m pytest.*": "tests",
        rf"{here}python -m sphinx .*": "site",
        rf"{here}python -m benchmarks\.\w+ --help": "benchmark",
        rf"srun {train} .*": "SLURM",
        rf"(JAX_PLATFORMS=cpu )?{train} .* --coordinator .*": "one of several",
        rf"{train} .*--help": "help",
        rf"{train} --config .*": "training",
        rf"{here}(python -m )?jaxconv explore": "window",
        rf"{here}(python -m )?jaxconv .*": "verb",
    }
    return next((name for rule, name in rules.items() if re.fullmatch(rule, command)), None)


def of_kind(*kinds: str) -> list[str]:
    """The commands of these kinds; what several pages say is tried once."""
    found = {" ".join(words(command)): command for _, command in ALL if kind(command) in kinds}
    return sorted(found.values())


def words(command: str) -> list[str]:
    """The command without what is around it: `train` or a verb, then its arguments."""
    around = (
        r"^(JAX_PLATFORMS=cpu |srun )?(\.venv/bin/)?(python train\.py|python -m jaxconv|jaxconv)"
    )
    program = re.match(around, command)
    if program is None:
        return shlex.split(command)
    trains = program[3] == "python train.py"
    return ["train"] * trains + shlex.split(command[program.end() :].removesuffix("&"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the repository's programs, a little CIFAR-10, two images and two runs."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("train.py", "configs", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (110, 32, 32, 3), np.uint8)
    labels = np.arange(110, dtype=np.int32) % 10
    splits = Split(images[:60], labels[:60]), Split(images[60:], labels[60:])
    save_cache(folder / "cache" / "jaxconv" / "cifar10", *splits, origin="a test")
    for name in ("cat.png", "dog.jpg"):
        Image.fromarray(images[0]).resize((50, 40)).save(folder / name)
    for number, name in enumerate(("apple", "banana", "cherry") * 8):
        (folder / "photos" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number]).save(folder / "photos" / name / f"{number}.png")
    (folder / "Downloads").mkdir()
    (folder / "Downloads" / "cifar-10-binary.tar.gz").touch()  # the cache is read instead
    for command in ("python train.py --config configs/s9_quick.py", OWN):
        train(folder, command)
    for name in ("other", "wide"):
        shutil.copytree(folder / "runs" / "s9_quick", folder / "runs" / name)
    shutil.copy(PRETRAINED, folder / "s9.safetensors")
    process(folder, f"{DISTILL} --out teacher.safetensors", *SMALLER["distill"])
    return folder


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "TFDS_DATA_DIR"}
    paths = {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    return kept | paths | {"JAX_PLATFORMS": "cpu"}


def process(
    folder: Path, command: str, *more: str, caches: Path | None = None
) -> subprocess.CompletedProcess:
    """The command as a real process of this Python; its caches are in the folder, or another."""
    arguments = shlex.split(command)[1:]
    if "jaxconv" in shlex.split(command)[0]:
        arguments = ["-m", "jaxconv", *words(command)]
    done = subprocess.run(
        [sys.executable, *arguments, *more],
        cwd=folder, env=environment(caches or folder), capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def train(folder: Path, command: str) -> str:
    epochs = [] if "--config.epochs" in command else ["--config.epochs=1"]
    small = [flag for flag in SMALL if not ("photos" in command and "_limit" in flag)]
    return process(folder, command, *small, *epochs).stdout


def test_there_is_a_rule_for_every_command():
    assert len(ALL) > 25
    assert [command for _, command in ALL if kind(command) is None] == []


def test_no_command_hides_in_a_block_of_another_kind():
    hidden = [
        line
        for _, line in blocks("", "sh", "shell", "console", "text")
        if re.match(r"\$|python|pip", line)
    ]
    assert hidden, "the recipe for ONNX is one"
    assert [line for line in hidden if UNTRIED not in line] == []


def test_the_page_names_programs_that_exist():
    """Commands within sentences: their modules and verbs."""
    texts = "\n".join(PAGES.values())
    modules = re.findall(r"`(?:\.venv/bin/)?python -m ([\w.]+)", texts)
    verbs = re.findall(r"`(?:\.venv/bin/)?(?:python -m )?jaxconv ([a-z]+)", texts)
    assert min(len(modules), len(verbs)) > 5
    assert [module for module in modules if not importlib.util.find_spec(module)] == []
    assert set(verbs) <= set(cli.VERBS)
    for flags in re.findall(
        r"`(?:python )?train\.py --config (\S+?)[` ]", "\n".join(PAGES.values())
    ):
        assert (ROOT / flags).is_file() or flags.isupper(), flags


def test_what_is_installed_exists():
    wanted = of_kind("installation")
    assert wanted
    texts = "\n".join(PAGES.values())
    extras = re.findall(r"(?:-e '?\.|jaxconv)\[([\w,]+)\]", texts)
    extras += re.findall(r"\(extra `(\w+)`\)|extra `(\w+)`;", texts)
    for names in extras:
        for name in names if isinstance(names, tuple) else names.split(","):
            assert not name or name in EXTRAS, name
    ours = r"(-e|wheels) '?(\.|jaxconv)(\[[\w,]+\])?'?( promise)?$"
    wheel = rf"'wheels/jaxconv-{re.escape(jaxconv.__version__)}-py3-none-any\.whl(\[[\w,]+\])?'$"
    assert all(re.search(f"{ours}|{wheel}", one) for one in wanted)


@pytest.mark.parametrize("command", of_kind("tests"))
def test_a_test_command_finds_tests(command, tmp_path):
    files = [] if "tests/" in command else ["tests/test_objective.py"]
    done = process(ROOT, command, "-n0", "-q", "--collect-only", *files, caches=tmp_path)
    assert re.search(r"tests/test_\w+\.py::", done.stdout)


@pytest.mark.parametrize("command", of_kind("SLURM", "one of several"))
def test_a_process_of_several_has_the_flags_that_are_written(command):
    _, flags = parse_command_line(train_parser("train", ""), words(command)[1:])
    assert membership(flags) is not None


@pytest.mark.parametrize("command", of_kind("benchmark"))
def test_a_benchmark_says_what_it_takes(command, tmp_path):
    assert "--pairs" in process(ROOT, command, caches=tmp_path).stdout


def test_the_window_that_would_open_is_a_verb():
    assert {words(command)[0] for command in of_kind("window")} <= set(cli.VERBS)


@pytest.mark.slow
def test_several_processes_train_as_one(home):
    """Those that are to be tried on one machine."""
    commands = [command for command in of_kind("one of several") if "127.0.0.1" in command]
    assert len(commands) == 2
    with ThreadPoolExecutor(2) as pool:
        arguments = [command.partition(" ")[2].removesuffix("&") for command in commands]
        told = list(pool.map(lambda command: train(home, command), arguments))
    assert sum("report: " in text for text in told) == 1


@pytest.mark.parametrize("command", of_kind("help"))
def test_help_helps(command, home):
    assert "--config.epochs" in process(home, command).stdout


def test_the_first_command_leaves_a_report(home):
    run = home / "runs" / "s9_quick"
    assert (run / "report.html").is_file()
    (row,) = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    assert row["epoch"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("command", of_kind("training"))
def test_training_trains(command, home, tmp_path):
    shutil.copytree(home, tmp_path / "home", symlinks=True, ignore=shutil.ignore_patterns("runs"))
    told = train(tmp_path / "home", command)
    assert "report: " in told or "all of it works" in told


GUIDE = PAGES["docs/convolutions.md"].replace(" \\\n  ", " ")
DRAWN = re.findall(r"^jaxconv (animate .*)$", GUIDE, re.MULTILINE)
VERB_COMMANDS = [command for command in of_kind("verb") if shlex.join(words(command)) not in DRAWN]


@pytest.mark.parametrize("command", VERB_COMMANDS)
def test_a_verb_does_what_is_written(command, home, tmp_path, monkeypatch, capsys):
    for name, value in environment(home).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    for path in home.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    verb, *flags = words(command)
    assert cli.main([verb, *flags, *SMALLER.get(verb, [])]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out
    written = [flags[i + 1] for i, flag in enumerate(flags) if flag in FILE_FLAGS]
    for name in written:
        assert (tmp_path / name).stat().st_size > 0


FILE_FLAGS = ("--out", "--still", "--safetensors", "--torch", "--stablehlo")


def test_the_page_of_exit_codes_has_those_that_help_names():
    table = re.findall(r"^\| (\d+) \|", PAGES["docs/reference/exit_codes.md"], re.MULTILINE)
    help_of_train = all_parsers()["train"].format_help()
    named = re.findall(
        r"\b(\d|1[2-4]\d)\b", help_of_train[help_of_train.index("The exit code is") :]
    )
    assert len(named) > 6
    assert sorted(set(named) - set(table)) == []
    assert sorted(table, key=int) == table


def test_the_messages_that_a_page_explains_are_those_of_the_program():
    """Quoted on the page of remedies, up to names and numbers in capitals."""
    page = PAGES["docs/howto/troubleshoot.md"]
    quoted = re.findall(r'^"([^"]+?)(?: \.\.\.)?"', page, re.MULTILINE)
    quoted += re.findall(r"^`([a-z_ ]+)`$", page, re.MULTILINE)
    assert len(quoted) > 5
    sources = " ".join(path.read_text("utf-8") for path in ROOT.glob("jaxconv/**/*.py"))
    program = re.sub(r'"\s+f?"', "", sources) + (ROOT / "train.py").read_text("utf-8")
    for message in quoted:
        pattern = re.sub(r"\b[A-Z]\b", r"\\{\\w+\\}", re.escape(message))
        assert re.search(pattern, program), message
