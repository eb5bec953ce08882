"""Directives whose content is read from the program: config fields, verbs, transforms.

```{config-fields}        every field of configs/s9.py: type, default, meaning, what it takes
```{configs}              the installed configs side by side
```{recipe-transforms}    the augmentation of configs/s9.py
```{common-options} linen  the options that all convolution modules share; or nnx
```{verbs}                every verb: what it does, how it is called, its options
```{transforms}           the transforms of both engines, with their arguments and defaults
```{s9-names}             the names in a PyTorch state dict of S9Net
"""

import argparse
import ast
import pprint
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from docstrings import escaped
from docutils import nodes
from docutils.parsers.rst import Directive
from flax.traverse_util import flatten_dict, unflatten_dict
from options import common_meanings, options_of
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from jaxconv.augment.arguments import REQUIRED, TRANSFORMS
from jaxconv.augment.device import ONLY
from jaxconv.cli.config.field_help import field_comments
from jaxconv.cli.config.fields import RULES, allows_none, field_paths, get_field
from jaxconv.cli.config.file import load_config
from jaxconv.cli.program import all_parsers
from jaxconv.interop.torch import s9_state_dict
from jaxconv.linen import convolutions as linen
from jaxconv.linen.module import ConvModule
from jaxconv.nnx import convolutions as nnx
from jaxconv.weights.pretrained import load_pretrained

ROOT = Path(__file__).resolve().parents[2]
FIELDS_FROM = ROOT / "configs" / "s9.py"


def setup(app: Sphinx) -> dict[str, bool]:
    directives: dict[str, type[Directive]] = {
        "config-fields": ConfigFields,
        "configs": Configs,
        "recipe-transforms": RecipeTransforms,
        "common-options": CommonOptions,
        "verbs": Verbs,
        "transforms": Transforms,
        "s9-names": S9Names,
    }
    for name, directive in directives.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True}


class Generated(SphinxDirective):
    """Markdown that `lines` makes, read as part of the page that names the directive."""

    def lines(self) -> Iterator[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(__file__)
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)


class ConfigFields(Generated):
    def lines(self) -> Iterator[str]:
        config, told = load_config(FIELDS_FROM), field_comments(FIELDS_FROM)
        for name in field_paths(config):
            if name not in told:
                raise ValueError(f"{FIELDS_FROM}: config.{name} has no comment that explains it")
            *groups, leaf = name.split(".")
            group = get_field(config, ".".join(groups)) if groups else config
            kind = group.get_type(leaf).__name__ + " or None" * allows_none(config, name)
            shown = repr(group[leaf])
            default = f"`{shown}`" if len(shown) < 60 else "[that of s9](#transforms-of-s9)"
            takes = f" Takes {RULES[name].expected}." if name in RULES else ""
            yield from (f"`{name}`", f": {kind}, default {default}.", "")
            yield from (f"  {sentence(told[name])}{takes}", "")


class Configs(Generated):
    """The installed configs side by side: what each is for, and the fields that differ."""

    def lines(self) -> Iterator[str]:
        paths = sorted(FIELDS_FROM.parent.glob("[!_]*.py"), key=lambda path: len(path.stem))
        configs = [load_config(path) for path in paths]
        for path in paths:
            purpose = ast.get_docstring(ast.parse(path.read_text("utf-8")))
            yield from (f"`{path.stem}`", f": {purpose.partition(chr(10))[0]}", "")
        names = [name for name in field_paths(configs[0]) if _differs(name, configs)]
        brief = [name for name in names if name not in SHORT]
        groups = [name.rpartition(".")[0] for name in brief]  # a table each
        tables = [
            [name for name, its in zip(brief, groups, strict=True) if its == group]
            for group in sorted(set(groups))
        ]
        for columns in (*tables, list(SHORT)):
            yield from ("", *row("config", *(f"`{name}`" for name in columns)))
            yield "|---" * (len(columns) + 1) + "|"
            for path, config in zip(paths, configs, strict=True):
                values = ((name, get_field(config, name)) for name in columns)
                cells = (SHORT.get(name, shown)(value) for name, value in values)
                yield from row(f"`{path.stem}`", *cells)


def _differs(name: str, configs: Sequence[Any]) -> bool:
    values = [get_field(config, name) for config in configs]
    return any(value != values[0] for value in values)


class RecipeTransforms(Generated):
    def lines(self) -> Iterator[str]:
        yield "```python"
        yield from pprint.pformat(
            load_config(FIELDS_FROM).augment.transforms, width=76, sort_dicts=False
        ).splitlines()
        yield "```"


