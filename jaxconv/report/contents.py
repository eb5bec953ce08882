"""What the report says: each function gives plain values, which the template sets in HTML."""

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxconv.report import figures, measures, style
from jaxconv.report.history import Rows, best, images_per_second, last, seconds
from jaxconv.report.results import Results
from jaxconv.runs.run_dir import flatten

NONE = "-"  # in the place of a number that nobody knows


class Picture(NamedTuple):
    """An image in the page: its bytes as an address, and words for it."""

    source: str
    words: str


class Cell(NamedTuple):
    """A count of the confusion matrix, and how it is coloured."""

    examples: int
    kind: str  # the classes of its style
    strength: float
    note: str


def headline(results: Results, rows: Rows, environment: Mapping[str, Any]) -> dict[str, Any]:
    """The accuracy, on what, where, and four facts."""
    name, rate = results.dataset_name, images_per_second(rows)
    device = flatten(environment)
    known = [device.get(f"device.{part}", "unknown") for part in ("count", "kind", "backend")]
    return {
        "accuracy": f"{100 * results.accuracy:.2f} %",
        "lead": f"test accuracy on the {len(results.test_labels):,} test images of {name}, "
        f"after {_epochs(results.epoch)}.",
        "origin": f"Data set: {name}, {results.dataset_reason}. "
        f"Device: {known[0]} x {known[1]} ({known[2]}).",
        "facts": [
            (f"{results.parameters:,}", "parameters"),
            (_duration(seconds(rows)), f"for {_epochs(len(rows))}"),
            (f"{rate:,.0f}" if rate is not None else NONE, "training images per second"),
            (f"{100 * results.calibration_error:.1f} %", "calibration error"),
        ],
    }


def highest(rows: Rows) -> str:
    """The best epoch in a sentence; "" where no accuracy is known."""
    row = best(rows)
    if row is None:
        return ""
    accuracy = f"{row['test_accuracy']:.2f} %, at epoch {row['epoch']}"
    return f"The highest test accuracy on the way was {accuracy}."


def chart(rows: Rows, panel: str) -> Picture:
    """A panel of `figures.PANELS` over the epochs."""
    kind = figures.PANELS[panel]
    ends = [last(rows, curve.field) for curve in kind.curves]
    told = [
        f"{curve.name} {end:.6g}".strip()
        for curve, end in zip(kind.curves, ends, strict=True)
        if end is not None
    ]
    at_the_end = f"; at the end {', '.join(told)}" if told else ""
    return _svg(figures.curve(rows, panel), f"{kind.name} by epoch{at_the_end}")


def class_by_class(results: Results) -> list[dict[str, str]]:
    """For each class its accuracy and precision, and which other it is mostly taken for."""
    matrix, names = results.matrix, results.class_names
    recall, precision = measures.recall(matrix), measures.precision(matrix)
    rows = []
    for index, name in enumerate(names):
        others = np.where(np.arange(len(names)) == index, 0, matrix[index])
        rows.append(
            {
                "name": name,
                "share": f"{np.nan_to_num(recall[index]):.1%}",
                "accuracy": _percent(recall[index]),
                "precision": _percent(precision[index]),
                "taken_for": f"{names[int(others.argmax())]} ({others.max()})"
                if others.any()
                else NONE,
            }
        )
    return rows


def confusion(results: Results) -> list[tuple[str, list[Cell]]]:
    """The confusion matrix: for each correct class its name and the counts of the outputs."""
    matrix, names = results.matrix, results.class_names
    hits, mistakes = measures.confusion_shades(matrix)

    def cell(row: int, column: int) -> Cell:
        count = int(matrix[row, column])
        tone = "full" if hits[row, column] > 0.85 else "" if count else "none"
        return Cell(
            count,
            f"{'hit' if row == column else 'miss'} {tone}".strip(),
            hits[row, column] + mistakes[row, column],
            f"{names[row]} taken for {names[column]}: {count}",
        )

    return [
        (name, [cell(row, column) for column in range(len(names))])
        for row, name in enumerate(names)
    ]


