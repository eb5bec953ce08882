"""The program: which verb, and how it ends."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, NoReturn

from jaxconv import __version__
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.outcomes import outcome
from jaxconv.cli.parsers import EXIT_CODES, OneLineParser
from jaxconv.cli.terminal import discard_broken_output, fail, standard_streams
from jaxconv.cli.verbs import (
    completion,
    data,
    distill,
    explorer,
    export,
    images,
    network,
    runs,
    train,
)
from jaxconv.runs import job
from jaxconv.runs.signals import end_at_once
from jaxconv.text import nearest


class Verb(NamedTuple):
    """A word that the program is called with, and what it does; to add one, add a row below."""

    words: str  # one sentence
    run: Callable[[OneLineParser, Sequence[str]], int | None]  # None is exit code 0
    make_parser: Callable[[str, str], OneLineParser]  # of its name and words


VERBS: Mapping[str, Verb] = {
    "train": Verb(
        "Trains the network that a config describes, or resumes its training.",
        train.train,
        train.train_parser,
    ),
    "summary": Verb(
        "Prints the table of the network's layers.", network.summary, network.summary_parser
    ),
    "costs": Verb(
        "Prints what each convolution costs for the same job.", network.costs, network.costs_parser
    ),
    "animate": Verb(
        "Draws a convolution at work: a film, a still of three steps, or both.",
        network.animate,
        network.animate_parser,
    ),
    "explore": Verb(
        "Opens the explorer, an interactive page of the convolutions.",
        explorer.explore,
        explorer.explore_parser,
    ),
    "stats": Verb(
        "Prints the statistics of the training and the test images.", data.stats, data.stats_parser
    ),
    "samples": Verb("Draws labelled training images.", data.samples, data.samples_parser),
    "augmentations": Verb(
        "Draws one training image under each augmentation of the config, by name.",
        data.augmentations,
        data.augmentations_parser,
    ),
    "distill": Verb(
        "Writes what trained networks say of the training images, for a student to learn from.",
        distill.distill,
        distill.distill_parser,
    ),
    "evaluate": Verb(
        "Measures a trained network on the whole test split.", runs.evaluate, runs.evaluate_parser
    ),
    "misclassified": Verb(
        "Draws test images that a trained network takes for something else.",
        runs.misclassified,
        runs.misclassified_parser,
    ),
    "compare": Verb(
        "Prints a table of runs and where their configs differ, and draws their curves together.",
        runs.compare,
        runs.compare_parser,
    ),
    "predict": Verb(
        "Prints the classes of image files by a trained network, with probabilities.",
        images.predict,
        images.predict_parser,
    ),
    "export": Verb(
        "Writes a trained network for other programs: give one file or more.",
        export.export,
        export.export_parser,
    ),
    "completion": Verb(
        "Prints a script for the shell that completes the command `jaxconv`.",
        lambda parser, argv: completion.completion(parser, argv, all_parsers),
        completion.completion_parser,
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the verb that `argv` (by default the program's arguments) begins with.

    Returns:
        The exit code. An error becomes a line on stderr; what the user can do nothing about is
        raised.
    """
    with standard_streams(), _drawing_to_files():
        try:
            try:
                code = _run(sys.argv[1:] if argv is None else argv) or 0
            except SystemExit:  # of --help
                sys.stdout.flush()
                raise
            sys.stdout.flush()
            return code
        except BaseException as error:
            found = outcome(error)
            if found is None:
                with job.leaving(1):
                    raise
            discard_broken_output()
            if found.line is not None:
                fail(found.line)
            job.leave(found.exit_code)
            return found.exit_code


def run_and_exit(argv: Sequence[str] | None = None) -> NoReturn:
    """`main`, and the end of the process."""
    code = main(argv)
    if code > 128:  # of a signal: where a thread still compiles, Python's own end could crash
        end_at_once(code)
    sys.exit(code)


def _run(argv: Sequence[str]) -> int | None:
    match argv:
        case ["-h" | "--help", *_]:
            print(_usage())
        case ["--version", *_]:
            print(f"jaxconv {__version__}")
        case [name, *rest] if name in VERBS:
            _require_whole(rest)
            verb = VERBS[name]
            return verb.run(verb.make_parser(name, verb.words), rest)
        case [name, *_]:
            near = nearest(name, VERBS)
            hint = f"did you mean {near}?" if near else f"expected one of {', '.join(VERBS)}"
            raise ConfigError(f"{name}: unknown verb; {hint}")
        case _:
            raise ConfigError(f"no verb given; expected one of {', '.join(VERBS)}")
    return None


def _require_whole(argv: Sequence[str]) -> None:
    """Refuses text that is not UTF-8, and `--flag=--`, at which argparse fails."""
    for argument in argv:
        if argument.startswith("--") and argument.endswith("=--"):
            raise ConfigError(f"{argument}: it has no value; write {argument[:-3]}=VALUE")
        try:
            argument.encode()
        except UnicodeEncodeError as error:  # Python stands such bytes for half a character each
            raise ConfigError(
                f"{argument}: not UTF-8; rename it, or name something else"
            ) from error


def _usage() -> str:
    lines = [f"  {name:<15} {verb.words}" for name, verb in VERBS.items()]
    head = "usage: jaxconv VERB [--help], python -m jaxconv VERB, jaxconv --version"
    return "\n".join([head, "", *lines, "", EXIT_CODES])


def all_parsers() -> dict[str, OneLineParser]:
    """The parser of each verb."""
    return {name: verb.make_parser(name, verb.words) for name, verb in VERBS.items()}


@contextlib.contextmanager
def _drawing_to_files() -> Iterator[None]:
    """A context in which matplotlib draws to files, whatever a notebook around it has set."""
    before = os.environ.get("MPLBACKEND")
    os.environ["MPLBACKEND"] = "agg"
    try:
        yield
    finally:
        del os.environ["MPLBACKEND"]
        if before is not None:
            os.environ["MPLBACKEND"] = before