class CommonOptions(Generated):
    """The options that the convolutions of `linen` or `nnx` share."""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        told = common_meanings({"linen": linen.Conv, "nnx": nnx.Conv}[self.arguments[0]])
        yield from row("option", "default", "meaning")
        yield "|---|---|---|"
        for option in options_of(ConvModule):  # NNX has the same defaults
            yield from row(f"`{option.name}`", f"`{option.text}`", escaped(told[option.name]))


class Verbs(Generated):
    def lines(self) -> Iterator[str]:
        for name, parser in all_parsers().items():
            yield from (f"## {name}", "", flags_as_code(parser.description), "")
            yield from ("```text", usage(name, parser), "```", "")
            yield from options(parser)


class Transforms(Generated):
    def lines(self) -> Iterator[str]:
        yield from row("transform", "argument", "default", "on the device")
        yield "|---|---|---|---|"
        for name, arguments in TRANSFORMS.items():
            for number, (argument, (default, _)) in enumerate(arguments.items()):
                if argument.startswith(("fill_mask", "mask_")):
                    continue  # images have no masks here
                only = ONLY.get(name, {})
                device = f"only {code(only[argument])}" if argument in only else "all"
                given = "required" if default is REQUIRED else code(default)
                first = "" if number else code(name, quote=False)
                yield from row(first, code(argument, quote=False), given, device)


class S9Names(Generated):
    def lines(self) -> Iterator[str]:
        variables, _ = load_pretrained()
        yield from row("name in PyTorch", "shape there", "variable of S9Net")
        yield "|---|---|---|"
        arrays = flatten_dict(variables, sep="/")
        names = list(arrays)
        # Each variable is filled with its own number, so that it can be told in the state dict. A
        # float, since a state dict leaves integers out as counters.
        filled = {name: np.full(arrays[name].shape, float(names.index(name))) for name in names}
        for name, array in s9_state_dict(unflatten_dict(filled, sep="/")).items():
            if name.endswith("num_batches_tracked"):
                continue
            shape = " x ".join(map(str, array.shape))
            yield from row(f"`{name}`", shape, f"`{names[int(array.flat[0])]}`")


def shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if type(value) is int else str(value)


def transform_names(transforms: Sequence[tuple[str, Any]]) -> str:
    return ", ".join(name for name, _ in transforms)


def row_counts(rows: Sequence[Mapping[str, Any]] | None) -> str:
    counts = Counter(row["conv"] for row in rows or ())
    return ", ".join(f"{count} {conv}" for conv, count in counts.items()) or "those of S9Net"


SHORT = {"augment.transforms": transform_names, "model.rows": row_counts}


def usage(name: str, parser: argparse.ArgumentParser) -> str:
    places = [action.metavar for action in parser._actions if not action.option_strings]
    if name == "train":
        places.append("--config NAME")
    words = ["jaxconv", name, *places, "[options]" * (len(parser._actions) > 1 + len(places))]
    words.append("[--config.FIELD=VALUE ...]" * getattr(parser, "takes_fields", False))
    return " ".join(filter(None, words))


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    shown = [action for action in parser._actions if "--help" not in action.option_strings]
    if not shown:
        yield from ("It takes no options.", "")
        return
    yield from row("option", "meaning")
    yield "|---|---|"
    for action in shown:
        value = action.metavar or "|".join(action.choices or ())
        value = "" if action.nargs == 0 else value
        name = max(action.option_strings, key=len, default="")
        if not value and action.nargs != 0:
            raise ValueError(f"{name}: nothing tells what its value is; give it a metavar")
        yield from row(code(f"{name} {value}".strip(), quote=False), sentence(action.help))
    if getattr(parser, "takes_fields", False):
        yield from row(
            "`--config.FIELD=VALUE`", "Overrides a field of the config: [config](config.md)."
        )
    yield ""


def row(*cells: str) -> Iterator[str]:
    yield "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells) + " |"


def code(value: object, *, quote: bool = True) -> str:
    return f"`{value!r}`" if quote else f"`{value}`"


def flags_as_code(text: str | None) -> str:
    """`--workdir` in backticks; as prose its two dashes would become a long one."""
    return re.sub(r"(?<![`\w-])--[a-z][\w.-]*", r"`\g<0>`", text or "")


def sentence(text: str | None) -> str:
    text = flags_as_code((text or "").strip())
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
