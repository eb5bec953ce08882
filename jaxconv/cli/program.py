"""The program: which verb, and what to say when it fails."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxconv.cli import completion, data, export, images, network, runs
from jaxconv.cli.parsers import EXIT_CODES
from jaxconv.command_line import OneLineParser
from jaxconv.config import ConfigError
from jaxconv.data.dataset import DataCorrupt, DataUnavailable
from jaxconv.data.image_files import ImageError
from jaxconv.runs.run_dir import RunDirError
from jaxconv.terminal import fail
from jaxconv.text import nearest


class Verb(NamedTuple):
    run: Callable[[Sequence[str]], None]
    make_parser: Callable[[], OneLineParser]


VERBS = {
    "summary": Verb(network.summary, network.summary_parser),
    "costs": Verb(network.costs, network.costs_parser),
    "animate": Verb(network.animate, network.animate_parser),
    "stats": Verb(data.stats, data.stats_parser),
    "samples": Verb(data.samples, data.samples_parser),
    "augmentations": Verb(data.augmentations, data.augmentations_parser),
    "evaluate": Verb(runs.evaluate, runs.evaluate_parser),
    "misclassified": Verb(runs.misclassified, runs.misclassified_parser),
    "compare": Verb(runs.compare, runs.compare_parser),
    "predict": Verb(images.predict, images.predict_parser),
    "export": Verb(export.export, export.export_parser),
    "completion": Verb(completion.completion, completion.completion_parser),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the verb that ``argv`` (by default the program's arguments) begins with."""
    from jaxconv.training.checkpoint import CheckpointError
    from jaxconv.weights.card import WeightsError

    failures = (
        CheckpointError,
        DataCorrupt,
        DataUnavailable,
        ImageError,
        OSError,
        RunDirError,
        WeightsError,
    )
    try:
        _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return 0
    except ConfigError as error:
        return fail(error, 2)
    except BrokenPipeError:  # the reader has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except failures as error:
        return fail(error, 1)
    except KeyboardInterrupt:
        return fail("interrupted", 130)


def _run(argv: Sequence[str]) -> None:
    match argv:
        case ["-h" | "--help", *_]:
            print(_usage())
        case [name, *rest] if name in VERBS:
            VERBS[name].run(rest)
        case [name, *_]:
            near = nearest(name, VERBS)
            hint = f"did you mean {near}?" if near else f"expected one of {', '.join(VERBS)}"
            raise ConfigError(f"{name}: unknown verb; {hint}")
        case _:
            raise ConfigError(f"no verb given; expected one of {', '.join(VERBS)}")


def _usage() -> str:
    lines = [f"  {name:<15} {verb.run.__doc__}" for name, verb in VERBS.items()]
    return "\n".join(["usage: python -m jaxconv VERB [--help]", "", *lines, "", EXIT_CODES])
