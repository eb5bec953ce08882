"""The epochs of a run, as far as the rows of its `metrics.jsonl` can be believed.

A row is a JSON object with an epoch; anything else in it may be missing or damaged. What is
there is shown, and nothing is made up for the rest.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Row = Mapping[str, float]
Rows = Sequence[Row]

_LARGEST = 1e30  # beyond it axes cannot be drawn, and no metric has a meaning


def tidy(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row for each epoch, in order, with nothing but numbers; of two, the later one counts."""
    kept = {}
    for row in rows:
        numbers = {name: value for name, value in row.items() if _is_number(value)}
        if "epoch" in numbers:
            kept[numbers["epoch"]] = numbers
    return [kept[epoch] for epoch in sorted(kept)]


def series(rows: Rows, field: str) -> tuple[list[float], list[float]]:
    """The epochs that have the field, and its values."""
    known = [row for row in rows if field in row]
    return [row["epoch"] for row in known], [row[field] for row in known]


def last(rows: Rows, field: str) -> float | None:
    """The field's value in the last row; None where that has none."""
    return rows[-1].get(field) if rows else None


def best(rows: Rows) -> Row | None:
    """The first row of the highest test accuracy; None where no row has one."""
    known = [row for row in rows if "test_accuracy" in row]
    return max(known, key=lambda row: row["test_accuracy"], default=None)


def seconds(rows: Rows) -> float:
    """How long the epochs took together, as far as that is known."""
    return sum(series(rows, "seconds")[1])


def images_per_second(rows: Rows) -> float | None:
    """The median epoch's; the first epoch, which compiles, only counts where it is alone."""
    _, rates = series(rows[1:] or rows, "images_per_second")
    return float(np.median(rates)) if rates else None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -_LARGEST < value < _LARGEST
