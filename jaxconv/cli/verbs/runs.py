"""The verbs on runs: how good a network is, where it errs, and how runs compare."""

from collections.abc import Sequence

from jaxconv.cli.build.network import require_finite
from jaxconv.cli.config.added import ADDED
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.flag_types import path_named
from jaxconv.cli.parsers import OneLineParser, add_out, add_tta, network_parser, plain_parser
from jaxconv.cli.terminal import save_picture
from jaxconv.cli.verbs.trained import Trained, dataset_of, parse_trained
from jaxconv.data.dataset import Dataset
from jaxconv.runs import run_dir


def evaluate_parser(verb: str, words: str) -> OneLineParser:
    return add_tta(network_parser(verb, words), "also measures with test-time flips")


def evaluate(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Measures a trained network on the whole test split."""
    trained, flags = parse_trained(parser, argv)
    data = dataset_of(trained)
    print(_measured(trained, data, flips=False))
    if flags.tta:
        print(_measured(trained, data, flips=True))


def _measured(trained: Trained, data: Dataset, *, flips: bool) -> str:
    found = trained.network.evaluate(data, flips=flips)(trained.state)
    require_finite(found["test_loss"])
    how = ", with test-time flips" if flips else ""
    return (
        f"step {trained.step} on {len(data.test.labels):,} test images of {data.name}{how}: "
        f"accuracy {found['test_accuracy']:.2f} %, loss {found['test_loss']:.4f}"
    )


def misclassified_parser(verb: str, words: str) -> OneLineParser:
    return add_out(network_parser(verb, words), "misclassified.png")


def misclassified(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Draws test images that a trained network takes for something else."""
    from jaxconv.report import figures

    trained, flags = parse_trained(parser, argv)
    data = dataset_of(trained)
    images, labels = data.test
    outputs = trained.network.predict(trained.state, images).argmax(axis=1)
    title = f"Misclassified test images of {data.name}"
    figure = figures.misclassified(images, labels, outputs, data.class_names, title=title)
    save_picture(figure, flags.out)


def compare_parser(verb: str, words: str) -> OneLineParser:
    parser = plain_parser(verb, words)
    words = "the workdir of a run; give two or more"
    parser.add_argument("runs", metavar="RUN", type=path_named("RUN"), nargs="+", help=words)
    return add_out(parser, "compare.png")


def compare(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Prints a table of runs and where their configs differ, and draws their curves together."""
    from jaxconv.report.comparison import compare_curves, compare_table, read_record

    flags = parser.parse_args(argv)
    if len(flags.runs) < 2:
        raise ConfigError("one run alone compares with nothing; give two or more workdirs")
    records = [read_record(run_dir.load(path), str(path), added=ADDED) for path in flags.runs]
    print(compare_table(records))
    save_picture(compare_curves(records), flags.out)
