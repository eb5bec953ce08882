"""Docstrings as they stand in the code, made into what autodoc and napoleon read.

The code writes plain text: a formula is an indented block, and `names` are in single backticks.
Here the block becomes a literal block, the backticks stay links where they name something
documented, and the options of a module become its signature and a table with defaults.
"""

import inspect
import re
from collections.abc import Iterable, Mapping

from flax import linen as nn
from flax import nnx
from options import Option, common_meanings, meanings, options_of, signature
from sphinx.application import Sphinx

SECTION = re.compile(r"^(Args|Returns|Raises|Attributes|Example|Cost|Source|Variables):$")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process_docstring, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", process_signature)
    return {"parallel_read_safe": True}


def process_docstring(app, what, name, obj, options, lines: list[str]) -> None:
    if is_module(obj) and options_of(obj):
        told = without_section(without_section(lines, "Attributes"), "Args")
        lines[:] = as_rst(told) + option_table(obj)
    else:
        lines[:] = as_rst(lines)


def process_signature(app, what, name, obj, options, given, returns):
    if is_module(obj):
        return signature(obj), None
    return plain(given), plain(returns)


def plain(signature: str | None) -> str | None:
    """Functions by their names, and arrays by the public name of their class."""
    named = re.sub(r"<function (\w+)[^>]*>", r"\1", signature or "")
    return named.replace("jaxlib._jax.Array", "jax.Array") or None


def is_module(obj: object) -> bool:
    return inspect.isclass(obj) and issubclass(obj, nn.Module | nnx.Module)


def as_rst(lines: list[str]) -> list[str]:
    """Puts `::` before blocks that no section explains, and escapes the stars of prose.

    A block is indented further than the paragraph above it. Stars are products and axes here,
    never emphasis.
    """
    done: list[str] = []
    heading, literal = None, False  # the section that we are in; whether in a block
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        if line and not line.startswith(" "):
            heading, literal = SECTION.match(line), False
        if indented and not heading and number and not lines[number - 1].strip() and not literal:
            literal = True
            done += [".. code-block:: text", ""]
        code = literal or (heading and heading[1] == "Example")
        done.append(line if code else escaped(line))
    return done


def escaped(line: str) -> str:
    parts = line.split("`")
    parts[::2] = [part.replace("*", r"\*") for part in parts[::2]]
    return "`".join(parts)


def without_section(lines: list[str], title: str) -> list[str]:
    kept, skipping = [], False
    for line in lines:
        if line and not line.startswith(" "):
            skipping = line == f"{title}:"
        if not skipping:
            kept.append(line)
    return kept


def option_table(module: type) -> list[str]:
    """The options that are the module's own; those that all modules share stand once a page."""
    told, common = meanings(module), common_meanings(module)
    own = [each for each in options_of(module) if common.get(each.name, "") != told.get(each.name)]
    for option in own:
        if option.name not in told:
            raise ValueError(f"{module.__name__}.{option.name}: no docstring tells what it is")
    rest = ["The other options are the `common ones <#common-options>`__.", ""] if common else []
    return [*table(own, told), *rest]


def table(options: Iterable[Option], told: Mapping[str, str]) -> list[str]:
    rows = ["", ".. list-table::", "   :header-rows: 1", "   :widths: 22 22 56", ""]
    rows += ["   * - option", "     - default", "     - meaning"]
    for option in options:
        rows.append(f"   * - ``{option.name}``")
        rows.append(f"     - ``{option.text}``" if option.text else "     - required")
        rows.append(f"     - {escaped(told[option.name])}")
    return [*rows, ""]
