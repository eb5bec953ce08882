"""The verb that takes a trained network to other programs."""

from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from jaxconv.cli.parsers import network_parser
from jaxconv.cli.subject import Subject, parse_subject
from jaxconv.command_line import OneLineParser, path_named
from jaxconv.config import ConfigError, to_json_dict
from jaxconv.runs import run_dir
from jaxconv.text import one_line
from jaxconv.weights.card import Card, Weights, save_weights

_SELECTIONS = {
    "last": "the last epoch that was trained; none was chosen by its test accuracy",
    "best": "the epoch with the highest test accuracy",
}


def export_parser() -> OneLineParser:
    parser = network_parser(export)
    for name, ending, words in (
        ("safetensors", ".safetensors", "weights and their card, for --weights"),
        ("torch", ".safetensors", "a PyTorch state dict, for safetensors.torch.load_file"),
        ("stablehlo", ".stablehlo", "the whole network, uint8 images to probabilities, for JAX"),
    ):
        flag = f"--{name}"
        parser.add_argument(
            flag,
            metavar=f"FILE{ending}",
            type=path_named(flag, ending),
            help=f"{words}; no default",
        )
    return parser


def export(argv: Sequence[str]) -> None:
    """Writes a trained network for other programs: give one file or more."""
    subject, flags = parse_subject(export_parser(), argv)
    writers = {
        "safetensors": lambda path: _save_weights(path, subject, flags.checkpoint),
        "torch": lambda path: _save_torch(path, subject),
        "stablehlo": lambda path: _save_stablehlo(path, subject),
    }
    asked = {name: path for name in writers if (path := getattr(flags, name))}
    if not asked:
        raise ConfigError(f"nothing to write; give --{', --'.join(writers)} or more of them")
    for name, path in asked.items():
        writers[name](path)
        print(path)


def _save_weights(path: Path, subject: Subject, checkpoint: str) -> None:
    card = subject.card or card_of_run(subject, checkpoint)
    save_weights(path, Weights(subject.state.variables, card))


def _save_torch(path: Path, subject: Subject) -> None:
    from jaxconv.interop.files import save_state_dict
    from jaxconv.interop.torch import s9_state_dict

    state_dict = s9_state_dict(subject.state.variables, num_batches_tracked=subject.step)
    save_state_dict(path, state_dict, metadata={"format": "pt"})


def _save_stablehlo(path: Path, subject: Subject) -> None:
    from jaxconv.build import build_predict_step
    from jaxconv.interop.stablehlo import save_stablehlo

    step = build_predict_step(subject.config, len(subject.class_names))
    save_stablehlo(path, lambda images: step(subject.state, images))


def card_of_run(subject: Subject, checkpoint: str) -> Card:
    """What a weights file says of a run's network.

    Args:
        checkpoint: "last" or "best": how it was chosen.

    Raises:
        RunDirError: the network is from within an epoch: nobody measured it. Or a file is damaged.
    """
    run = run_dir.load(subject.workdir)
    rows = [row for row in run_dir.read_metrics(run) if row.get("step") == subject.step]
    if not rows:
        raise run_dir.RunDirError(
            f"{run.metrics_jsonl} has no row of step {subject.step}: the checkpoint is from within "
            "an epoch; go on with training, or give --checkpoint best"
        )
    row, made = rows[-1], run_dir.read_json(run.environment_json)
    config = to_json_dict(subject.config)
    config["data"]["dir"] = None  # a place on this machine
    mean, std = _normalization(subject.config)
    try:
        return Card(
            network="S9Net",
            dataset=subject.dataset,
            class_names=subject.class_names,
            mean=mean,
            std=std,
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
    except (KeyError, TypeError, ValueError) as error:
        raise run_dir.RunDirError(
            f"{run.path} does not tell all that a card needs ({one_line(error)}): "
            f"{run.metrics_jsonl.name} or {run.environment_json.name} is damaged; restore it"
        ) from error


def _normalization(config: ConfigDict) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation by which the config's images, in [0, 1], are normalised."""
    from jaxconv.build import build_pipeline

    given = [arguments for name, arguments in build_pipeline(config) if name == "Normalize"]
    if len(given) != 1:
        raise ConfigError(
            f"config.augment.transforms has {len(given)} of Normalize; a card tells of one"
        )
    ((unit, mean, std),) = [(a["max_pixel_value"] / 255, a["mean"], a["std"]) for a in given]
    return tuple(unit * value for value in mean), tuple(unit * value for value in std)
