"""The verb on image files."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.flag_types import at_least_1
from jaxconv.cli.parsers import OneLineParser, add_tta, network_parser
from jaxconv.cli.verbs.trained import Trained, parse_trained
from jaxconv.data.image_files import ImageError, load_image
from jaxconv.text import printable


def predict_parser(verb: str, words: str) -> OneLineParser:
    parser = network_parser(verb, words, takes="IMAGE ...")
    words = "image files; cut to the centred square, then resized to what the network takes"
    parser.add_argument("images", metavar="IMAGE", nargs="*", help=words)
    words = "number of classes to print, the likeliest first; default 3"
    parser.add_argument("--top", metavar="K", type=at_least_1, default=3, help=words)
    add_tta(parser, "predicts with test-time flips")
    parser.add_argument("--json", action="store_true", help="a JSON list instead; default off")
    return parser


def predict(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Prints the classes of image files by a trained network, with probabilities."""
    trained, flags = parse_trained(parser, argv)
    if not flags.images:
        raise ConfigError("no image given; name files, as in python -m jaxconv predict cat.png")
    names, images, errors = _load_all(flags.images, trained.network.image_shape[0])
    if images or flags.json:
        found = _classify(trained, images, flags.top, flips=flags.tta) if images else []
        rows = list(zip(names, found, strict=True))
        print(_as_json(rows) if flags.json else _as_text(rows))
    if errors:
        raise ImageError("; ".join(errors))


def _load_all(names: Sequence[str], size: int) -> tuple[list[str], list[np.ndarray], list[str]]:
    """The files that can be read, with their images, and what is wrong with the others."""
    readable, images, errors = [], [], []
    for name in names:
        try:
            images.append(load_image(Path(name), size))
            readable.append(name)
        except ImageError as error:
            errors.append(str(error))
    return readable, images, errors


Row = tuple[str, list[tuple[str, float]]]  # a file, and its classes with their probabilities


def _classify(
    trained: Trained, images: Sequence[np.ndarray], top: int, *, flips: bool
) -> list[list[tuple[str, float]]]:
    """For each image uint8 [h, w, c] the `top` likeliest classes and their probabilities."""
    probabilities = trained.network.predict(trained.state, np.stack(images), flips=flips)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        [(trained.class_names[index], float(row[index])) for index in indices]
        for row, indices in zip(probabilities, order, strict=True)
    ]


def _as_json(rows: Sequence[Row]) -> str:
    return json.dumps(
        [
            {"file": name, "classes": [{"name": n, "probability": p} for n, p in found]}
            for name, found in rows
        ],
        indent=2,
    )


def _as_text(rows: Sequence[Row]) -> str:
    lines = []
    for name, found in rows:
        lines.append(printable(name))
        lines += [
            f"  {printable(label):<12} {100 * probability:6.2f} %" for label, probability in found
        ]
    return "\n".join(lines)
