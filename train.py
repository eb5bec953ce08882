"""Trains the network that a config describes; run again with the same workdir, it goes on.

    python train.py --config configs/s9.py [--workdir DIR] [--config.FIELD=VALUE ...]

Without --workdir the run is kept in runs/NAME, NAME being that of the config file. With --dry-run
nothing is kept: the program is compiled and does a little of everything, to see that it works.

Exit codes: 0 done; 1 an error, told in one line; 2 a wrong command line or config; 130 after
Ctrl-C and 143 after SIGTERM, with everything saved. A second Ctrl-C does not wait for the step
under way: 130, and the last checkpoint is kept. Of several processes (docs/distributed.md) each
ends with 143 where another one was told to stop, and with 3 where another one is gone.
"""

import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from ml_collections import ConfigDict

from jaxconv.command_line import config_parser, parse_command_line
from jaxconv.command_line.job_flags import Membership, add_job_flags, membership
from jaxconv.config import ConfigError, to_json_dict
from jaxconv.data.dataset import DataCorrupt, Dataset, DataUnavailable, describe
from jaxconv.files import write_whole
from jaxconv.runs import run_dir
from jaxconv.runs.environment import environment
from jaxconv.runs.lock import sole_trainer
from jaxconv.runs.resumption import require_as_before
from jaxconv.runs.signals import Stopped, StopRequest
from jaxconv.terminal import fail

KEPT = "what the last checkpoint holds is kept"
MAY_DIFFER = (  # from visit to visit, as no result depends on them
    "data.dir",
    "data.download",
    "checkpoint.every_steps",
    "checkpoint.every_minutes",
    "shard_state",
)


def main(argv: Sequence[str]) -> int:
    with StopRequest() as stop:
        try:
            parser = config_parser("train.py", __doc__)
            add_job_flags(parser)
            config, flags = parse_command_line(parser, argv)
            member = membership(flags)
            if member and flags.dry_run:
                raise ConfigError("--dry-run is for one process: leave out the flags of several")
            workdir = flags.workdir or Path("runs") / flags.config.stem
            if flags.tensorboard and find_spec("tensorboardX") is None:
                raise ConfigError(
                    "--tensorboard: not installed; pip install 'jaxconv[tensorboard]'"
                )
            options = {"workdir": workdir, "stop": stop, "events": flags.tensorboard}
            work = dry_run if flags.dry_run else partial(train, **options)
            return do_or_explain(work, config, stop, member)
        except ConfigError as error:
            return end(fail(error, 2))
        except Stopped as stopped:
            return end(fail(f"stopped at once; {KEPT}", stopped.exit_code))


def end(code: int) -> int:
    """Ends a failed process that trains with others at once: they would wait for each other."""
    if "jax" in sys.modules:
        from jaxconv.runs.job import leave

        leave(code)
    return code


def do_or_explain(
    work: Callable[..., int],
    config: ConfigDict,
    stop: StopRequest,
    member: Membership | None,
) -> int:
    """Does the work; whatever may go wrong in it becomes a line and exit code 1."""
    from jaxconv import build
    from jaxconv.runs import job
    from jaxconv.runs.facts import data_facts, facts

    loaded = []

    def load():
        loaded.append(build.build_dataset(config))
        return data_facts(loaded[0])

    try:
        if member is None:
            return work(config)
        job.join(*member, facts=facts(to_json_dict(config)), load=load)
        return work(config, dataset=loaded[0])
    except Exception as error:
        stop.check()
        if job.is_loss(error):
            return end(fail(job.LOST_ANOTHER, job.LOST))
        message = explain(error)
        if message is not None:
            return end(fail(message, getattr(error, "exit_code", 1)))
        with job.leaving(1):
            raise


