"""The trained network that a verb is about: of a run, of a weights file, or of the package."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jaxconv.cli.parsers import DEFAULT_CONFIG
from jaxconv.command_line import OneLineParser, describe_fields, override
from jaxconv.config import ConfigError, field_paths, from_json_dict, load_config
from jaxconv.data.dataset import Dataset
from jaxconv.runs import run_dir
from jaxconv.runs.devices import require_devices

NEEDED = (  # of a network's config, to use it
    "batch_size",
    "dropout_rate",
    "dtype",
    "data.sources",
    "data.dir",
    "data.download",
    "data.train_limit",
    "data.test_limit",
    "augment.engine",
    "augment.transforms",
)


class Subject(NamedTuple):
    """A trained network, and the config that it was trained with."""

    config: ConfigDict
    class_names: tuple[str, ...]
    state: Any  # training.step.TrainState, of NumPy arrays; opt_state is empty
    step: int
    dataset: str  # what it was trained on
    workdir: Path | None  # where it is a run's
    card: Any  # weights.card.Card; None where it is a run's


def parse_subject(parser: OneLineParser, argv: Sequence[str]) -> tuple[Subject, argparse.Namespace]:
    """Reads the flags of a `network_parser`, and the network that they name.

    Fields on the command line override the config that the network was trained with; it is looked
    at on the data that it was trained on, unless ``--config.data.sources`` says otherwise.
    """
    flags, rest = parser.parse_known_args(argv)
    if flags.help:
        note = "a network keeps the config that it was trained with, not these defaults;"
        fields = describe_fields(load_config(DEFAULT_CONFIG), DEFAULT_CONFIG)
        print(parser.format_help(), note, fields, sep="\n")
        raise SystemExit(0)
    if flags.workdir and flags.weights:
        raise ConfigError("--workdir and --weights: one network at a time; give one of them")
    require_devices()
    if flags.workdir:
        subject = _of_run(flags.workdir, rest, parser.flag_names, best=flags.checkpoint == "best")
    else:
        subject = _of_file(flags.weights, rest, parser.flag_names)
    return subject, flags


def load_dataset(config: ConfigDict) -> Dataset:
    """The config's data set; which one it is and why goes to stderr, beside the result."""
    from jaxconv.build import build_dataset

    data = build_dataset(config)
    print(f"data: {data.name} ({data.reason}); {data.origin}", file=sys.stderr)
    return data


def dataset_of(subject: Subject) -> Dataset:
    """The data to look at the network with.

    Raises:
        ConfigError: its classes are not those of the network.
    """
    data = load_dataset(subject.config)
    if data.class_names != subject.class_names:
        raise ConfigError(
            f"the network was trained on {subject.dataset}, and {data.name} has other classes; "
            f"set --config.data.sources={subject.dataset}"
        )
    return data


def _of_file(path: Path | None, fields: Sequence[str], flags: Sequence[str]) -> Subject:
    from jaxconv.training.step import TrainState
    from jaxconv.weights.card import load_weights
    from jaxconv.weights.pretrained import PRETRAINED

    variables, card = load_weights(path or PRETRAINED)
    config = _overridden(from_json_dict(card.config), card.dataset, fields, flags)
    print(
        f"weights: {path or 'those of the package'}; {card.dataset}, epoch {card.epoch}, "
        f"test accuracy {card.test_accuracy:.2f} %",
        file=sys.stderr,
    )
    state = TrainState(card.step, variables["params"], variables["batch_stats"], ())
    return Subject(config, card.class_names, state, card.step, card.dataset, None, card)


def _of_run(workdir: Path, fields: Sequence[str], flags: Sequence[str], *, best: bool) -> Subject:
    from jaxconv.build import CLASS_NAMES, build_state_like
    from jaxconv.training.checkpoint import CheckpointError, Checkpoints
    from jaxconv.training.epochs import empty_tally
    from jaxconv.training.loop import Progress

    run = run_dir.load(workdir)
    trained = from_json_dict(run_dir.read_json(run.config_json))
    if not run.checkpoints.is_dir():
        raise CheckpointError(f"{run.path} has no checkpoint; train in it first")
    checkpoints = Checkpoints(run.checkpoints, read_only=True)
    try:
        made = run_dir.flatten(run_dir.read_json(run.environment_json))
        dataset = made.get("data.name")
        config = _overridden(trained, dataset, fields, flags)
        like = Progress(build_state_like(config, len(CLASS_NAMES[dataset])), empty_tally())
        step, progress = checkpoints.restore_chosen(like, best=best)
        state = progress.state._replace(opt_state=())
    finally:
        checkpoints.close()
    return Subject(config, CLASS_NAMES[dataset], state, step, dataset, run.path, None)


def _overridden(
    config: ConfigDict, dataset: str, fields: Sequence[str], flags: Sequence[str]
) -> ConfigDict:
    lacking = [name for name in NEEDED if name not in field_paths(config)]
    if lacking:
        raise ConfigError(
            f"the config that comes with the network lacks {', '.join(lacking)}; "
            "take the program that trained it"
        )
    config.data.sources = (dataset,)
    return override(config, fields, flags)
