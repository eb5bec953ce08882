"""The verb that makes a teacher's logits of trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxconv.cli.config.command_line import parse_whole_config
from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.flag_types import at_least_1, file_to_write, path_named
from jaxconv.cli.parsers import OneLineParser, config_parser
from jaxconv.cli.verbs.trained import Trained, load_dataset, load_trained
from jaxconv.data.dataset import Dataset
from jaxconv.runs.devices import require_devices
from jaxconv.text import printable

if TYPE_CHECKING:
    from jaxconv.cli.build.network import Network


def distill_parser(verb: str, words: str) -> OneLineParser:
    parser = config_parser(verb, words, takes="RUN ... --out FILE.safetensors")
    words = "workdirs of runs, or weights files; of several the mean of their logits"
    parser.add_argument("runs", metavar="RUN", type=path_named("RUN"), nargs="*", help=words)
    words = "what is written, for --config.distill.teacher; no default"
    file = file_to_write("--out", ".safetensors")
    parser.add_argument("--out", metavar="FILE.safetensors", type=file, help=words)
    words = "augmented views of each training image; default 32"
    parser.add_argument("--views", metavar="N", type=at_least_1, default=32, help=words)
    parser.add_argument(
        "--checkpoint", choices=("last", "best"), default="last",
        help="of the runs: the last epoch, or the best on the test images; default last",
    )  # fmt: skip
    return parser


def distill(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Writes what trained networks say of the training images, for a student to learn from."""
    config, flags = parse_whole_config(parser, argv)
    if not flags.runs:
        raise ConfigError("no teacher given; name the workdirs of runs, or weights files")
    if flags.out is None:
        raise ConfigError("--out: not given; name the file to write, as in --out t.safetensors")
    require_devices()
    from jaxconv.augment.device import alternates
    from jaxconv.cli.build.data import with_statistics
    from jaxconv.cli.build.distillation import make_teacher
    from jaxconv.cli.build.network import build_network, check_network
    from jaxconv.data.teacher import save_teacher

    check_network(config)
    teachers = {path: load_trained(path, best=flags.checkpoint == "best") for path in flags.runs}
    data = load_dataset(config)
    config = with_statistics(config, data)
    student = build_network(config, len(data.class_names))
    if flags.views % 2 and config.augment.engine == "device" and alternates(student.pipeline):
        raise ConfigError(
            f"--views={flags.views}: AlternatingFlip mirrors every other view; of an odd number "
            "the last and the first would show the same side; give an even one"
        )
    for path, teacher in teachers.items():
        _require_alike(path, teacher, data, student)
    networks = [(teacher.network, teacher.state) for teacher in teachers.values()]
    try:
        made = make_teacher(config, data, student, networks, views=flags.views)
    except ValueError as error:
        raise ConfigError(f"{', '.join(map(str, teachers))}: {error}; take others") from error
    save_teacher(flags.out, made)
    print(printable(flags.out))


def _require_alike(path: Path, teacher: Trained, data: Dataset, student: Network) -> None:
    """Raises ConfigError where a teacher knows other classes, or sees other images."""
    if teacher.class_names != data.class_names:
        raise ConfigError(
            f"{path} was trained on {teacher.dataset}, and {data.name} has other classes; "
            f"set --config.data.sources={teacher.dataset}, or take another teacher"
        )
    normalized = [
        [step for step in steps if step.name == "Normalize"]
        for steps in (teacher.network.pipeline, student.pipeline)
    ]
    if teacher.network.image_shape != student.image_shape:
        raise ConfigError(
            f"{path} takes images of {teacher.network.image_shape}, and --config gives it "
            f"{student.image_shape}; set --config.data.image_size, or take another teacher"
        )
    if normalized[0] != normalized[1]:
        raise ConfigError(
            f"{path} was trained with another Normalize than that of --config: its images would "
            "be other numbers; give --config.augment.transforms the one of that run"
        )
