"""What the project means to reach, and how far the results of one run are from it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.result import Result


class Measured(NamedTuple):
    """A figure of the table: higher is better, unless it is a `share` or `seconds`."""

    value: float
    spread: str
    form: str = "{:.2f}x"


class Target(NamedTuple):
    """A row of the table; `find` gives None where the results do not hold its figure."""

    figure: str
    device: str  # cpu or gpu
    must: float
    aim: float
    find: Callable[[Sequence[Result]], Measured | None]


def ratio(benchmark: str, ours: str, against: str) -> Callable[[Sequence[Result]], Measured | None]:
    """How many times as fast `ours` was."""

    def find(found):
        for result in found:
            if (result.benchmark, result.ours, result.against) == (benchmark, ours, against):
                c = result.comparison
                return Measured(c.ratio, f"{c.low:.2f} to {c.high:.2f}, {c.pairs} pairs")
        return None

    return find


def best(benchmark: str, ours: str, peers: Sequence[str], batch_size: int | None = None):
    """How many times as fast `ours` was as the fastest of these peers, each of them measured."""

    def find(found):
        chosen = {
            r.against: r
            for r in found
            if (r.benchmark, r.ours) == (benchmark, ours) and r.against in peers
            if batch_size in (None, r.figures.get("batch"))
        }
        if set(chosen) != set(peers):
            return None
        worst = min(chosen.values(), key=lambda result: result.comparison.ratio)
        c = worst.comparison
        return Measured(c.ratio, f"{c.low:.2f} to {c.high:.2f}, {c.pairs} pairs: {worst.against}")

    return find


def slowest(*, kind: str = "", mode: str = "") -> Callable[[Sequence[Result]], Measured | None]:
    """The smallest ratio among the variants whose shape and mode hold these texts."""

    def find(found):
        chosen = [
            result
            for result in found
            if result.benchmark == "variants" and result.against.startswith(kind)
            if mode in result.ours
        ]
        if not chosen:
            return None
        worst = min(chosen, key=lambda result: result.comparison.ratio)
        most = max(result.comparison.ratio for result in chosen)
        where = f"least of {len(chosen)} ({worst.ours}, {worst.against}); most {most:.1f}x"
        return Measured(worst.comparison.ratio, where)

    return find


def figure_of(
    benchmark: str, ours: str, name: str, form: str
) -> Callable[[Sequence[Result]], Measured | None]:
    """A further number of a result."""

    def find(found):
        for result in found:
            if (result.benchmark, result.ours) == (benchmark, ours) and name in result.figures:
                return Measured(result.figures[name], result.against, form)
        return None

    return find


STEP, INFERENCE = "train_step", "inference"
TORCH = ("PyTorch eager", "PyTorch channels_last", "torch.compile")
RUNTIMES = ("ONNX Runtime", "OpenVINO")

TARGETS = (
    Target("train step against PyTorch's best", "cpu", 2, 2.5, best(STEP, "jaxconv", TORCH)),
    Target("inference at batch 128 against the fastest", "cpu", 1.1, 1.5,
        best(INFERENCE, "jaxconv infer", TORCH + RUNTIMES, 128),
    ),
    Target("inference at batch 1 against the fastest", "cpu", 1.1, 1.5,
        best(INFERENCE, "jaxconv infer", TORCH + RUNTIMES, 1),
    ),
    Target("train step against Flax nn.Conv", "cpu", 3, 5, ratio(STEP, "jaxconv", "Flax nn.Conv")),
    Target(
        "train step in scan against Flax nn.Conv in scan", "cpu", 15, 40,
        ratio(STEP, "jaxconv in scan", "Flax nn.Conv in scan"),
    ),
    Target("train step in scan against alone", "cpu", 0.95, 0.98,
        ratio(STEP, "jaxconv in scan", "jaxconv"),
    ),
    Target("any variant against conv_general_dilated", "cpu", 0.95, 0.95, slowest()),
    Target("depthwise, gradients", "cpu", 0.95, 9, slowest(kind="depthwise", mode="gradients")),
    Target("strided dilated, gradients", "cpu", 0.95, 2,
        slowest(kind="strided dilated", mode="gradients"),
    ),
    Target("variants, gradients in scan", "cpu", 0.95, 15, slowest(mode="gradients in scan")),
    Target("albumentations engine: share that the device waits", "cpu", 0.10, 0.10,
        figure_of("input", "jaxconv fed by albumentations", "idle share", "{:.1%}"),
    ),
    Target("device augmentation: share of a step", "cpu", 0.03, 0.01,
        figure_of("input", "device augmentation", "share of a step", "{:.1%}"),
    ),
    Target("seconds an epoch of the full recipe, steady", "gpu", 0.060, 0.025,
        figure_of(STEP, "an epoch of the recipe", "seconds", "{:.3f}"),
    ),
    Target("train step in scan against PyTorch eager", "gpu", 3, 8,
        ratio(STEP, "jaxconv in scan", "PyTorch eager"),
    ),
    Target("train step in scan against torch.compile", "gpu", 1.1, 2,
        ratio(STEP, "jaxconv in scan", "torch.compile"),
    ),
)  # fmt: skip


def table(found: Sequence[Result], *, device: str) -> list[str]:
    """The lines of the target table for `device`, cpu or gpu."""
    lines = [f"{'figure':52} {'must':>7} {'aim':>7} {'measured':>9}  range"]
    for target in TARGETS:
        if target.device != device:
            continue
        measured = target.find(found)
        form = measured.form if measured else "{:.2f}x"
        limits = f"{form.format(target.must):>7} {form.format(target.aim):>7}"
        value = form.format(measured.value) if measured else "-"
        spread = measured.spread if measured else "not measured"
        verdict = f"  {_verdict(target, measured)}" if measured else ""
        lines.append(f"{target.figure:52} {limits} {value:>9}  {spread}{verdict}")
    return lines


def _verdict(target: Target, measured: Measured) -> str:
    less_is_better = not measured.form.endswith("x")

    def reached(limit):
        return measured.value <= limit if less_is_better else measured.value >= limit

    return "aim" if reached(target.aim) else "must" if reached(target.must) else "MISSED"
