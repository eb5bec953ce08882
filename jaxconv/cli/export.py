"""The verb that takes a trained network to other programs."""

from collections.abc import Sequence

from jaxconv.cli.parsers import network_parser
from jaxconv.cli.subject import Subject, parse_subject
from jaxconv.command_line import OneLineParser, path_named
from jaxconv.config import to_json_dict
from jaxconv.report import run_dir
from jaxconv.weights.card import Card, Weights, save_weights

_SELECTIONS = {
    "last": "the last epoch that was trained; none was chosen by its test accuracy",
    "best": "the epoch with the highest test accuracy",
}


def export_parser() -> OneLineParser:
    parser = network_parser(export)
    tensors = "FILE.safetensors"
    parser.add_argument(
        "--safetensors", metavar=tensors, type=path_named("--safetensors", ".safetensors"),
        help="weights with a card, for --weights; default none",
    )  # fmt: skip
    return parser


def export(argv: Sequence[str]) -> None:
    """Writes a trained network for other programs."""
    subject, flags = parse_subject(export_parser(), argv)
    if flags.safetensors:
        card = subject.card or card_of_run(subject, flags.checkpoint)
        save_weights(flags.safetensors, Weights(subject.state.variables, card))
        print(flags.safetensors)


def card_of_run(subject: Subject, checkpoint: str) -> Card:
    """What a weights file says of a run's network.

    Args:
        checkpoint: "last" or "best": how it was chosen.

    Raises:
        RunDirError: the network is from within an epoch: nobody measured it.
    """
    run = run_dir.load(subject.workdir)
    rows = [row for row in run_dir.read_metrics(run) if row["step"] == subject.step]
    if not rows:
        raise run_dir.RunDirError(
            f"{run.metrics_jsonl} has no row of step {subject.step}: the checkpoint is from within "
            "an epoch; go on with training, or give --checkpoint best"
        )
    (row,), made = rows, run_dir.read_json(run.environment_json)
    config = to_json_dict(subject.config)
    config["data"]["dir"] = None  # a place on this machine
    (normalize,) = [given for name, given in config["augment"]["transforms"] if name == "Normalize"]
    return Card(
        network="S9Net",
        dataset=subject.dataset,
        class_names=subject.class_names,
        mean=tuple(normalize["mean"]),
        std=tuple(normalize["std"]),
        test_accuracy=row["test_accuracy"],
        test_loss=row["test_loss"],
        selection=_SELECTIONS[checkpoint],
        epoch=row["epoch"],
        step=subject.step,
        seed=config["seed"],
        train_count=made["data"]["train"],
        test_count=made["data"]["test"],
        commit=made["git"] and made["git"]["commit"] + "+" * made["git"]["dirty"],
        trained_utc=made["time_utc"],
        device=f"{made['device']['count']} x {made['device']['kind']}",
        versions=made["versions"],
        config=config,
    )
