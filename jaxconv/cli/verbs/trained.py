"""The trained network that a verb is about: of a run, of a weights file, or of the package."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from jaxconv.cli.build.data import build_dataset
from jaxconv.cli.build.network import Network, build_network, require_finite, state_like
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.field_help import describe_fields
from jaxconv.cli.config.fields import field_paths
from jaxconv.cli.config.file import DEFAULT_CONFIG, load_config
from jaxconv.cli.config.json_form import from_json_dict
from jaxconv.cli.config.overrides import override
from jaxconv.cli.config.types import Config
from jaxconv.cli.parsers import OneLineParser
from jaxconv.cli.terminal import tell
from jaxconv.data.dataset import Dataset
from jaxconv.data.sources import SOURCES
from jaxconv.runs import run_dir
from jaxconv.runs.devices import require_devices

if TYPE_CHECKING:
    from jaxconv.training.step import TrainState
    from jaxconv.weights.card import Card


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


class Trained(NamedTuple):
    """A trained network, and the config that it was trained with."""

    config: Config
    network: Network
    class_names: tuple[str, ...]
    state: TrainState  # of NumPy arrays; opt_state is empty
    step: int
    dataset: str  # what it was trained on
    workdir: Path | None = None  # where it is a run's
    card: Card | None = None  # where it is a file's


def parse_trained(parser: OneLineParser, argv: Sequence[str]) -> tuple[Trained, argparse.Namespace]:
    """Reads the flags of a `network_parser`, and the network that they name.

    Fields on the command line override the config that the network was trained with; it is looked
    at on the data that it was trained on, unless `--config.data.sources` says otherwise.
    """
    flags, rest = parser.read(argv)
    if flags.help:
        note = "a network keeps the config that it was trained with, not these defaults;"
        fields = describe_fields(load_config(DEFAULT_CONFIG), DEFAULT_CONFIG)
        print(parser.format_help(), note, fields, sep="\n")
        raise SystemExit(0)
    if flags.workdir and flags.weights:
        raise ConfigError("--workdir and --weights: one network at a time; give one of them")
    if flags.checkpoint == "best" and not flags.workdir:
        raise ConfigError("--checkpoint best: of which run? give its --workdir")
    require_devices()
    if flags.workdir:
        best = flags.checkpoint == "best"
        trained = _of_run(flags.workdir, rest, parser.flag_names, best=best)
    else:
        trained = _of_file(flags.weights, rest, parser.flag_names)
    # XLA's ReLU may make 0 of NaN, so that not every output would tell.
    for array in jax.tree.leaves(trained.network.folded(trained.state)):
        require_finite(array)
    return trained, flags


def load_trained(path: Path, *, best: bool) -> Trained:
    """The network of a run, its last or its best one, or of a weights file."""
    if path.suffix == ".safetensors":
        return _of_file(path, [], [])
    return _of_run(path, [], [], best=best)


def load_dataset(config: Config) -> Dataset:
    """The config's data set; which one it is and why goes to stderr, beside the result."""
    data = build_dataset(config)
    tell(f"data: {data.name} ({data.reason}); {data.origin}")
    return data


def dataset_of(trained: Trained) -> Dataset:
    """The data to look at the network with.

    Raises:
        ConfigError: its classes are not those of the network.
    """
    data = load_dataset(trained.config)
    if data.class_names != trained.class_names:
        raise ConfigError(
            f"the network was trained on {trained.dataset}, and {data.name} has other classes; "
            f"set --config.data.sources={trained.dataset}"
        )
    return data


def _of_file(path: Path | None, fields: Sequence[str], flags: Sequence[str]) -> Trained:
    from jaxconv.training.step import TrainState
    from jaxconv.weights.card import load_weights
    from jaxconv.weights.pretrained import PRETRAINED

    variables, card = load_weights(path or PRETRAINED)
    config = _overridden(from_json_dict(card.config), card.dataset, fields, flags)
    tell(
        f"weights: {path or 'those of the package'}; {card.dataset}, epoch {card.epoch}, "
        f"test accuracy {card.test_accuracy:.2f} %"
    )
    step: Any = card.step
    state = TrainState(step, variables["params"], variables["batch_stats"], ())
    network = build_network(config, len(card.class_names))
    return Trained(config, network, card.class_names, state, card.step, card.dataset, card=card)


def _of_run(workdir: Path, fields: Sequence[str], flags: Sequence[str], *, best: bool) -> Trained:
    from jaxconv.training.checkpoint import CheckpointError, Checkpoints
    from jaxconv.training.epochs import empty_tally
    from jaxconv.training.loop import Progress

    run = run_dir.load(workdir)
    config = from_json_dict(run_dir.read_json(run.config_json))
    if not run.checkpoints.is_dir():
        raise CheckpointError(f"{run.path} has no checkpoint; train in it first")
    checkpoints = Checkpoints(run.checkpoints, read_only=True)
    try:
        if checkpoints.latest_step is None:
            raise CheckpointError(f"{run.checkpoints} holds no whole checkpoint; train there first")
        dataset, class_names = _trained_on(run, run_dir.read_json(run.environment_json))
        config = _overridden(config, dataset, fields, flags)
        network = build_network(config, len(class_names))
        state = state_like(network, averaged=config.ema_decay > 0)
        like = Progress(state, empty_tally())
        step, progress = checkpoints.restore_chosen(like, best=best)
        state = progress.state._replace(opt_state=())
    finally:
        checkpoints.close()
    return Trained(config, network, class_names, state, step, dataset, workdir=run.path)


def _trained_on(run: run_dir.RunDir, environment: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """What a run was trained on, and what the outputs of its network mean.

    Raises:
        RunDirError: its `environment.json` does not tell, or tells of what nobody knows.
    """
    made = run_dir.flatten(environment)
    name = made.get("data.name")
    if not isinstance(name, str) or name not in SOURCES:
        raise run_dir.RunDirError(
            f"{run.environment_json}: data.name is {name!r}, expected one of {', '.join(SOURCES)}; "
            "restore it, or go on with training, which writes it"
        )
    names = made.get("data.class_names", SOURCES[name].class_names)
    if not isinstance(names, list | tuple) or not all(type(one) is str for one in names):
        raise run_dir.RunDirError(
            f"{run.environment_json} does not tell data.class_names, a list of texts; "
            "restore it, or go on with training, which writes it"
        )
    return name, tuple(names)


def _overridden(
    config: Config, dataset: str, fields: Sequence[str], flags: Sequence[str]
) -> Config:
    present = set(field_paths(config))
    lacking = [name for name in NEEDED if name not in present]
    if lacking:
        raise ConfigError(
            f"the config that comes with the network lacks {', '.join(lacking)}; "
            "take the program that trained it"
        )
    config.data.sources = (dataset,)
    return override(config, fields, flags)
