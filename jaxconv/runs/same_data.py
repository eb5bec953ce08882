"""A run goes on with the data that it began with, or not at all."""

from collections.abc import Mapping
from typing import Any

from jaxconv.runs import run_dir


def require_same_data(run: run_dir.RunDir, data: Mapping[str, Any]) -> None:
    """Refuses other data than before, where a source has come or gone.

    Args:
        data: its `name` and how many examples `train` and `test` have; the rest is not looked at.

    Raises:
        RunDirError: `environment.json` of the run tells of others.
    """
    if not run.environment_json.is_file():
        return
    before = run_dir.flatten(run_dir.read_json(run.environment_json))
    for name in ("name", "train", "test"):
        was = before.get(f"data.{name}")
        if was != data[name]:
            raise run_dir.RunDirError(
                f"workdir {run.path} was trained on other data: {name} was {was} and is "
                f"{data[name]} now; set --config.data back to go on, or give a new --workdir"
            )
