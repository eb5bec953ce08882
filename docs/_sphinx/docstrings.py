"""Docstrings as they stand in the code, made into what autodoc and napoleon read.

The code writes plain text: a formula is an indented block, `names` are in single backticks, and a
Linen module tells its options as dataclass fields. Here the block becomes a literal block, the
backticks stay links where they name something documented, and the fields become the signature
and a table with defaults.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable

from flax import linen as nn
from sphinx.application import Sphinx

import jaxconv

SECTION = re.compile(r"^(Args|Returns|Raises|Attributes|Example|Cost|Source|Variables):$")
COMMON = {  # what the functions' docstrings do not tell, as they have no such argument
    "features": "channels of the output",
    "kernel_size": "pixels of the kernel; an int, or one for each axis of space",
    "multiplier": "output channels of the depthwise half for each input channel",
    "mid_features": "channels between the halves; None for `features`",
}


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process_docstring, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", process_signature)
    return {"parallel_read_safe": True}


def process_docstring(app, what, name, obj, options, lines: list[str]) -> None:
    if is_module(obj) and fields_of(obj):
        lines[:] = as_rst(without_section(lines, "Attributes")) + field_table(obj)
    else:
        lines[:] = as_rst(lines)


def process_signature(app, what, name, obj, options, signature, returns):
    if is_module(obj):
        return linen_signature(obj), None
    return (re.sub(r"<function (\w+)[^>]*>", r"\1", signature) if signature else signature), returns


def is_module(obj: object) -> bool:
    return inspect.isclass(obj) and issubclass(obj, nn.Module)


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
            done += ["::", ""]
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


def section(doc: str, title: str) -> dict[str, str]:
    """The entries of a docstring's section: name -> text."""
    lines = inspect.cleandoc(doc).splitlines()
    if f"{title}:" not in lines:
        return {}
    entries: dict[str, str] = {}
    for line in lines[lines.index(f"{title}:") + 1 :]:
        if line and not line.startswith(" "):
            break
        if found := re.match(r"^    ([\w, ]+): (.*)$", line):
            names, text = found.groups()
            current = names.split(", ")
            entries |= dict.fromkeys(current, text)
        elif line.strip():
            entries |= {name: f"{entries[name]} {line.strip()}" for name in current}
    return entries


def fields_of(module: type) -> list[dataclasses.Field]:
    return [f for f in dataclasses.fields(module) if f.init and f.name not in ("parent", "name")]


def function_of(module: type) -> Callable | None:
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", module.__name__).lower()
    return getattr(jaxconv, snake, None)


def meanings(module: type) -> dict[str, str]:
    """What each field means: from the function of the same name, then from the classes."""
    told = dict(COMMON)
    function = function_of(module)
    told |= section(function.__doc__, "Args") if function else {}
    for base in reversed(module.__mro__):
        if "__doc__" in vars(base) and base.__doc__:
            told |= section(base.__doc__, "Attributes")
    return told


def default_of(field: dataclasses.Field) -> str:
    if field.default is dataclasses.MISSING:
        return "" if field.default_factory is dataclasses.MISSING else "..."
    value = field.default
    return getattr(value, "__name__", None) or repr(value)


def default_text(field: dataclasses.Field) -> str:
    if field.name == "kernel_init":
        return "torch_kernel_init"
    return default_of(field)


def linen_signature(module: type) -> str:
    parts, keyword = [], False
    for field in fields_of(module):
        if field.kw_only and not keyword:
            parts.append("*")
            keyword = True
        default = default_text(field)
        parts.append(f"{field.name}={default}" if default else field.name)
    return f"({', '.join(parts)})"


def field_table(module: type) -> list[str]:
    told = meanings(module)
    rows = ["", ".. list-table::", "   :header-rows: 1", "   :widths: 22 22 56", ""]
    rows += ["   * - field", "     - default", "     - meaning"]
    for field in fields_of(module):
        if field.name not in told:
            raise ValueError(f"{module.__name__}.{field.name}: no docstring tells what it is")
        default = default_text(field)
        rows.append(f"   * - ``{field.name}``")
        rows.append(f"     - ``{default}``" if default else "     - required")
        rows.append(f"     - {escaped(told[field.name])}")
    return [*rows, ""]
