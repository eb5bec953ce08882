"""Every block of Python in README.md and docs/ is run, page by page, in the order of the page.

A block that begins with `>>>` is a session and must print what it says; another is a program.
Where a page imports a framework that is not installed, it is skipped from there on.
"""

import ast
import doctest
import importlib.util
import re
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxconv import load_pretrained
from jaxconv.interop.files import save_state_dict
from jaxconv.interop.stablehlo import save_stablehlo
from jaxconv.interop.torch import s9_state_dict
from jaxconv.models.s9 import S9Net

ROOT = Path(__file__).resolve().parents[1]
GUESTS = ("torch",)  # what is on no list of ours
RUN_ELSEWHERE = {  # by test_guide.py and test_other_libraries.py
    ROOT / "docs" / "convolutions.md",
    ROOT / "docs" / "other_libraries.md",
}
PAGES = sorted({ROOT / "README.md", *ROOT.glob("docs/**/*.md")} - RUN_ELSEWHERE)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text("utf-8"))


WITH_PYTHON = [page for page in PAGES if blocks(page)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with images and with the files that `export` writes."""
    home = tmp_path_factory.mktemp("exported")
    for number in range(6):  # photos/a/0.png and so on
        (home / "photos" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.full((40, 50, 3), 40 * number, np.uint8))
        image.save(home / "photos" / "ab"[number % 2] / f"{number}.png")
    image.save(home / "cat.png")
    variables, _ = load_pretrained()
    save_state_dict(home / "s9_torch.safetensors", s9_state_dict(variables))

    def probabilities(images):
        logits = S9Net().apply(variables, images.astype(np.float32) / 255, train=False)
        return jax.nn.softmax(logits)

    save_stablehlo(home / "s9.stablehlo", probabilities, platforms=("cpu",))
    return home


@pytest.fixture
def folder(exported, monkeypatch):
    """The same, as the folder that one works in."""
    monkeypatch.chdir(exported)


def missing_guest(source: str) -> str | None:
    """The first framework that a block imports and that is not here."""
    names = re.findall(r"^(?:>>> )?(?:import|from) (\w+)", source, re.MULTILINE)
    return next((n for n in names if n in GUESTS and not importlib.util.find_spec(n)), None)


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_says_in_python_is_so(page, folder):
    names: dict[str, object] = {"__name__": "page"}
    for number, source in enumerate(blocks(page), start=1):
        if guest := missing_guest(source):
            pytest.skip(f"{guest} is not installed, for block {number} and what follows")
        if not source.startswith(">>>"):
            exec(compile(ast.parse(source), f"{page.name}, block {number}", "exec"), names)
            continue
        session = doctest.DocTestParser().get_doctest(source, names, page.name, str(page), 0)
        runner = doctest.DocTestRunner(verbose=False)
        told: list[str] = []
        done = runner.run(session, out=told.append, clear_globs=False)
        names.update(session.globs)
        assert done.failed == 0, "".join(told)


def test_pages_have_python_to_run():
    assert len(WITH_PYTHON) > 8
    assert sum(len(blocks(page)) for page in WITH_PYTHON) > 20
