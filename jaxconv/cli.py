"""``python -m jaxconv VERB``: looks at the network, the data, the augmentation and finished runs.

Each verb is a thin line from flags to functions. Exit codes: 0 done; 1 an error in data or in a
run, told in one line; 2 a wrong command line or config; 130 after Ctrl-C.
"""

import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jaxconv.command_line import (
    OneLineParser,
    absolute_path,
    add_size_flags,
    fields_parser,
    parse_command_line,
    path_named,
)
from jaxconv.config import ConfigError, from_json_dict
from jaxconv.data.dataset import DataCorrupt, Dataset, DataUnavailable
from jaxconv.devices import require_devices
from jaxconv.report import run_dir

DEFAULT_CONFIG = Path(__file__).parents[1] / "configs" / "s9.py"


def summary(argv: Sequence[str]) -> None:
    """Prints the table of the network's layers."""
    from jaxconv.models.s9 import S9Net
    from jaxconv.models.summary import COLUMNS, format_summary, summarize

    parser = _plain_parser(summary)
    parser.add_argument("--columns", metavar="NAMES", help=f"more of them: {','.join(COLUMNS)}")
    flags = parser.parse_args(argv)
    require_devices()
    image_shape = (32, 32, 3)
    columns = flags.columns.split(",") if flags.columns else []
    try:
        print(format_summary(summarize(S9Net(), image_shape), image_shape, columns))
    except ValueError as error:
        raise ConfigError(f"--columns {flags.columns}: {error}") from error


def costs(argv: Sequence[str]) -> None:
    """Prints what each convolution costs for the same job."""
    from jaxconv.models.cost import compare_costs, format_costs

    _plain_parser(costs).parse_args(argv)
    require_devices()
    print(format_costs(compare_costs((32, 32, 32), 32)))


def stats(argv: Sequence[str]) -> None:
    """Prints the statistics of the training and the test images."""
    from jaxconv.data.dataset import format_statistics

    config, _ = parse_command_line(_config_parser(stats), argv)
    print(format_statistics(_dataset(config)))


def samples(argv: Sequence[str]) -> None:
    """Draws labelled training images."""
    from jaxconv.report import figures

    config, flags = parse_command_line(_config_parser(samples, out=True), argv)
    data = _dataset(config)
    title = f"Training images of {data.name}"
    _save(figures.samples(*data.train, data.class_names, title=title), flags.out)


def augmentations(argv: Sequence[str]) -> None:
    """Draws one training image under each augmentation of the config, by name."""
    from jaxconv.augment.gallery import named_augmentations
    from jaxconv.build import build_pipeline
    from jaxconv.report import figures

    config, flags = parse_command_line(_config_parser(augmentations, out=True), argv)
    require_devices()
    pipeline, data = build_pipeline(config), _dataset(config)
    image, engine = data.train.images[0], config.augment.engine
    shown = named_augmentations(pipeline, image, engine=engine)
    title = f"One image of {data.name} under each augmentation"
    _save(figures.augmentations(shown, title=title), flags.out)


def evaluate(argv: Sequence[str]) -> None:
    """Measures a run's best checkpoint on the whole test split."""
    flags = _run_parser(evaluate).parse_args(argv)
    run = _load_run(flags.workdir)
    measured = run.training.evaluate(run.state)
    count = len(run.data.test.labels)
    print(
        f"step {run.step} on {count:,} test images of {run.data.name}: "
        f"accuracy {measured['test_accuracy']:.2f} %, loss {measured['test_loss']:.4f}"
    )


def misclassified(argv: Sequence[str]) -> None:
    """Draws test images that a run's best checkpoint takes for something else."""
    from jaxconv.build import build_predict_step
    from jaxconv.report import figures
    from jaxconv.training.loop import predict

    flags = _run_parser(misclassified, out=True).parse_args(argv)
    run = _load_run(flags.workdir)
    images, labels = run.data.test
    step = build_predict_step(run.config, len(run.data.class_names))
    probabilities = predict(step, run.state, images, batch_size=run.config.batch_size)
    title = f"Misclassified test images of {run.data.name}"
    names, outputs = run.data.class_names, probabilities.argmax(axis=1)
    _save(figures.misclassified(images, labels, outputs, names, title=title), flags.out)


