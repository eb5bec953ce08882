"""A network as a table of rows, and the same table as JSON."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from flax import linen as nn
from flax.core import FrozenDict

from jaxconv.linen.convolutions import (
    Conv,
    DepthwiseConv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
    SpatiallySeparableConv,
    TransposeConv,
)

CONVOLUTIONS: Mapping[str, type[nn.Module]] = {
    module.__name__: module
    for module in (
        Conv,
        DepthwiseConv,
        DepthwiseSeparableConv,
        DilatedConv,
        PointwiseConv,
        SpatiallySeparableConv,
        TransposeConv,
    )
}
"""What a row may be made of, by name."""
MOST_ROWS = 1000  # to trace so many takes some seconds


class Row(NamedTuple):
    """One block of a network: conv -> ReLU -> BatchNorm -> Dropout, 3x3, padding 1, no bias.

    `options` are those of the module, and override the 3x3 kernel and the padding of 1.
    """

    conv: type[nn.Module]
    features: int
    options: Mapping[str, Any] = FrozenDict()
    residual: bool = False  # x + block(x): the shape must not change

    def frozen(self) -> "Row":
        """The row with options that can be hashed, as a module's fields must be."""
        return self._replace(options=_frozen(self.options))


def rows_to_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The table as lists, dicts, texts and numbers, for a config, a run or the card of weights.

    Raises:
        ValueError: a convolution that is not the package's, or an option that JSON cannot hold.

    Example:
        >>> rows_to_json([Row(DilatedConv, 32, {"stride": (2, 1)})])
        [{'conv': 'DilatedConv', 'features': 32, 'options': {'stride': [2, 1]}, 'residual': False}]
    """
    entries = []
    for number, row in enumerate(rows, start=1):
        name = row.conv.__name__
        if CONVOLUTIONS.get(name) is not row.conv:
            raise ValueError(f"row {number}: {name} is none of {', '.join(CONVOLUTIONS)}")
        options = {key: _to_json(number, key, value) for key, value in row.options.items()}
        entries.append(
            {"conv": name, "features": row.features, "options": options, "residual": row.residual}
        )
    return entries


def rows_from_json(entries: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """The inverse of `rows_to_json`; `options` and `residual` may be left out.

    Raises:
        ValueError: an entry is not a row; the message names it and says what was expected.

    Example:
        >>> rows_from_json([{"conv": "Conv", "features": 32}])[0].features
        32
    """
    if isinstance(entries, str) or not isinstance(entries, Sequence):
        raise ValueError(f"rows: expected a list of rows, got {entries!r}")
    if len(entries) > MOST_ROWS:
        raise ValueError(f"rows: expected at most {MOST_ROWS}, got {len(entries)}")
    return tuple(_row(number, entry) for number, entry in enumerate(entries, start=1))


def _row(number: int, entry: Any) -> Row:
    if not isinstance(entry, Mapping) or not {"conv", "features"} <= set(entry):
        raise ValueError(f"row {number}: expected an object with conv and features, got {entry!r}")
    extra = set(entry) - set(Row._fields)
    if extra:
        raise ValueError(f"row {number}: no {extra.pop()!r}; a row has {', '.join(Row._fields)}")
    name, features = entry["conv"], entry["features"]
    if not isinstance(name, str) or name not in CONVOLUTIONS:
        raise ValueError(f"row {number}: conv {name!r} is none of {', '.join(CONVOLUTIONS)}")
    if type(features) is not int or features < 1:
        raise ValueError(f"row {number}: features must be a whole number above 0, got {features!r}")
    residual = entry.get("residual", False)
    if type(residual) is not bool:
        raise ValueError(f"row {number}: residual must be true or false, got {residual!r}")
    options = entry.get("options", {})
    if not isinstance(options, Mapping):
        raise ValueError(f"row {number}: options must be an object, got {options!r}")
    known = _options_of(CONVOLUTIONS[name])
    for key in options:
        if key not in known:
            raise ValueError(f"row {number}: {name} has no option {key!r}, but {', '.join(known)}")
    return Row(CONVOLUTIONS[name], features, _frozen(options), residual)


_NOT_IN_A_ROW = ("features", "dtype", "param_dtype", "kernel_init", "bias_init", "parent", "name")


def _options_of(module: type[nn.Module]) -> list[str]:
    return [name for name in inspect.signature(module).parameters if name not in _NOT_IN_A_ROW]


def _to_json(number: int, key: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_to_json(number, key, part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"row {number}: option {key}={value!r} cannot be written as JSON")


def _frozen(options: Mapping[str, Any]) -> FrozenDict:
    return FrozenDict({name: _tuples(value) for name, value in options.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
