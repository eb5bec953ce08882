"""The verb that takes a trained network to other programs."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jaxconv.augment.transform import Transform
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.json_form import to_json_dict
from jaxconv.cli.flag_types import file_to_write
from jaxconv.cli.parsers import OneLineParser, network_parser
from jaxconv.cli.verbs.trained import Trained, parse_trained
from jaxconv.runs import run_dir
from jaxconv.text import one_line, printable
from jaxconv.weights.card import Card, Weights, save_weights

_SELECTIONS = {
    "last": "the last epoch that was trained; none was chosen by its test accuracy",
    "best": "the epoch with the highest test accuracy",
}


def export_parser(verb: str, words: str) -> OneLineParser:
    parser = network_parser(verb, words)
    for name, ending, words in (
        ("safetensors", ".safetensors", "weights and their card, for --weights"),
        ("torch", ".safetensors", "a PyTorch state dict, for safetensors.torch.load_file"),
        ("stablehlo", ".stablehlo", "the whole network, uint8 images to probabilities, for JAX"),
    ):
        flag = f"--{name}"
        parser.add_argument(
            flag,
            metavar=f"FILE{ending}",
            type=file_to_write(flag, ending),
            help=f"{words}; no default",
        )
    return parser


def export(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Writes a trained network for other programs: give one file or more."""
    trained, flags = parse_trained(parser, argv)
    writers = {
        "safetensors": lambda path: _save_weights(path, trained, flags.checkpoint),
        "torch": lambda path: _save_torch(path, trained),
        "stablehlo": lambda path: _save_stablehlo(path, trained),
    }
    asked = {name: path for name in writers if (path := getattr(flags, name))}
    if not asked:
        raise ConfigError(f"nothing to write; give --{', --'.join(writers)} or more of them")
    if len(set(asked.values())) < len(asked):
        raise ConfigError("two of the files to write are the same; give each a name of its own")
    for name, path in asked.items():
        writers[name](path)
        print(printable(path))


def _save_weights(path: Path, trained: Trained, checkpoint: str) -> None:
    card = trained.card or card_of_run(trained, checkpoint)
    save_weights(path, Weights(trained.state.variables, card))


def _save_torch(path: Path, trained: Trained) -> None:
    from jaxconv.interop.files import save_state_dict
    from jaxconv.interop.torch import s9_state_dict

    variables, model = trained.state.variables, trained.network.model
    state_dict = s9_state_dict(variables, model, num_batches_tracked=trained.step)
    save_state_dict(path, state_dict, metadata={"format": "pt"})


def _save_stablehlo(path: Path, trained: Trained) -> None:
    from jaxconv.interop.stablehlo import save_stablehlo

    network = trained.network
    folded = network.folded(trained.state)
    save_stablehlo(path, partial(network.probabilities, folded), image_shape=network.image_shape)


def card_of_run(trained: Trained, checkpoint: str) -> Card:
    """What a weights file says of a run's network.

    Args:
        checkpoint: "last" or "best": how it was chosen.

    Raises:
        RunDirError: the network is from within an epoch: nobody measured it. Or a file is damaged.
    """
    run = run_dir.load(trained.workdir or "")
    rows = [row for row in run_dir.read_metrics(run) if row.get("step") == trained.step]
    if not rows:
        raise run_dir.RunDirError(
            f"{run.metrics_jsonl} has no row of step {trained.step}: the checkpoint is from within "
            "an epoch; go on with training, or give --checkpoint best"
        )
    row, made = rows[-1], run_dir.read_json(run.environment_json)
    config = to_json_dict(trained.config)
    config["data"]["dir"] = None  # a place on this machine
    if config["distill"]["teacher"] is not None:
        config["distill"]["teacher"] = Path(config["distill"]["teacher"]).name
    mean, std = _normalization(trained.network.pipeline)
    try:
        return Card(
            network="S9Net",
            dataset=trained.dataset,
            class_names=trained.class_names,
            mean=mean,
            std=std,
            test_accuracy=row["test_accuracy"],
            test_loss=row["test_loss"],
            selection=_SELECTIONS[checkpoint],
            epoch=row["epoch"],
            step=trained.step,
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


def _normalization(pipeline: Sequence[Transform]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation by which images in [0, 1] are normalised."""
    given = [arguments for name, arguments in pipeline if name == "Normalize"]
    if len(given) != 1:
        raise ConfigError(
            f"config.augment.transforms has {len(given)} of Normalize; a card tells of one"
        )
    ((unit, mean, std),) = [(a["max_pixel_value"] / 255, a["mean"], a["std"]) for a in given]
    return tuple(unit * value for value in mean), tuple(unit * value for value in std)