def animate(argv: Sequence[str]) -> None:
    """Draws a convolution at work: a film, a still of three steps, or both."""
    from jaxconv.report import animate as films
    from jaxconv.report.scenes import MEANINGS, VARIANTS, explain_options, scene

    parser = _plain_parser(animate)
    parser.add_argument("variant", metavar="VARIANT", help=", ".join(VARIANTS))
    add_size_flags(parser, explain_options())
    parser.add_argument("--fps", type=float, default=2.5, help="numbers a second; default 2.5")
    film, png = path_named("--out", ".gif", ".mp4"), path_named("--still", ".png")
    parser.add_argument("--out", metavar="FILE", type=film, help="a film; default VARIANT.gif")
    parser.add_argument("--still", metavar="FILE.png", type=png, help="first, middle, last step")
    flags = parser.parse_args(argv)
    require_devices()
    try:
        shown = scene(flags.variant, **{n: v for n, v in vars(flags).items() if n in MEANINGS})
        asked = [path for path in (flags.out, flags.still) if path]
        for path in asked or [absolute_path(f"{flags.variant}.gif")]:
            films.save(shown, path, fps=flags.fps)
            print(path)
    except ValueError as error:
        raise ConfigError(str(error)) from error


VERBS: dict[str, Callable[[Sequence[str]], None]] = {
    verb.__name__: verb
    for verb in (summary, costs, stats, samples, augmentations, evaluate, misclassified, animate)
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the verb that ``argv`` (by default the program's arguments) begins with."""
    from jaxconv.training.checkpoint import CheckpointError

    failures = (CheckpointError, DataCorrupt, DataUnavailable, OSError, run_dir.RunDirError)
    try:
        _run(sys.argv[1:] if argv is None else argv)
        return 0
    except ConfigError as error:
        return _fail(error, 2)
    except failures as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)


def _run(argv: Sequence[str]) -> None:
    lines = [f"  {name:<15} {verb.__doc__}" for name, verb in VERBS.items()]
    usage = "\n".join(["usage: python -m jaxconv VERB [--help]", "", *lines])
    match argv:
        case ["-h" | "--help", *_]:
            print(usage)
        case [name, *rest] if name in VERBS:
            VERBS[name](rest)
        case [name, *_]:
            near = difflib.get_close_matches(name, VERBS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(VERBS)}"
            raise ConfigError(f"{name}: unknown verb; {hint}")
        case _:
            raise ConfigError(f"no verb given; expected one of {', '.join(VERBS)}")


def _fail(message: object, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


def _plain_parser(verb: Callable) -> OneLineParser:
    return OneLineParser(prog=_program(verb), description=verb.__doc__)


def _config_parser(verb: Callable, *, out: bool = False) -> OneLineParser:
    parser = fields_parser(_program(verb), verb.__doc__, default_config=DEFAULT_CONFIG)
    return _add_out(parser, verb) if out else parser


def _run_parser(verb: Callable, *, out: bool = False) -> OneLineParser:
    parser = _plain_parser(verb)
    parser.add_argument(
        "--workdir", metavar="DIR", type=absolute_path, required=True, help="of the training run"
    )
    return _add_out(parser, verb) if out else parser


def _add_out(parser: OneLineParser, verb: Callable) -> OneLineParser:
    default = absolute_path(f"{verb.__name__}.png")
    png, words = path_named("--out", ".png"), f"default {default.name}"
    parser.add_argument("--out", metavar="FILE.png", type=png, default=default, help=words)
    return parser


def _program(verb: Callable) -> str:
    return f"python -m jaxconv {verb.__name__}"


def _dataset(config: ConfigDict) -> Dataset:
    """The config's data set; which one it is and why goes to stderr, beside the result."""
    from jaxconv.build import build_dataset

    data = build_dataset(config)
    print(f"data: {data.name} ({data.reason}); {data.origin}", file=sys.stderr)
    return data


def _save(figure: Any, path: Path) -> None:
    from jaxconv.report.figures import save

    save(figure, path)
    print(path)


class Run(NamedTuple):
    """A finished or interrupted run: its config, its data, and the state of its best checkpoint."""

    config: ConfigDict
    data: Dataset
    training: Any  # build.Training
    state: Any  # training.step.TrainState
    step: int


def _load_run(workdir: Path) -> Run:
    from jaxconv.build import build_training
    from jaxconv.training.checkpoint import CheckpointError, Checkpoints
    from jaxconv.training.epochs import empty_tally
    from jaxconv.training.loop import Progress

    require_devices()
    run = run_dir.load(workdir)
    config = from_json_dict(run_dir.read_json(run.config_json))
    if not run.checkpoints.is_dir():
        raise CheckpointError(f"{run.path} has no checkpoint; train in it first")
    checkpoints = Checkpoints(run.checkpoints, read_only=True)
    try:
        step = checkpoints.best_step or checkpoints.latest_step
        if step is None:
            raise CheckpointError(f"{run.checkpoints} holds no whole checkpoint; train there first")
        data = _dataset(config)
        training = build_training(config, data)
        saved = checkpoints.restore(step, Progress(training.state, empty_tally()))
    finally:
        checkpoints.close()
    return Run(config, data, training, saved.state, step)
