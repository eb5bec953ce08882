"""The verbs on the network and its convolutions, which need no data."""

from collections.abc import Sequence

from jaxconv.cli.config.error import ConfigError
from jaxconv.cli.flag_types import absolute_path, add_size_flags, file_to_write
from jaxconv.cli.parsers import OneLineParser, plain_parser
from jaxconv.runs.devices import require_devices
from jaxconv.text import printable


def summary_parser(verb: str, words: str) -> OneLineParser:
    from jaxconv.models.summary import COLUMNS

    parser = plain_parser(verb, words)
    words = f"extra columns, separated by commas: {', '.join(COLUMNS)}; default none"
    parser.add_argument("--columns", metavar="NAMES", help=words)
    return parser


def summary(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Prints the table of the network's layers."""
    from jaxconv.models.s9 import S9Net
    from jaxconv.models.summary import format_summary, summarize

    flags = parser.parse_args(argv)
    require_devices()
    image_shape = (32, 32, 3)
    columns = flags.columns.split(",") if flags.columns else []
    try:
        print(format_summary(summarize(S9Net(), image_shape), image_shape, columns))
    except ValueError as error:
        raise ConfigError(f"--columns {flags.columns}: {error}") from error


def costs_parser(verb: str, words: str) -> OneLineParser:
    return plain_parser(verb, words)


def costs(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Prints what each convolution costs for the same job."""
    from jaxconv.models.cost import compare_costs, format_costs

    parser.parse_args(argv)
    require_devices()
    print(format_costs(compare_costs((32, 32, 32), 32)))


def animate_parser(verb: str, words: str) -> OneLineParser:
    from jaxconv.animation.cases import VARIANTS, explain_options
    from jaxconv.animation.film import RATE

    parser = plain_parser(verb, words)
    parser.add_argument("variant", metavar="VARIANT", help=f"one of {', '.join(VARIANTS)}")
    add_size_flags(parser, explain_options())
    words = f"steps per second; default {RATE:g}"
    parser.add_argument("--fps", metavar="RATE", type=float, default=RATE, help=words)
    film, png = file_to_write("--out", ".gif", ".mp4"), file_to_write("--still", ".png")
    parser.add_argument("--out", metavar="FILE", type=film, help="a film; default VARIANT.gif")
    words = "a picture of the first, the middle and the last step; default none"
    parser.add_argument("--still", metavar="FILE.png", type=png, help=words)
    return parser


def animate(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Draws a convolution at work: a film, a still of three steps, or both."""
    from jaxconv.animation.cases import MEANINGS, case
    from jaxconv.animation.film import save

    flags = parser.parse_args(argv)
    require_devices()
    try:
        shown = case(flags.variant, **{n: v for n, v in vars(flags).items() if n in MEANINGS})
        asked = [path for path in (flags.out, flags.still) if path]
        for path in asked or [absolute_path(f"{flags.variant}.gif", follow=False)]:
            save(shown, path, fps=flags.fps)
            print(printable(path))
    except ValueError as error:
        raise ConfigError(str(error)) from error
