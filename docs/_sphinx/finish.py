"""The last touches of a built site: the explorer with a way back, and nothing of Sphinx's own."""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

EXPLORER = Path(__file__).resolve().parents[2] / "jaxconv" / "explorer" / "explorer.html"
SITE = '<meta name="site" content="index.html">'


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True}


def finish(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    site = Path(app.outdir)
    page, head, rest = EXPLORER.read_text("utf-8").partition("<head>")
    if not head:
        raise SphinxError(f"{EXPLORER} has no <head> to put the way back into")
    (site / EXPLORER.name).write_text(page + head + SITE + rest, "utf-8")
    for record in site.glob(".buildinfo*"):  # for builds that go on; ours start anew
        record.unlink()
