"""`report.html`: all that a run has to tell, in one file that fetches nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxconv.files import write_whole
from jaxconv.report import figures, sections
from jaxconv.report.page import Markup, document, element, section
from jaxconv.report.results import Results
from jaxconv.runs import run_dir
from jaxconv.runs.run_dir import RunDir

Rows = Sequence[Mapping[str, Any]]


def write_report(run: RunDir, results: Results) -> Path:
    """Writes `figures/*.png` and `report.html` from the run's files and `results`.

    Returns:
        The path of the report.

    Raises:
        RunDirError: a file of the run that the report shows is missing or damaged.
    """
    rows = run_dir.read_metrics(run)
    write_figures(run.figures, results, rows)
    page = render_report(
        results,
        rows=rows,
        config=run_dir.read_json(run.config_json),
        environment=run_dir.read_json(run.environment_json),
        summary=run_dir.read_text(run.summary_txt),
    )
    write_whole(run.report_html, page)
    return run.report_html


def write_figures(folder: Path, results: Results, rows: Rows) -> None:
    """Writes the pictures of a run as PNG files, each with the data set in its title."""
    r, name = results, results.dataset_name
    wrong = (r.test_images, r.test_labels, r.outputs, r.class_names)
    pictures = {
        "samples": figures.samples(
            r.train_images, r.train_labels, r.class_names, title=f"Training images of {name}"
        ),
        "augmentations": figures.augmentations(
            r.augmentations, title=f"One image of {name} under each augmentation"
        ),
        "curves": figures.curves(rows, title=f"Training on {name}"),
        "schedule": figures.schedule(rows, title=f"Learning rate and momentum on {name}"),
        "confusion_matrix": figures.confusion_matrix(
            r.matrix, r.class_names, title=f"Confusion matrix, test images of {name}"
        ),
        "misclassified": figures.misclassified(
            *wrong, title=f"Misclassified test images of {name}"
        ),
        "calibration": figures.calibration(
            r.probabilities, r.test_labels, title=f"Calibration, test images of {name}"
        ),
    }
    for file, picture in pictures.items():
        figures.save(picture, folder / f"{file}.png")


def render_report(
    results: Results,
    *,
    rows: Rows,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    summary: str,
) -> str:
    """Returns the whole page; everything in it is escaped, and no script is needed."""
    return document(
        f"{100 * results.accuracy:.2f} % on {results.dataset_name} · jaxconv",
        _headline(results, rows, environment["device"]),
        section(
            "Learning curves",
            element("p", _curves_note(rows)),
            sections.charts(rows, "train_loss", "test_loss", "train_accuracy", "test_accuracy"),
        ),
        sections.class_by_class(results),
        sections.mistakes(results),
        sections.calibration(results),
        sections.data(results),
        section("Learning rate and momentum", sections.charts(rows, "lr", "momentum")),
        sections.timing(rows),
        section("Network", element("pre", summary)),
        section("Configuration", sections.fields(config)),
        section("Environment", sections.fields(environment)),
    )


def _headline(results: Results, rows: Rows, device: Mapping[str, Any]) -> Markup:
    name, seconds = results.dataset_name, sum(row["seconds"] for row in rows)
    lead = (
        f"test accuracy on the {len(results.test_labels):,} test images of {name}, "
        f"after {_epochs(results.epoch)}."
    )
    origin = (
        f"Data set: {name}, {results.dataset_reason}. "
        f"Device: {device['count']} x {device['kind']} ({device['backend']})."
    )
    facts = (
        (f"{results.parameters:,}", "parameters"),
        (_duration(seconds), f"for {_epochs(len(rows))}"),
        (f"{_rate(rows):,.0f}" if rows else "-", "training images a second"),
        (f"{100 * results.calibration_error:.1f} %", "calibration error"),
    )
    return element(
        "header",
        element("p", "Training report", class_="eyebrow"),
        element("h1", f"{100 * results.accuracy:.2f} %"),
        element("p", lead, class_="lead"),
        element("p", origin),
        element(
            "div",
            *(element("div", element("b", b), element("span", s), class_="fact") for b, s in facts),
            class_="facts",
        ),
    )


def _curves_note(rows: Rows) -> str:
    note = (
        "Training is measured under augmentation and dropout, testing without. "
        "A click enlarges a chart."
    )
    if not rows:
        return note
    best = max(rows, key=lambda row: row["test_accuracy"])
    highest = f"{best['test_accuracy']:.2f} %, at epoch {best['epoch']}"
    return f"{note} The highest test accuracy on the way was {highest}."


def _epochs(count: int) -> str:
    return f"{count} epoch" if count == 1 else f"{count} epochs"


def _rate(rows: Rows) -> float:
    """Median images a second; the first epoch, which compiles, only counts when it is alone."""
    return float(np.median([row["images_per_second"] for row in rows[1:] or rows]))


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, whole = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole} s" if minutes else f"{seconds:.1f} s"
