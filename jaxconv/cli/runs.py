"""The verbs on runs: how good a network is, where it errs, and how runs compare."""

from collections.abc import Sequence
from pathlib import Path

from jaxconv.cli.parsers import add_out, network_parser, plain_parser
from jaxconv.cli.pictures import save_picture
from jaxconv.cli.subject import dataset_of, parse_subject
from jaxconv.command_line import OneLineParser
from jaxconv.config import ConfigError
from jaxconv.runs import run_dir


def evaluate_parser() -> OneLineParser:
    return network_parser(evaluate)


def evaluate(argv: Sequence[str]) -> None:
    """Measures a trained network on the whole test split."""
    from jaxconv.build import build_evaluate

    subject, _ = parse_subject(evaluate_parser(), argv)
    data = dataset_of(subject)
    measured = build_evaluate(subject.config, data)(subject.state)
    print(
        f"step {subject.step} on {len(data.test.labels):,} test images of {data.name}: "
        f"accuracy {measured['test_accuracy']:.2f} %, loss {measured['test_loss']:.4f}"
    )


def misclassified_parser() -> OneLineParser:
    return add_out(network_parser(misclassified), "misclassified.png")


def misclassified(argv: Sequence[str]) -> None:
    """Draws test images that a trained network takes for something else."""
    from jaxconv.build import build_predict_step
    from jaxconv.report import figures
    from jaxconv.training.loop import predict

    subject, flags = parse_subject(misclassified_parser(), argv)
    data = dataset_of(subject)
    images, labels = data.test
    step = build_predict_step(subject.config, len(data.class_names))
    batch_size = subject.config.batch_size
    outputs = predict(step, subject.state, images, batch_size=batch_size).argmax(axis=1)
    title = f"Misclassified test images of {data.name}"
    figure = figures.misclassified(images, labels, outputs, data.class_names, title=title)
    save_picture(figure, flags.out)


def compare_parser() -> OneLineParser:
    parser = plain_parser(compare)
    words = "the workdir of a run; give two or more"
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help=words)
    return add_out(parser, "compare.png")


def compare(argv: Sequence[str]) -> None:
    """Prints a table of runs and where their configs differ, and draws their curves together."""
    from jaxconv.report.comparison import compare_curves, compare_table, read_record

    flags = compare_parser().parse_args(argv)
    if len(flags.runs) < 2:
        raise ConfigError("one run alone compares with nothing; give two or more workdirs")
    records = [read_record(run_dir.load(path), str(path)) for path in flags.runs]
    print(compare_table(records))
    save_picture(compare_curves(records), flags.out)