def mistakes(results: Results) -> dict[str, Any]:
    """The first, the most confident and the nearly made mistakes, with probabilities."""
    probabilities, labels, names = results.probabilities, results.test_labels, results.class_names
    wrong = np.flatnonzero(results.outputs != labels)
    second = np.argsort(-probabilities, axis=1, kind="stable")[:, 1]

    def told(index: int, choice: int) -> str:
        return f"{names[choice]} ({_percent(probabilities[index, choice])})"

    def caption(index: int) -> str:
        label, output = labels[index], results.outputs[index]
        if label == output:
            return f"Right: {told(index, label)}\nNext: {told(index, second[index])}"
        return f"Correct: {told(index, label)}\nOutput: {told(index, output)}"

    def tiles(indices: np.ndarray) -> list[Picture]:
        return [_png(results.test_images[index], caption(index)) for index in indices]

    return {
        "count": f"{len(wrong):,} of {len(labels):,} test images are misclassified.",
        "first": tiles(wrong[:10]),
        "confident": tiles(measures.most_confident_mistakes(probabilities, labels, count=10)),
        "hesitant": tiles(measures.least_confident_hits(probabilities, labels, count=10)),
    }


def calibration(results: Results) -> Picture:
    """How far confidence can be believed, drawn and in words."""
    words = (
        "Of the images given 80 % confidence, 80 % should be right: bars on the dashed line. "
        "The mean distance from it, the calibration error, is "
        f"{100 * results.calibration_error:.1f} percentage points."
    )
    return _svg(figures.calibration(results.probabilities, results.test_labels), words)


def samples(results: Results) -> list[Picture]:
    """Labelled training images, the classes in turn."""
    labels, names = results.train_labels, results.class_names
    chosen = measures.one_of_each(labels, count=20)
    return [_png(results.train_images[index], names[int(labels[index])]) for index in chosen]


def augmentations(results: Results) -> list[Picture]:
    """One training image under each augmentation."""
    return [_png(image, name) for name, image in results.augmentations]


_EPOCH_COLUMNS = {
    "epoch": ("Epoch", "{}"),
    "train_loss": ("Train loss", "{:.4f}"),
    "train_accuracy": ("Train %", "{:.2f}"),
    "test_loss": ("Test loss", "{:.4f}"),
    "test_accuracy": ("Test %", "{:.2f}"),
    "seconds": ("Seconds", "{:.1f}"),
    "images_per_second": ("Images/s", "{:,.0f}"),
}


def epoch_table(rows: Rows) -> tuple[list[str], list[list[str]]]:
    """Every epoch in numbers: the head of the table, and its rows."""
    head = [name for name, _ in _EPOCH_COLUMNS.values()]
    body = [
        [form.format(row[field]) if field in row else NONE
         for field, (_, form) in _EPOCH_COLUMNS.items()]
        for row in rows
    ]  # fmt: skip
    return head, body


def fields(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A JSON object as dotted names and values."""
    return [(name, _plain(value)) for name, value in flatten(values).items()]


def _plain(value: Any) -> str:
    """Shows a JSON value; a list of lists, such as a pipeline, has a line for each."""
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        return "\n".join(json.dumps(item, ensure_ascii=False) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _svg(figure: Any, words: str) -> Picture:
    return Picture(_address(style.svg(figure), "image/svg+xml"), words)


def _png(image: np.ndarray, words: str) -> Picture:
    return Picture(_address(style.png(image), "image/png"), words)


def _address(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _percent(share: float) -> str:
    """Formats a share; a no-break space keeps number and sign on one line."""
    return NONE if np.isnan(share) else f"{100 * share:.1f}\u00a0%"


def _epochs(count: int) -> str:
    return f"{count} epoch" if count == 1 else f"{count} epochs"


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, whole = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole} s" if minutes else f"{seconds:.1f} s"
