"""The file a config comes from: one that is installed, by its name, or any, by its path.

A config file is Python with `get_config() -> ml_collections.ConfigDict`. It may import its
neighbours, as in `from . import s9`.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import os
import sys
import traceback
import types
from collections.abc import Iterator
from pathlib import Path

from jaxconv.cli.config.added import complete
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.types import Config
from jaxconv.text import nearest, one_line

_PACKAGE = Path(__file__).resolve().parents[2]
_PLACES = (_PACKAGE / "configs", _PACKAGE.parent / "configs")  # as installed, and in a checkout
CONFIGS = next((place for place in _PLACES if (place / "s9.py").is_file()), _PLACES[0])
DEFAULT_CONFIG = CONFIGS / "s9.py"


def config_path(text: str) -> Path:
    """The file that `text` names: an installed config by its name alone, else a path.

    Raises:
        ConfigError: neither is there.
    """
    if text.isidentifier():
        path = CONFIGS / f"{text}.py"
        if path.is_file() and not text.startswith("_"):
            return path
        near = nearest(text, _names(CONFIGS))
        hint = f"did you mean {near}?" if near else f"expected {', '.join(_names(CONFIGS))}"
        raise ConfigError(f"--config {text}: no config of this name, and not a .py file; {hint}")
    path = Path(text)
    if not os.path.isfile(path):  # these two are False, too, of what can't be a path
        beside = _names(path.parent) if os.path.isdir(path.parent) else []
        near = nearest(path.name, [f"{name}.py" for name in beside])
        hint = f"did you mean {path.with_name(near)}?" if near else "name a Python file"
        if path.stem in _names(CONFIGS):
            hint = f"did you mean {path.stem}, which is installed?"
        raise ConfigError(f"--config {text}: no such file; {hint}")
    return path


def _names(folder: Path) -> list[str]:
    """The configs in a folder."""
    return sorted(file.stem for file in folder.glob("[!_]*.py"))


def load_config(path: Path) -> Config:
    """Runs the config file at `path` and returns what its `get_config` returns, completed.

    Raises:
        ConfigError: it fails, or it has no `get_config` that returns a ConfigDict.
    """
    from ml_collections import ConfigDict

    if path.suffix != ".py":
        raise ConfigError(f"--config {path}: not a Python file; its name must end in .py")
    try:
        with _as_module(path) as module:
            if not callable(getattr(module, "get_config", None)):
                raise ConfigError(f"--config {path}: it has no function get_config(); define one")
            config = module.get_config()
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"--config {path}: {_failure(error, path)}; correct it") from error
    if not isinstance(config, ConfigDict):
        given = type(config).__name__
        raise ConfigError(f"--config {path}: get_config() returned {given}; return a ConfigDict")
    return complete(config)


@contextlib.contextmanager
def _as_module(path: Path) -> Iterator[types.ModuleType]:
    """The file, run as a module of a package that is its folder; nothing of it stays imported.

    Meanwhile the project that it lies in, and the folder of now, can be imported from.
    """
    package = types.ModuleType("_jaxconv_configs")
    package.__path__ = [str(path.parent.resolve())]
    name = f"{package.__name__}.{path.stem.replace('.', '_')}"
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.machinery.ModuleSpec(name, loader, origin=str(path))
    spec.has_location = True
    before, sys_path = set(sys.modules), list(sys.path)
    places = [str(_project_of(path.resolve())), ""]  # that is the folder of now, if there is one
    try:
        sys.modules[package.__name__] = package
        sys.path[:0] = places
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = sys_path
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == package.__name__:
                del sys.modules[name]


def _project_of(path: Path) -> Path:
    """The folder from which the packages around a file are imported."""
    return next(folder for folder in path.parents if not (folder / "__init__.py").is_file())


def _failure(error: Exception, path: Path) -> str:
    """Which line of the file raised `error`, and what it said, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    lines += [error.lineno] if isinstance(error, SyntaxError) else []
    place = f"line {lines[-1]}" if lines else "it"
    return f"{place} fails with {type(error).__name__}: {one_line(error, longest=1000)}"
