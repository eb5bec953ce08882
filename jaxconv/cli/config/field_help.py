"""What `--help` says of a config: each field's type, default, and comment in the file.

In the file a field is a line `config.group.field = value  # comment`.
"""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path
from typing import Any

from jaxconv.cli.config.added import ADDED
from jaxconv.cli.config.fields import allows_none, field_paths, owner_of
from jaxconv.cli.config.file import CONFIGS, DEFAULT_CONFIG
from jaxconv.cli.config.types import Config
from jaxconv.text import printable


def describe_fields(config: Config, path: Path) -> str:
    """One line for each field: name, type, default, and the comment beside it in the file.

    A field that the file lacks has the comment of the documented recipe.
    """
    usual = field_comments(DEFAULT_CONFIG)
    comments = {name: usual.get(name, "") for name in ADDED} | field_comments(path)
    rows = []
    for name in field_paths(config):
        group, leaf = owner_of(config, name)
        kind = group.get_type(leaf).__name__ + " or None" * allows_none(config, name)
        rows.append((f"--config.{name}", kind, _shorten(group[leaf]), comments.get(name, "")))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[3]]).rstrip() for row in rows]
    name = path.stem if path.parent == CONFIGS else printable(path)
    return "\n".join([f"fields of {name} (type, default, meaning):", *(f"  {x}" for x in lines)])


def _shorten(value: Any, length: int = 40) -> str:
    text = repr(value)
    return text if len(text) <= length else text[: length - 3] + "..."


def field_comments(path: Path) -> dict[str, str]:
    """The comment beside each line `config.group.field = value` of the Python file at `path`.

    Where the file takes another config from a neighbour (`from . import s9`) or from those that
    are installed (`from jaxconv.configs import s9`), that one's comments hold for the fields that
    `path` does not comment itself.
    """
    with tokenize.open(path) as file:
        source = file.read()
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    beside = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
    comments: dict[str, str] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            from_installed = node.module == "jaxconv.configs"
            from_neighbour = node.level == 1 or node.module == path.parent.name
            folders = [CONFIGS] * from_installed + [path.parent] * from_neighbour
            bases = [folder / f"{alias.name}.py" for folder in folders for alias in node.names]
            for base in filter(Path.is_file, bases):
                if base.resolve() != path.resolve():
                    comments = field_comments(base) | comments
        if isinstance(node, ast.Assign) and node.lineno in beside:
            _, _, name = ast.unparse(node.targets[0]).partition(".")
            comments[name] = beside[node.lineno]
    return comments
