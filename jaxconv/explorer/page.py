"""Where the page lies, and how it is copied and opened."""

import webbrowser
from pathlib import Path

from jaxconv.files import write_whole

PAGE = Path(__file__).with_name("explorer.html")


def write_page(out: Path) -> Path:
    """Copies the page to `out`, a file that works wherever it lies, and returns its absolute path.

    Raises:
        OSError: `out` cannot be written.
    """
    write_whole(out, PAGE.read_bytes())
    return out.absolute()


def open_page(page: Path = PAGE, *, state: str = "") -> bool:
    """Opens the page in the person's browser; False where there is none.

    Args:
        page: the page, or a copy of it.
        state: what the address of the page holds behind its "#", as in "v=transpose&n=4&s=2".
    """
    address = page.absolute().as_uri() + (f"#{state}" if state else "")
    return webbrowser.open(address)
