"""`report.html`: all that a run has to tell, in one file that fetches nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from jaxconv.files import require_inside, write_whole
from jaxconv.report import contents, figures, style
from jaxconv.report.history import Rows, tidy
from jaxconv.report.results import Results
from jaxconv.runs import run_dir
from jaxconv.runs.run_dir import RunDir


def write_report(run: RunDir, results: Results) -> Path:
    """Writes `figures/*.png` and `report.html` from the run's files and `results`.

    Returns:
        The path of the report.

    Raises:
        RunDirError: a file of the run that the report shows is missing or damaged.
        OSError: its folder of figures is a link that leads out of the run.
    """
    rows = tidy(run_dir.read_metrics(run))
    require_inside(run.figures, run.path)
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
        style.save(picture, folder / f"{file}.png")


def render_report(
    results: Results,
    *,
    rows: Rows,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    summary: str,
) -> str:
    """Returns the whole page; everything in it is escaped, and no script is needed.

    Args:
        rows: as `history.tidy` gives them.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("report.html.jinja").render(
        results=results,
        rows=rows,
        config=config,
        environment=environment,
        summary=summary,
        contents=contents,
    )
