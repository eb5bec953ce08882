"""What is released says one version, names files that exist, and fetches nothing by itself."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import jaxconv
from jaxconv import cli

ROOT = Path(__file__).resolve().parents[1]
TEXT = {path.name: path.read_text() for path in ROOT.glob("*.*") if path.suffix in (".md", ".cff")}


def test_there_is_one_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxconv {jaxconv.__version__}\n"
    assert f"\nversion: {jaxconv.__version__}\n" in TEXT["CITATION.cff"]
    versions = re.findall(r"^## (\S+)$", TEXT["CHANGELOG.md"], re.MULTILINE)
    assert versions[0] == jaxconv.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert project["license"] == "Apache-2.0"


def test_contributing_names_what_exists():
    named = set(
        re.findall(r"`((?:jaxconv|tests|docs|benchmarks)/[\w./]*)`", TEXT["CONTRIBUTING.md"])
    )
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name.replace("NAME", "standard")).exists()] == []


@pytest.mark.parametrize(
    ("module", "table"),
    [
        ("jaxconv.augment.arguments", "TRANSFORMS"),
        ("jaxconv.augment.device", "MAKERS"),
        ("jaxconv.augment.device", "ONLY"),
        ("jaxconv.cli.program", "VERBS"),
        ("jaxconv.data.sources", "SOURCES"),
    ],
)
def test_contributing_names_the_tables_to_add_to(module, table):
    assert f"`{table}`" in TEXT["CONTRIBUTING.md"]
    assert f"{module.replace('.', '/')}.py" in TEXT["CONTRIBUTING.md"]
    assert len(getattr(import_module(module), table)) > 1


def test_hooks_are_local():
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"repo: (\S+)", text) == ["local"]


def test_workflows_are_thin_over_ci_run():
    for name in ("tests.yml", "publish.yml"):
        text = (ROOT / ".github" / "workflows" / name).read_text()
        commands = re.findall(r"- run: (.+)$", text, re.MULTILINE)
        assert len(commands) == 1
        assert commands[0].endswith(".ci/run")
    tests = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    assert all(f'"3.{minor}"' in tests for minor in (11, 12, 13))
