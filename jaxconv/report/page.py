"""HTML as nested values, escaped by construction, and the one style sheet of the report.

`element` escapes every child that is not `Markup` already: what comes from a data set or a config
can never become markup by accident.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape

# Nothing is fetched, run or sent: the page forbids itself every address but those of data.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --muted: #5b6672; --page: #f6f7f9;
  --card: #fff; --line: #dde2e8; --blue: 0 114 178; --vermilion: 213 94 0; --on-blue: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --muted: #a3aebb; --page: #12161c;
  --card: #1b212a; --line: #323b47; --blue: 30 132 196; --vermilion: 214 100 16; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: break-word;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1088px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { margin: 0; font-size: clamp(34px, 7vw, 56px); line-height: 1.1; letter-spacing: -0.02em; }
h2 { margin: 48px 0 4px; font-size: 22px; line-height: 1.3; }
h3 { margin: 28px 0 8px; font-size: 16px; }
p { margin: 4px 0 16px; color: var(--muted); max-width: 72ch; }
.eyebrow { color: var(--muted); margin: 0 0 8px; }
.lead { color: var(--ink); font-size: 18px; margin: 12px 0 4px; }
.facts { display: grid; gap: 12px; margin: 24px 0 0;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.fact { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 16px; }
.fact b { display: block; font-size: 21px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.fact span { color: var(--muted); font-size: 14px; }
.charts { display: grid; gap: 16px; margin-top: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); }
.charts img { display: block; width: 100%; background: #fff; padding: 8px; border-radius: 10px;
  border: 1px solid var(--line); }
@media (prefers-color-scheme: dark) {
  .charts img { filter: invert(0.89) hue-rotate(180deg); border-color: #d0d6dd; } }
.single { max-width: 520px; }
.zoom { margin: 0; min-width: 0; overflow-x: auto; }
.zoom summary { list-style: none; cursor: zoom-in; }
.zoom summary::-webkit-details-marker { display: none; }
.zoom[open] { grid-column: 1 / -1; }
.zoom[open] summary { cursor: zoom-out; }
.zoom[open] img { min-width: 800px; }
.single:has(.zoom[open]) { max-width: none; }
.tiles { display: grid; gap: 16px 12px; grid-template-columns: repeat(auto-fill,
  minmax(92px, 1fr)); }
.tiles.large { grid-template-columns: repeat(auto-fill, minmax(min(44%, 172px), 1fr)); }
figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; border-radius: 6px; image-rendering: pixelated; }
figcaption { margin-top: 4px; font-size: 13px; line-height: 1.4; white-space: pre-line; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
td, th { padding: 5px 14px 5px 0; text-align: left; vertical-align: top; font-weight: 400; }
tr + tr > * { border-top: 1px solid var(--line); }
thead th { color: var(--muted); border-bottom: 1px solid var(--line); white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.bar { display: inline-block; width: clamp(60px, 18vw, 240px); max-width: 100%; height: 10px;
  border-radius: 5px; margin-right: 8px; vertical-align: baseline;
  background: linear-gradient(to right, rgb(var(--blue)) var(--share), var(--line) var(--share)); }
.confusion { table-layout: fixed; width: 100%; max-width: 760px; font-size: 13px;
  border-collapse: separate; border-spacing: 1px; }
.confusion td { padding: 0; height: 40px; text-align: center; vertical-align: middle;
  white-space: nowrap; border: 0; border-radius: 3px;
  background: rgb(var(--tone) / var(--strength)); }
.confusion th { padding: 0 8px 0 0; border: 0; height: 40px; vertical-align: middle;
  text-align: right; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.confusion thead th { height: 92px; padding: 6px 0 0; text-align: left; writing-mode: vertical-rl;
  rotate: 180deg; }
.confusion col:first-child { width: 104px; }
.hit { --tone: var(--blue); }
.miss { --tone: var(--vermilion); }
.full { color: var(--on-blue); }
.none { color: var(--muted); opacity: 0.5; }
.fields th { color: var(--muted); white-space: nowrap; }
.fields td { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 13px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
details { margin-top: 12px; }
summary { cursor: pointer; }
pre { overflow-x: auto; padding: 16px; border: 1px solid var(--line); border-radius: 10px;
  background: var(--card); width: fit-content; max-width: 100%;
  font: 12.5px/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
@media (max-width: 560px) {
  main { padding: 24px 16px 48px; }
  .confusion { font-size: 10.5px; }
  .confusion td, .confusion th { height: 30px; }
  .confusion th { padding-right: 4px; }
  .confusion col:first-child { width: 66px; }
  .facts { grid-template-columns: 1fr 1fr; }
  .fields tr { display: block; padding: 6px 0; }
  .fields th, .fields td { display: block; border: 0; padding: 0; }
  .plain td, .plain th { padding-right: 10px; white-space: normal; }
  figcaption, .plain { font-size: 12px; }
  pre { font-size: clamp(8px, 2.15vw, 12px); padding: 12px; }
}
"""


class Markup(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """Returns one element; a trailing underscore in an attribute's name is dropped.

    >>> element("p", "1 < 2, ", element("b", "surely"), class_="note")
    '<p class="note">1 &lt; 2, <b>surely</b></p>'
    """
    names = (f' {name.rstrip("_")}="{escape(str(value))}"' for name, value in attributes.items())
    opening = f"<{tag}{''.join(names)}>"
    return Markup(opening if tag in ("img", "col") else f"{opening}{join(children)}</{tag}>")


def join(children: Iterable[object]) -> Markup:
    """Puts parts side by side, each escaped unless it is markup."""
    return Markup("".join(c if isinstance(c, Markup) else escape(str(c)) for c in children))


def image(data: bytes, kind: str, description: str) -> Markup:
    """Embeds a picture; `kind` is its media type, such as "image/png"."""
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return element("img", src=source, alt=description)


def zoomable(picture: Markup) -> Markup:
    """A picture that a click, or the Enter key, makes as wide as the page, and small again."""
    return element("details", element("summary", picture, title="Enlarge"), class_="zoom")


def section(heading: str, *children: object) -> Markup:
    return element("section", element("h2", heading), *children)


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, numeric: set[int]) -> Markup:
    """Returns a table that scrolls sideways by itself; columns in `numeric` are right-aligned."""

    def cells(tag: str, values: Sequence[object]) -> Markup:
        styles = ({"class_": "number"} if i in numeric else {} for i in range(len(values)))
        return element("tr", *(element(tag, v, **s) for v, s in zip(values, styles, strict=True)))

    head = element("thead", cells("th", header))
    body = element("tbody", *(cells("td", row) for row in rows))
    return element("div", element("table", head, body, class_="plain"), class_="scroll")


def document(title: str, *children: object) -> str:
    """Returns a whole page, in one file that asks nobody for anything."""
    meta = Markup(
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<link rel="icon" href="data:,">'
    )
    head = element("head", meta, element("title", title), element("style", Markup(_STYLE)))
    body = element("body", element("main", *children))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"
