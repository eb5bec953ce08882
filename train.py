"""Trains the network that a config describes; run again with the same workdir, it goes on.

    python train.py --config configs/s9.py [--workdir DIR] [--config.FIELD=VALUE ...]

Without --workdir the run is kept in runs/NAME, NAME being that of the config file.

Exit codes: 0 done; 1 an error, told in one line; 2 a wrong command line or config; 130 after
Ctrl-C and 143 after SIGTERM, with everything saved.
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from jaxconv.command_line import config_parser, parse_command_line
from jaxconv.config import ConfigError, to_json_dict
from jaxconv.data.dataset import DataCorrupt, Dataset, DataUnavailable
from jaxconv.report import run_dir
from jaxconv.report.environment import environment


def main(argv: Sequence[str]) -> int:
    try:
        config, flags = parse_command_line(config_parser("train.py", __doc__), argv)
        from jaxconv.training.checkpoint import CheckpointError
        from jaxconv.training.loop import Diverged

        try:
            return train(config, flags.workdir or Path("runs") / flags.config.stem)
        except (CheckpointError, DataCorrupt, DataUnavailable, Diverged, run_dir.RunDirError) as error:
            return fail(error, 1)
    except ConfigError as error:
        return fail(error, 2)
    except KeyboardInterrupt:
        return fail("interrupted; what the last checkpoint holds is kept", 130)


def train(config: ConfigDict, workdir: Path) -> int:
    """Trains, or goes on training, in `workdir`, and writes the report; returns the exit code."""
    from jaxconv import build
    from jaxconv.models.summary import format_summary, summarize
    from jaxconv.training.checkpoint import Checkpoints
    from jaxconv.training.loop import Interrupted, fit
    from jaxconv.training.memory import keep_freed_memory
    from jaxconv.training.signals import StopRequest

    keep_freed_memory()
    build.build_pipeline(config)
    run = run_dir.create(workdir)
    device = describe_device()
    dataset = build.build_dataset(config)
    print(f"data: {dataset.name} ({dataset.reason}); {dataset.origin}", flush=True)
    goes_on = run_dir.claim(run, to_json_dict(config))
    run_dir.write_json(run.environment_json, environment(device) | {"data": describe_data(dataset)})
    training = build.build_training(config, dataset)
    image_shape = dataset.train.images.shape[1:]
    model = build.build_model(config, len(dataset.class_names))
    summary = format_summary(summarize(model, image_shape), image_shape)
    run_dir.write_text(run.summary_txt, summary + "\n")

    def on_row(row):
        run_dir.append_metrics(run, row)
        print(format_row(row, config.epochs), flush=True)

    checkpoints = Checkpoints(run.checkpoints)
    step = checkpoints.latest_step or 0
    run_dir.truncate_metrics(run, after_epoch=step // training.steps_per_epoch)
    print(f"{'goes on' if goes_on else 'starts'} at step {step} in {run.path}", flush=True)
    with StopRequest() as stop:
        try:
            state = fit(
                **training._asdict(),
                epochs=config.epochs,
                checkpoints=checkpoints,
                on_row=on_row,
                should_stop=stop,
            )
        except Interrupted:
            again = shlex.join(["python", *sys.argv])
            print(f"saved at step {checkpoints.latest_step}; to go on: {again}", flush=True)
            return stop.exit_code
        finally:
            checkpoints.close()
    write_report(config, run, dataset, state)
    print(f"report: {run.report_html}")
    return 0


def write_report(config, run, dataset, state):
    """Draws what the run has learned; see `jaxconv/report/html.py`."""


def describe_device() -> dict[str, object]:
    """Says what JAX computes on, in the first line of a run."""
    import jax

    from jaxconv.devices import require_devices

    devices = require_devices()
    kind, count = devices[0].device_kind, len(devices)
    print(f"device: {count} x {kind} ({devices[0].platform}), JAX {jax.__version__}", flush=True)
    if devices[0].platform == "cpu" and Path("/dev/nvidiactl").exists():
        print("an NVIDIA GPU is here, but this JAX can't use it: install jaxconv[cuda12]")
    return {"backend": devices[0].platform, "kind": kind, "count": count}


def describe_data(dataset: Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "reason": dataset.reason,
        "origin": dataset.origin,
        "train": len(dataset.train.labels),
        "test": len(dataset.test.labels),
    }


def format_row(row: dict[str, float], epochs: int) -> str:
    return (
        f"epoch {row['epoch']:>3}/{epochs}  "
        f"train {row['train_accuracy']:5.2f} % loss {row['train_loss']:.4f}  "
        f"test {row['test_accuracy']:5.2f} % loss {row['test_loss']:.4f}  "
        f"{row['seconds']:.1f} s, {row['images_per_second']:.0f} images/s"
    )


def fail(message: object, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
