"""The verb on image files."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxconv.cli.parsers import network_parser
from jaxconv.cli.subject import Subject, parse_subject
from jaxconv.command_line import OneLineParser
from jaxconv.config import ConfigError
from jaxconv.data.image_files import ImageError, load_image


def predict_parser() -> OneLineParser:
    parser = network_parser(predict, takes="IMAGE ...")
    words = "files; cut to the centred square, then resized to 32x32: see docs/command_line.md"
    parser.add_argument("images", metavar="IMAGE", type=Path, nargs="*", help=words)
    words = "how many classes to tell, the likeliest first; default 3"
    parser.add_argument("--top", metavar="K", type=_positive, default=3, help=words)
    parser.add_argument("--json", action="store_true", help="a JSON list instead; default off")
    return parser


def predict(argv: Sequence[str]) -> None:
    """Tells what a trained network sees in image files, with probabilities."""
    subject, flags = parse_subject(predict_parser(), argv)
    if not flags.images:
        raise ConfigError("no image given; name files, as in python -m jaxconv predict cat.png")
    images, errors = _load_all(flags.images)
    if images:
        found = _classify(subject, list(images.values()), flags.top)
        rows = dict(zip(map(str, images), found, strict=True))
        print(_as_json(rows) if flags.json else _as_text(rows))
    if errors:
        raise ImageError("; ".join(errors))


def _load_all(paths: Sequence[Path]) -> tuple[dict[Path, np.ndarray], list[str]]:
    """The images that can be read, and what is wrong with the others."""
    images, errors = {}, []
    for path in paths:
        try:
            images[path] = load_image(path)
        except ImageError as error:
            errors.append(str(error))
    return images, errors


def _classify(
    subject: Subject, images: Sequence[np.ndarray], top: int
) -> list[list[tuple[str, float]]]:
    """For each image uint8 [h, w, c] the `top` likeliest classes and their probabilities."""
    from jaxconv.build import build_predict_step
    from jaxconv.training.loop import predict as probabilities_of

    step = build_predict_step(subject.config, len(subject.class_names))
    batch_size = min(len(images), subject.config.batch_size)
    probabilities = probabilities_of(step, subject.state, np.stack(images), batch_size=batch_size)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        [(subject.class_names[index], float(row[index])) for index in indices]
        for row, indices in zip(probabilities, order, strict=True)
    ]


def _as_json(rows: dict[str, list[tuple[str, float]]]) -> str:
    return json.dumps(
        [
            {"file": name, "classes": [{"name": n, "probability": p} for n, p in found]}
            for name, found in rows.items()
        ],
        indent=2,
    )


def _as_text(rows: dict[str, list[tuple[str, float]]]) -> str:
    lines = []
    for name, found in rows.items():
        lines.append(name)
        lines += [f"  {label:<12} {100 * probability:6.2f} %" for label, probability in found]
    return "\n".join(lines)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)
