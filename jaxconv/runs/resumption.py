"""A run goes on with the data and the settings that it began with, or not at all."""

from collections.abc import Mapping
from typing import Any

from jaxconv.runs import run_dir
from jaxconv.text import printable

OF_A_VISIT = ("time_utc", "command", "device", "versions", "git")


def of_all_visits(run: run_dir.RunDir, made: Mapping[str, Any]) -> dict[str, Any]:
    """What `environment.json` is to hold: what the first visit made, and a list of the later ones.

    So the commit, date, device and versions are those that training began with. Data and settings,
    which `require_as_before` compares, are those of now: a damaged record of them is mended.
    """
    if not run.environment_json.exists():
        return dict(made)
    before = run_dir.read_json(run.environment_json)
    known = before.get("visits")
    visit = {name: made[name] for name in OF_A_VISIT}
    now = {name: made[name] for name in ("data", "settings") if name in made}
    return {**made, **before, **now, "visits": [*(known if isinstance(known, list) else ()), visit]}


def require_as_before(run: run_dir.RunDir, made: Mapping[str, Any]) -> list[str]:
    """Refuses other data than before, where a source has come or gone, and other settings of JAX.

    Args:
        made: what `environment.json` is to hold now. Looked at are "data" (its `name`, how many
            examples `train` and `test` have, `labels_crc32`, `images_crc32`, the `teacher`) and
            "settings". What a run of an older version did not write down is not compared.

    Returns:
        A line for each difference that may change a result by rounding only.

    Raises:
        RunDirError: `environment.json` of the run tells of others, or of nothing.
    """
    if not run.environment_json.exists():
        return []
    before, now = run_dir.flatten(run_dir.read_json(run.environment_json)), run_dir.flatten(made)
    for name in ("data.name", "data.train", "data.test"):
        if type(before.get(name)) is not type(now[name]):
            raise run_dir.RunDirError(
                f"{run.environment_json} does not tell {name} of the run; "
                "remove that file to go on, or give a new --workdir"
            )
    remarks = []
    for name, value in now.items():
        kind, _, what = name.partition(".")
        if name not in before or before[name] == value or what in ("reason", "origin"):
            continue
        was = printable(before[name], longest=200)
        if kind == "data":
            field = "--config.distill.teacher" if what == "teacher" else "--config.data"
            raise run_dir.RunDirError(
                f"workdir {run.path} was trained on other data: {what} was {was} and is {value} "
                f"now; set {field} back to go on, or give a new --workdir"
            )
        if what == "XLA_FLAGS":
            remarks.append(f"XLA_FLAGS was {was!r} and is {value!r} now: rounding may differ")
        elif kind == "settings":
            raise run_dir.RunDirError(
                f"workdir {run.path} was trained under other settings of JAX: {what} was {was} "
                f"and is {value} now; set it back to go on, or give a new --workdir"
            )
    return remarks
