"""The sections of the report, each a function of results or metrics rows that returns HTML."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxconv.report import figures, measures
from jaxconv.report.page import Markup, element, image, join, section, table, zoomable
from jaxconv.report.results import Results
from jaxconv.runs import run_dir

Rows = Sequence[Mapping[str, Any]]


def class_by_class(results: Results) -> Markup:
    """Accuracy and precision of each class, and the confusion matrix as a table."""
    matrix, names = results.matrix, results.class_names
    recall, precision = measures.recall(matrix), measures.precision(matrix)
    rows = []
    for index, name in enumerate(names):
        others = np.where(np.arange(len(names)) == index, 0, matrix[index])
        taken_for = f"{names[others.argmax()]} ({others.max()})" if others.any() else "-"
        bar = element("span", class_="bar", style=f"--share: {np.nan_to_num(recall[index]):.1%}")
        rows.append(
            (name, join((bar, _percent(recall[index]))), _percent(precision[index]), taken_for)
        )
    header = ("Class", "Accuracy", "Precision", "Mostly taken for")
    return section(
        "Class by class",
        table(header, rows, numeric={2}),
        element("h3", "Confusion matrix"),
        element(
            "p",
            "Rows are the correct class, columns the output. Shades are shares of a row: blue for "
            "hits, orange for mistakes, the latter relative to the largest.",
        ),
        _confusion(matrix, names),
    )


def _confusion(matrix: np.ndarray, names: Sequence[str]) -> Markup:
    hits, mistakes = measures.confusion_shades(matrix)

    def cell(row: int, column: int) -> Markup:
        count, kind = matrix[row, column], "hit" if row == column else "miss"
        strength = hits[row, column] + mistakes[row, column]
        tone = " full" if hits[row, column] > 0.85 else "" if count else " none"
        note = f"{names[row]} taken for {names[column]}: {count}"
        return element(
            "td", count, class_=kind + tone, style=f"--strength: {strength:.3f}", title=note
        )

    head = element("tr", element("td"), *(element("th", name, title=name) for name in names))
    body = (
        element("tr", element("th", name, title=name), *(cell(row, c) for c in range(len(names))))
        for row, name in enumerate(names)
    )
    columns = element("colgroup", *(element("col") for _ in range(len(names) + 1)))
    inner = element(
        "table", columns, element("thead", head), element("tbody", *body), class_="confusion"
    )
    return element("div", inner, class_="scroll")


def mistakes(results: Results) -> Markup:
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

    def tiles(indices: np.ndarray) -> Markup:
        images = [results.test_images[i] for i in indices]
        return _tiles(images, [caption(i) for i in indices], large=True)

    confident = measures.most_confident_mistakes(probabilities, labels, count=10)
    hesitant = measures.least_confident_hits(probabilities, labels, count=10)
    return section(
        "Mistakes and close calls",
        element("p", f"{len(wrong):,} of {len(labels):,} test images are misclassified."),
        element("h3", "Misclassified, the first in the order of the test set"),
        tiles(wrong[:10]),
        element("h3", "Most confident mistakes"),
        tiles(confident),
        element("h3", "Least confident hits"),
        element("p", "The output is correct; next to it stands the class that came close."),
        tiles(hesitant),
    )


def calibration(results: Results) -> Markup:
    """How far confidence can be believed."""
    chart = figures.svg(figures.calibration(results.probabilities, results.test_labels))
    sentence = (
        "Of the images given 80 % confidence, 80 % should be right: bars on the dashed line. "
        "The mean distance from it, the calibration error, is "
        f"{100 * results.calibration_error:.1f} percentage points."
    )
    return section(
        "Calibration",
        element("p", sentence),
        element("div", zoomable(image(chart, "image/svg+xml", sentence)), class_="charts single"),
    )


def data(results: Results) -> Markup:
    """Some training images, and what augmentation makes of one."""
    labels, names = results.train_labels, results.class_names
    chosen = measures.one_of_each(labels, count=20)
    return section(
        "Data",
        element("p", f"{len(labels):,} training images of {results.dataset_name}, some of them:"),
        _tiles([results.train_images[i] for i in chosen], [names[labels[i]] for i in chosen]),
        element("h3", "One image under each augmentation"),
        _tiles(
            [picture for _, picture in results.augmentations],
            [name for name, _ in results.augmentations],
            large=True,
        ),
    )


def timing(rows: Rows) -> Markup:
    """Seconds and images a second, and every epoch in numbers."""
    header = ("Epoch", "Train loss", "Train %", "Test loss", "Test %", "Seconds", "Images/s")
    cells = (
        (
            row["epoch"],
            f"{row['train_loss']:.4f}",
            f"{row['train_accuracy']:.2f}",
            f"{row['test_loss']:.4f}",
            f"{row['test_accuracy']:.2f}",
            f"{row['seconds']:.1f}",
            f"{row['images_per_second']:,.0f}",
        )
        for row in rows
    )
    return section(
        "Timing",
        charts(rows, "seconds", "images_per_second"),
        element(
            "details",
            element("summary", "All epochs in numbers"),
            table(header, cells, numeric=set(range(len(header)))),
        ),
    )


def charts(rows: Rows, *fields: str) -> Markup:
    """A chart over the epochs for each field of the metrics rows, side by side if they fit."""

    def chart(field: str) -> Markup:
        last = f", {rows[-1][field]:.6g} at the end" if rows else ""
        picture = figures.svg(figures.curve(rows, field))
        return zoomable(image(picture, "image/svg+xml", f"{field} by epoch{last}"))

    return element("div", *map(chart, fields), class_="charts")


def _tiles(
    pictures: Sequence[np.ndarray], captions: Sequence[str], *, large: bool = False
) -> Markup:
    if not captions:
        return element("p", "There are none.")
    tiles = (
        element(
            "figure",
            image(figures.png(picture), "image/png", caption),
            element("figcaption", caption),
        )
        for picture, caption in zip(pictures, captions, strict=True)
    )
    return element("div", *tiles, class_="tiles large" if large else "tiles")


def fields(values: Mapping[str, Any]) -> Markup:
    """A JSON object as a table of dotted names and values."""
    rows = (
        element("tr", element("th", name), element("td", _plain(value)))
        for name, value in run_dir.flatten(values).items()
    )
    return element("table", element("tbody", *rows), class_="fields")


def _plain(value: Any) -> str:
    """Shows a JSON value; a list of lists, such as a pipeline, has a line for each."""
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        return "\n".join(json.dumps(item, ensure_ascii=False) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _percent(share: float) -> str:
    """Formats a share; a no-break space keeps number and sign on one line."""
    return "-" if np.isnan(share) else f"{100 * share:.1f}\u00a0%"