def explain(error: Exception) -> str | None:
    """What to say to a user about an error; None if it is none of theirs."""
    from jax.errors import JaxRuntimeError

    from jaxconv.runs.job import JobError
    from jaxconv.training.checkpoint import CheckpointError
    from jaxconv.training.loop import Diverged

    known = (CheckpointError, DataCorrupt, DataUnavailable, Diverged, run_dir.RunDirError)
    if isinstance(error, (*known, JobError)):
        return str(error)
    if isinstance(error, OSError):
        return f"{error}; {KEPT}: mend that and run the same command again"
    exhausted = isinstance(error, JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    if exhausted or isinstance(error, MemoryError):
        return f"out of memory; {KEPT}: lower --config.batch_size, in a new --workdir"
    return None


def dry_run(config: ConfigDict) -> int:
    """The dry run: two steps of each kind, an evaluated batch, a checkpoint; nothing is left."""
    from jaxconv import build
    from jaxconv.memory import keep_freed_memory
    from jaxconv.runs.devices import describe_devices
    from jaxconv.training.rehearsal import rehearse

    keep_freed_memory()
    build.build_pipeline(config)
    describe_devices()
    dataset = say_data(build.build_dataset(config))
    few = build.first_batches(dataset, train=2, test=1, batch_size=config.batch_size)
    training = build.build_training(config, few)
    with tempfile.TemporaryDirectory(prefix="jaxconv-") as folder:
        rehearse(
            training.state,
            run_epoch=training.run_epoch,
            evaluate=training.evaluate,
            test_count=len(few.test.labels),
            directory=Path(folder).resolve(),
            say=partial(print, flush=True),
        )
    print("dry run: all of it works; nothing was kept")
    return 0


def train(
    config: ConfigDict,
    *,
    workdir: Path,
    stop: StopRequest,
    events: bool,
    dataset: Dataset | None = None,
) -> int:
    """Trains, or goes on training, in `workdir`, and writes the report; returns the exit code.

    Args:
        events: whether to write TensorBoard event files too.
        dataset: the config's, where it is loaded already.
    """
    from jaxconv import build
    from jaxconv.memory import keep_freed_memory
    from jaxconv.report.html import write_report
    from jaxconv.runs.devices import describe_devices, is_first_process
    from jaxconv.runs.facts import settings

    keep_freed_memory()
    build.build_pipeline(config)
    if not is_first_process():
        return follow(config, stop, dataset)
    run = run_dir.create(workdir)
    with sole_trainer(run):
        device = describe_devices()
        dataset = say_data(dataset or build.build_dataset(config))
        run_dir.claim(run, to_json_dict(config), may_differ=MAY_DIFFER)
        made = environment(device) | {"settings": settings(), "data": describe(dataset)}
        for remark in require_as_before(run, made):
            print(remark, flush=True)
        run_dir.write_json(run.environment_json, made)
        state = fit_here(config, run, dataset, stop, events=events)
        if state is None:
            return stop.exit_code or 143
        report = write_report(run, build.build_results(config, dataset, state))
        print(f"report: {report}")
        return 0


def fit_here(
    config: ConfigDict, run: run_dir.RunDir, dataset: Dataset, stop: StopRequest, *, events: bool
):
    """The trained state, or None where training was asked to stop and has saved."""
    from jaxconv import build
    from jaxconv.models.summary import format_summary, summarize
    from jaxconv.runs.events import event_writer
    from jaxconv.runs.job import SharedCheckpoints, in_job
    from jaxconv.training.checkpoint import Checkpoints
    from jaxconv.training.loop import Interrupted, go_on

    checkpoints = Checkpoints(run.checkpoints)
    training = build.build_training(config, dataset)
    if in_job():
        checkpoints = SharedCheckpoints(checkpoints, training.layout)
    image_shape = dataset.train.images.shape[1:]
    model = build.build_model(config, len(dataset.class_names))
    summary = format_summary(summarize(model, image_shape), image_shape, ["macs"])
    write_whole(run.summary_txt, summary + "\n")

    progress = go_on(training.state, checkpoints)
    step = int(progress.state.step)
    run_dir.truncate_metrics(run, after_epoch=step // training.steps_per_epoch)
    events_dir = run.path / "tensorboard"
    writer = event_writer(events_dir, after_step=step) if events else nullcontext(lambda row: None)

    try:
        with stop.deferred(), closing(checkpoints), writer as write_events:

            def on_row(row):
                run_dir.append_metrics(run, row)
                write_events(row)
                print(format_row(row, config.epochs), flush=True)

            print(f"{'goes on' if step else 'starts'} at step {step} in {run.path}", flush=True)
            fit = build.build_fit(config, training)
            state = fit(progress, checkpoints=checkpoints, on_row=on_row, should_stop=stop)
            return training.layout.fetch(state)
    except Interrupted:
        again = shlex.join(["python", *sys.argv])
        print(f"saved at step {checkpoints.latest_step}; to go on: {again}", flush=True)
        return None


def follow(config: ConfigDict, stop: StopRequest, dataset: Dataset) -> int:
    """Trains along with process 0, which keeps the run directory; returns the exit code."""
    from jaxconv import build
    from jaxconv.runs.job import SharedCheckpoints
    from jaxconv.training.loop import Interrupted, go_on

    training = build.build_training(config, dataset)
    checkpoints = SharedCheckpoints(None, training.layout)
    progress = go_on(training.state, checkpoints)
    try:
        with stop.deferred():
            fit = build.build_fit(config, training)
            options = {"checkpoints": checkpoints, "should_stop": stop}
            training.layout.fetch(fit(progress, on_row=lambda row: None, **options))
    except Interrupted:
        return stop.exit_code or 143
    return 0


def say_data(dataset: Dataset) -> Dataset:
    """Says which data it is and why; returns it."""
    print(f"data: {dataset.name} ({dataset.reason}); {dataset.origin}", flush=True)
    return dataset


def format_row(row: dict[str, float], epochs: int) -> str:
    return (
        f"epoch {row['epoch']:>3}/{epochs}  "
        f"train {row['train_accuracy']:5.2f} % loss {row['train_loss']:.4f}  "
        f"test {row['test_accuracy']:5.2f} % loss {row['test_loss']:.4f}  "
        f"{row['seconds']:.1f} s, {row['images_per_second']:.0f} images/s"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
