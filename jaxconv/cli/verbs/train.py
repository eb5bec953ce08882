"""The verb that trains: what it takes, and what is told when it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jaxconv.cli.build.data import build_dataset
from jaxconv.cli.build.teacher import teacher_file
from jaxconv.cli.config.command_line import parse_whole_config
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.config.file import config_path
from jaxconv.cli.config.json_form import to_json_dict
from jaxconv.cli.config.types import Config
from jaxconv.cli.flag_types import path_named
from jaxconv.cli.job_flags import Membership, add_job_flags, membership
from jaxconv.cli.outcomes import is_out_of_memory
from jaxconv.cli.parsers import OneLineParser, called_as, fields_parser
from jaxconv.cli.training_run import dry_run, train_in
from jaxconv.data.dataset import Dataset
from jaxconv.runs import job
from jaxconv.runs.facts import data_facts, facts
from jaxconv.runs.signals import StopRequest

MORE = """
Without --workdir the run is kept in runs/NAME, NAME being that of the config. The same command
resumes it. With --dry-run it is compiled and tried for a few steps, to see that it works;
nothing is kept.

The exit code is 130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP, with everything saved.
After a second Ctrl-C it ends at once, with 130, and the last checkpoint is kept. Of several
processes each ends with 143 where another one was told to stop, and with 3 where one is gone.
"""
KEPT = "what the last checkpoint holds is kept"


def train_parser(verb: str, words: str) -> OneLineParser:
    parser = fields_parser(verb, words + MORE, takes="--config NAME")
    words = "name of an installed config, or a FILE.py; required"
    parser.add_argument("--config", metavar="NAME", type=config_path, help=words)
    folder = path_named("--workdir")
    parser.add_argument(
        "--workdir", metavar="DIR", type=folder, help="folder of the run; default runs/NAME"
    )
    words = "compiles, tries a few steps of training and saving, keeps nothing; default off"
    parser.add_argument("--dry-run", action="store_true", help=words)
    words = "writes event files to DIR/tensorboard, without TensorFlow; default off"
    parser.add_argument("--tensorboard", action="store_true", help=words)
    add_job_flags(parser)
    return parser


def train(parser: OneLineParser, argv: Sequence[str]) -> int:
    """Trains as `argv` says; returns the exit code."""
    with StopRequest() as stop, _knowing_what_is_kept(stop):
        config, flags = parse_whole_config(parser, argv)
        member = membership(flags)
        if flags.dry_run:
            if member:
                raise ConfigError("--dry-run is for one process: leave out the flags of several")
            return dry_run(config)
        if flags.tensorboard and find_spec("tensorboardX") is None:
            raise ConfigError("--tensorboard: not installed; pip install 'jaxconv[tensorboard]'")
        dataset = None if member is None else _join(member, config)
        return train_in(
            flags.workdir or Path("runs") / flags.config.stem,
            config,
            stop,
            dataset=dataset,
            events=flags.tensorboard,
            again=[*called_as("train").split(), *argv],
        )


def _join(member: Membership, config: Config) -> Dataset:
    """Becomes one of several processes, which have all loaded the same data."""
    loaded: list[Dataset] = []

    def load() -> dict[str, Any]:
        loaded.append(build_dataset(config))
        teacher = teacher_file(config)
        taught = {} if teacher is None else {"data.teacher": teacher.digest}
        return data_facts(loaded[0]) | taught

    job.join(*member, facts=facts(to_json_dict(config)), load=load)
    return loaded[0]


@contextmanager
def _knowing_what_is_kept(stop: StopRequest) -> Iterator[None]:
    """Adds to an error what is not lost by it; one that a signal has caused becomes `Stopped`."""
    try:
        try:
            yield
        except Exception:
            stop.check()
            raise
    except Exception as error:
        if is_out_of_memory(error):
            error.add_note(f"{KEPT}: lower --config.batch_size, in a new --workdir")
        elif isinstance(error, OSError | RecursionError):
            error.add_note(f"{KEPT}: mend that and run the same command again")
        raise
    except KeyboardInterrupt as error:
        error.add_note(KEPT)
        raise
