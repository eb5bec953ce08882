"""The options of a module, as its signature and table show them: Linen's fields, NNX's arguments.

What an option means is told once in the code: by the class, by what it inherits from, or by the
function that it hands the option to.
"""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, get_type_hints

from flax import linen as nn
from flax import nnx

import jaxconv
from jaxconv.linen.module import ConvModule as LinenModule
from jaxconv.models.s9 import ROWS
from jaxconv.nnx.module import ConvModule, HalfOptions, Options

TOLD_NOWHERE = {  # by no function, as none has such an argument
    "features": "channels of the output",
    "in_features": "channels of the input",
    "out_features": "channels of the output",
    "kernel_size": "size of the kernel in pixels; an int, or one per spatial axis",
    "multiplier": "output channels of the depthwise convolution for each input channel",
    "mid_features": "channels between the halves; None for those of the output",
    "axes": "number of spatial axes, 2 for images",
    "rngs": "random numbers of the initial weights",
}
REQUIRED = object()


class Option(NamedTuple):
    name: str
    default: Any
    keyword: bool

    @property
    def text(self) -> str:
        """The default as code, empty where there is none."""
        if self.default is REQUIRED:
            return ""
        if self.name == "kernel_init":
            return "torch_kernel_init"
        if self.default is ROWS:
            return "ROWS"
        return getattr(self.default, "__name__", None) or repr(self.default)


def options_of(module: type) -> list[Option]:
    """All options, those by place before those by name."""
    found = list(_fields(module) if issubclass(module, nn.Module) else _arguments(module))
    return sorted(found, key=lambda option: option.keyword)


def _fields(module: type) -> Iterator[Option]:
    for field in dataclasses.fields(module):
        if field.init and field.name not in ("parent", "name"):
            given = field.default is not dataclasses.MISSING
            yield Option(field.name, field.default if given else REQUIRED, bool(field.kw_only))


def _arguments(module: type) -> Iterator[Option]:
    shared = inspect.signature(ConvModule.__init__).parameters
    for name, argument in list(inspect.signature(module.__init__).parameters.items())[1:]:
        if argument.kind is not argument.VAR_KEYWORD:
            given = argument.default is not argument.empty
            keyword = argument.kind is argument.KEYWORD_ONLY
            yield Option(name, argument.default if given else REQUIRED, keyword)
            continue
        (kind,) = argument.annotation.__args__  # of Unpack[Options]
        for more in get_type_hints(kind):
            yield Option(more, shared[more].default, True)


def signature(module: type) -> str:
    """The signature with the defaults, names for functions in the place of their addresses."""
    parts, keyword = [], False
    for option in options_of(module):
        if option.keyword and not keyword:
            parts.append("*")
            keyword = True
        parts.append(f"{option.name}={option.text}" if option.text else option.name)
    return f"({', '.join(parts)})"


def meanings(module: type) -> dict[str, str]:
    """What each option means, the nearest to the module last."""
    function = re.sub(r"(?<!^)(?=[A-Z])", "_", module.__name__).lower()
    sources = [getattr(jaxconv, function, None)]
    sources += [HalfOptions, Options] if issubclass(module, nnx.Module) else []
    sources += reversed(module.__mro__)
    told = dict(TOLD_NOWHERE)
    for source in filter(None, sources):
        inherited = inspect.isclass(source) and "__doc__" not in vars(source)
        doc = "" if inherited else source.__doc__ or ""
        told |= section(doc, "Args") | section(doc, "Attributes")
        told |= plain_entries(doc) if source in (HalfOptions, Options) else {}
    return told


def common_meanings(module: type) -> dict[str, str]:
    """What all convolution modules share; empty for a module of another kind."""
    if module.__module__ == "jaxconv.linen.convolutions":
        return section(LinenModule.__doc__ or "", "Attributes")
    if module.__module__ == "jaxconv.nnx.convolutions":
        return plain_entries(Options.__doc__ or "") | plain_entries(HalfOptions.__doc__ or "")
    return {}


def section(doc: str, title: str) -> dict[str, str]:
    """The entries of a docstring's section: name -> text."""
    _, found, text = inspect.cleandoc(doc).partition(f"{title}:\n")
    body = text.partition("\n\n")[0] if found else ""
    return plain_entries("\n".join(line.removeprefix("    ") for line in body.splitlines()))


def plain_entries(text: str) -> dict[str, str]:
    """Entries `name: text` or `name, name: text`, which go on in indented lines."""
    entries: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(text).splitlines():
        if found := re.match(r"(\w+(?:, \w+)*): (.*)$", line):
            names = found[1].split(", ")
            entries |= dict.fromkeys(names, found[2])
        elif line.startswith(" "):
            entries |= {name: f"{entries[name]} {line.strip()}" for name in names}
        else:
            names = []
    return entries
