"""The verbs on trained networks: how good they are, and where they err."""

from collections.abc import Sequence

from jaxconv.cli.parsers import add_out, network_parser
from jaxconv.cli.pictures import save_picture
from jaxconv.cli.subject import dataset_of, parse_subject
from jaxconv.command_line import OneLineParser


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
