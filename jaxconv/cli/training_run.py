"""What the verb `train` does: trains in a run directory, follows, or rehearses (a dry run)."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxconv.cli.build.data import build_dataset, first_batches, with_statistics
from jaxconv.cli.build.network import build_network, check_network
from jaxconv.cli.build.teacher import teacher_file, with_teacher
from jaxconv.cli.config.added import ADDED
from jaxconv.cli.config.fields import check_together
from jaxconv.cli.config.json_form import to_json_dict
from jaxconv.cli.config.types import Config
from jaxconv.cli.terminal import say
from jaxconv.data.dataset import Dataset, describe, fingerprint
from jaxconv.files import write_whole
from jaxconv.memory import keep_freed_memory
from jaxconv.runs import job, run_dir
from jaxconv.runs.devices import describe_devices, is_first_process
from jaxconv.runs.environment import environment
from jaxconv.runs.facts import PLACES, settings
from jaxconv.runs.lock import sole_trainer
from jaxconv.runs.resumption import of_all_visits, require_as_before
from jaxconv.runs.signals import StopRequest
from jaxconv.text import printable

if TYPE_CHECKING:
    from jaxconv.cli.build.network import Network
    from jaxconv.training.step import TrainState


MAY_DIFFER = (  # from visit to visit, as no result depends on them
    *PLACES,
    "checkpoint.every_steps",
    "checkpoint.every_minutes",
    "shard_state",
)


def dry_run(config: Config) -> int:
    """The dry run: two steps of each kind, an evaluated batch, a checkpoint; nothing is left."""
    from jaxconv.cli.build.step import phase_starts
    from jaxconv.cli.build.training import build_training
    from jaxconv.training.orbax_noise import hushed
    from jaxconv.training.rehearsal import rehearse

    keep_freed_memory()
    check_together(config)
    check_network(config)
    teacher_file(config)
    describe_devices(say)
    dataset = say_data(build_dataset(config))
    config = with_statistics(config, dataset)
    dataset = with_teacher(config, dataset)
    few = first_batches(dataset, train=2, test=1, batch_size=config.batch_size)
    training = build_training(config, few, build_network(config, len(few.class_names)))
    with hushed(), tempfile.TemporaryDirectory(prefix="jaxconv-") as folder:
        rehearse(
            training.state,
            run_epoch=training.course.run_epoch,
            evaluate=training.course.evaluate,
            test_count=len(few.test.labels),
            directory=Path(folder).resolve(),
            say=say,
            starts=phase_starts(config),
        )
    say("dry run: all of it works; nothing was kept")
    return 0


def train_in(
    workdir: Path,
    config: Config,
    stop: StopRequest,
    *,
    dataset: Dataset | None,
    events: bool,
    again: Sequence[str],
) -> int:
    """Trains, or goes on training, in `workdir`, and writes the report; returns the exit code.

    Args:
        dataset: the config's, where it is loaded already.
        events: whether to write TensorBoard event files too.
        again: the command that resumes it.
    """
    from jaxconv.cli.build.results import build_results
    from jaxconv.report.html import write_report

    keep_freed_memory()
    if not (workdir / "config.json").exists():
        check_together(config)
    check_network(config)
    teacher_file(config)
    first = is_first_process()
    if dataset is not None and not first:
        return follow(config, dataset, stop)
    run = run_dir.create(workdir)
    with sole_trainer(run):
        device = describe_devices(say)
        dataset = say_data(dataset or build_dataset(config))
        config = with_statistics(config, dataset)
        network = build_network(config, len(dataset.class_names))  # refuses what can't be built
        dataset = with_teacher(config, dataset)
        data = {**fingerprint(dataset), **describe(dataset)}
        made = environment(device) | {"settings": settings(), "data": data}
        # All is compared before anything is written; the pipeline last, as it may hold statistics
        # of the images.
        as_json, options = to_json_dict(config), {"may_differ": MAY_DIFFER, "added": ADDED}
        early = {**options, "may_differ": (*MAY_DIFFER, "augment.transforms")}
        run_dir.require_config(run, as_json, **early)
        remarks = require_as_before(run, made)
        run_dir.claim(run, as_json, **options)
        for remark in remarks:
            say(printable(remark))
        run_dir.write_json(run.environment_json, of_all_visits(run, made))
        state = fit_here(config, run, dataset, network, stop, events=events, again=again)
        if state is None:
            return stop.exit_code or 143
        report = write_report(run, build_results(network, dataset, state))
        say(f"report: {printable(report)}")
        return 0


def fit_here(
    config: Config,
    run: run_dir.RunDir,
    dataset: Dataset,
    network: Network,
    stop: StopRequest,
    *,
    events: bool,
    again: Sequence[str],
) -> TrainState | None:
    """The trained state, or None where training was asked to stop and has saved."""
    from jaxconv.cli.build.training import build_fit, build_training
    from jaxconv.models.summary import format_summary, summarize
    from jaxconv.runs.events import event_writer
    from jaxconv.training.checkpoint import Checkpoints
    from jaxconv.training.loop import Interrupted, go_on
    from jaxconv.training.orbax_noise import hushed

    checkpoints: Any = Checkpoints(run.checkpoints, say=say)
    training = build_training(config, dataset, network)
    if job.in_job():
        checkpoints = job.SharedCheckpoints(checkpoints, training.layout)
    image_shape = dataset.train.images.shape[1:]
    summary = format_summary(summarize(network.model, image_shape), image_shape, ["macs"])
    write_whole(run.summary_txt, summary + "\n")

    progress = go_on(training.state, checkpoints)
    step = int(progress.state.step)
    run_dir.truncate_metrics(run, after_epoch=step // training.course.steps_per_epoch)
    events_dir = run.path / "tensorboard"
    writer = event_writer(events_dir, after_step=step) if events else nullcontext(lambda row: None)

    try:
        with hushed(), stop.deferred(), closing(checkpoints), writer as write_events:

            def on_row(row: dict[str, Any]) -> None:
                run_dir.append_metrics(run, row)
                write_events(row)

            def on_saved(row: dict[str, Any]) -> None:
                say(format_row(row, config.epochs))

            begun = "resumes" if step else "starts"
            say(f"{begun} at step {step} in {printable(run.path)}")
            fit = build_fit(config, training)
            seen = {"on_row": on_row, "on_saved": on_saved, "should_stop": stop}
            state = fit(progress, checkpoints=checkpoints, **seen)
            return training.layout.fetch(state)
    except Interrupted:
        say(f"saved at step {checkpoints.latest_step}; to resume: {printable(shlex.join(again))}")
        return None


def follow(config: Config, dataset: Dataset, stop: StopRequest) -> int:
    """Trains along with process 0, which keeps the run directory; returns the exit code."""
    from jaxconv.cli.build.training import build_fit, build_training
    from jaxconv.training.loop import Interrupted, go_on

    config = with_statistics(config, dataset)
    dataset = with_teacher(config, dataset)
    network = build_network(config, len(dataset.class_names))
    training = build_training(config, dataset, network)
    checkpoints: Any = job.SharedCheckpoints(None, training.layout)
    progress = go_on(training.state, checkpoints)
    try:
        with stop.deferred():
            fit = build_fit(config, training)
            options = {"checkpoints": checkpoints, "should_stop": stop}
            training.layout.fetch(fit(progress, on_row=lambda row: None, **options))
    except Interrupted:
        return stop.exit_code or 143
    return 0


def say_data(dataset: Dataset) -> Dataset:
    """Says which data it is and why; returns it."""
    say(printable(f"data: {dataset.name} ({dataset.reason}); {dataset.origin}"))
    return dataset


def format_row(row: dict[str, float], epochs: int) -> str:
    """A line of progress: what an epoch has come to."""
    return (
        f"epoch {row['epoch']:>3}/{epochs}  "
        f"train {row['train_accuracy']:5.2f} % loss {row['train_loss']:.4f}  "
        f"test {row['test_accuracy']:5.2f} % loss {row['test_loss']:.4f}  "
        f"{row['seconds']:.1f} s, {row['images_per_second']:.0f} images/s"
    )
