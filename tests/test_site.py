"""The documentation site builds without a warning, works offline, and leaves nothing out."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flax.traverse_util import flatten_dict

import jaxconv
from jaxconv import cli

pytest.importorskip("sphinx", reason="the extra docs is not installed")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site: the command of the README, into another folder."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-E", "-W", "--keep-going", "-q", "docs", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return out


def text(page: Path) -> str:
    return re.sub(r"<[^>]+>", "", page.read_text("utf-8"))


def test_every_public_name_is_in_the_reference(site):
    """`objects.inv` would be compressed; the index of all names is a page."""
    index = (site / "genindex.html").read_text("utf-8")
    assert [name for name in jaxconv.__all__ if f"#jaxconv.{name}" not in index] == []


def test_every_verb_and_every_field_is_in_the_reference(site):
    verbs = (site / "reference" / "command_line.html").read_text("utf-8")
    assert [verb for verb in cli.VERBS if f'<section id="{verb}">' not in verbs] == []
    fields = re.findall(r"config\.([\w.]+) = ", (ROOT / "configs" / "s9.py").read_text("utf-8"))
    values = [name for name in fields if not any(other.startswith(f"{name}.") for other in fields)]
    assert len(values) > 15
    told = text(site / "reference" / "config.html")
    assert [name for name in values if name not in told] == []


def test_every_variable_of_s9net_has_its_name_in_pytorch(site):
    variables, _ = jaxconv.load_pretrained()
    told = text(site / "reference" / "interop.html")
    names = ["/".join(path) for path in flatten_dict(variables)]
    assert len(names) > 50
    assert [name for name in names if name not in told] == []
    assert "conv_block2.0.0.weight" in told


def test_options_keep_their_two_dashes(site):
    """Typography would make one long dash of them, which no shell takes."""
    for page in site.rglob("*.html"):
        assert re.findall(r"\u2013[a-z][\w-]*", text(page)) == [], page


def test_a_reader_can_search_for_the_words_of_the_field(site):
    index = (site / "searchindex.js").read_text("utf-8")
    terms = json.loads(re.search(r"Search\.setIndex\((.*)\)", index, re.DOTALL)[1])["terms"]
    for word in ("dilat", "adjoint", "jump", "tfd", "checkpoint", "cuda12", "wheel", "stride"):
        assert any(term.startswith(word) for term in terms), word


def test_a_page_that_loads_from_elsewhere_is_refused():
    path = ROOT / "docs" / "_sphinx" / "offline.py"
    spec = importlib.util.spec_from_file_location("offline", path)
    offline = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(offline)
    own = '<link rel="stylesheet" href="a.css"><img src="b.svg"><a href="https://example.org">'
    assert offline.foreign(own) == []
    foreign = '<script src="https://example.org/a.js"></script><img src="//example.org/b.png">'
    assert offline.foreign(foreign) == ["https://example.org/a.js", "//example.org/b.png"]


def test_pages_lead_into_the_explorer(site):
    """Where its links lead, explorer/test/docs.test.ts checks."""
    for name in ("explore", "network", "convolutions"):
        assert 'href="explorer.html#' in (site / f"{name}.html").read_text("utf-8"), name
    assert (site / "explorer.html").stat().st_size > 1_000_000
