"""Fails the build where a page would load anything from another host. Links may lead there."""

from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}
LINKS = ("canonical", "next", "prev", "search", "index")  # of <link rel=...>: nothing is loaded


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", check)
    return {"parallel_read_safe": True}


class Loads(HTMLParser):
    """Collects the addresses that a browser fetches for a page."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "link" and given.get("rel") in LINKS:
            return
        self.found.append(given.get(LOADS.get(tag, ""), "") or "")


def foreign(html: str) -> list[str]:
    """What a page loads from another host."""
    loads = Loads()
    loads.feed(html)
    return [address for address in loads.found if address.startswith(("http:", "https:", "//"))]


def check(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    for path in sorted(Path(app.outdir).rglob("*.html")):
        if loaded := foreign(path.read_text("utf-8")):
            raise SphinxError(f"{path} loads {', '.join(loaded)}; the site must work offline")
