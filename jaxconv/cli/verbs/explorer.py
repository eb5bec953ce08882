"""The verb that opens the explorer."""

from collections.abc import Sequence

from jaxconv.cli.flag_types import file_to_write
from jaxconv.cli.parsers import OneLineParser, plain_parser
from jaxconv.text import printable


def explore_parser(verb: str, words: str) -> OneLineParser:
    parser = plain_parser(verb, words)
    page = file_to_write("--out", ".html")
    words = "a copy of the page, to keep or to send; default none, the package's own is opened"
    parser.add_argument("--out", metavar="FILE.html", type=page, help=words)
    words = "print where the page is and open no browser; default off"
    parser.add_argument("--no-open", action="store_true", help=words)
    return parser


def explore(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Opens the explorer in a browser, and prints where its page is."""
    from jaxconv.explorer.page import PAGE, open_page, write_page

    flags = parser.parse_args(argv)
    page = write_page(flags.out) if flags.out else PAGE
    print(printable(page))
    if not flags.no_open and not open_page(page):
        print("no browser was found: open this file in one")
