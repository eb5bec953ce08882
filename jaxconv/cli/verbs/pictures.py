"""Where a verb's picture goes."""

from pathlib import Path
from typing import Any

from jaxconv.text import printable


def save_picture(figure: Any, path: Path) -> None:
    """Writes a matplotlib `figure` as PNG and prints where."""
    from jaxconv.report.style import save

    save(figure, path)
    print(printable(path))
