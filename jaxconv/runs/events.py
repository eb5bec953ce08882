"""The metrics of a run as TensorBoard event files, written without TensorFlow."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from jaxconv.files import require_inside

TAGS = {
    "train_loss": "loss/train",
    "test_loss": "loss/test",
    "train_accuracy": "accuracy/train",
    "test_accuracy": "accuracy/test",
    "lr": "schedule/lr",
    "momentum": "schedule/momentum",
    "images_per_second": "speed/images_per_second",
}


@contextlib.contextmanager
def event_writer(
    directory: Path, *, after_step: int
) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """A context that gives `write(row)`, for rows of `metrics.jsonl`; each is on disk soon.

    Args:
        after_step: the step that the run goes on from; TensorBoard forgets what an earlier visit
            wrote beyond it.

    Raises:
        OSError: `directory` is a link that leads out of the run.
        ModuleNotFoundError: tensorboardX is not installed; jaxconv[tensorboard] brings it.
    """
    from tensorboardX import SummaryWriter

    require_inside(directory, directory.parent)
    writer = SummaryWriter(str(directory), purge_step=after_step + 1, flush_secs=1)

    def write(row):
        for name, tag in TAGS.items():
            writer.add_scalar(tag, row[name], row["step"])

    with contextlib.closing(writer):
        yield write
