"""Text, times and tables as HTML: nothing from outside becomes markup or moves other text.

It owns escaping and the bounds of a text. Pure; it must not know what a page is about.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WORD = 64  # characters
_NAME = 200
_SENTENCE = 500
_OUTPUT = 4000
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_SPANS = ((86400, "d"), (3600, "h"), (60, "min"))


def escaped(text: str) -> str:
    r"""Text for an element or a quoted attribute, with `\x1b`, `\u202e` and the like for
    characters that are not printed: controls, marks of direction, line ends.
    """
    if not text.isprintable():
        text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    return text.translate(_ENTITIES)


def name(text: str) -> str:
    """A name from outside, cut where it is long; its direction of writing stays its own."""
    return f"<bdi>{_cut(text, _NAME)}</bdi>"


def word(text: str) -> str:
    """A short text without spaces, such as a reason or a digest."""
    return escaped(text[:_WORD])


def title(text: str) -> str:
    """The title of a page."""
    return _cut(text, _NAME)


def sentence(text: str) -> str:
    """A message with text from outside."""
    return f"<bdi>{_cut(text, _SENTENCE)}</bdi>"


def output(text: str) -> str:
    """The output of a program, line by line; the end is what tells most."""
    left = text[:-_OUTPUT]
    lines = "\n".join(escaped(line) for line in text[-_OUTPUT:].split("\n"))
    note = f"({_size(left)} bytes left out) ..." if left else ""
    # HTML drops a line end that directly follows the tag.
    return f"<pre>\n{note}{lines}</pre>"


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return escaped(text)
    return f"{escaped(text[:most])} ... ({_size(text[most:])} bytes left out)"


def _size(text: str) -> int:
    return len(text.encode(errors="backslashreplace"))


def span(seconds: float) -> str:
    """A duration for people: its largest unit, and more digits while it is short."""
    for length, unit in _SPANS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(seconds, 0.0):.2g} s" if seconds < 10 else f"{int(seconds)} s"


def moment(at: str, shown: str) -> str:
    """A time in UTC, `2026-11-26T22:10:00Z`, with the words shown for it."""
    full = at.replace("T", " ").replace("Z", " UTC")
    return f'<time datetime="{at}" title="{full}">{shown}</time>'


def ago(at: str | None, seconds: float | None) -> str:
    """A time by its age."""
    if at is None or seconds is None:
        return "never"
    return moment(at, f"{span(seconds)} ago")


def section(key: str, heading: str, body: str) -> str:
    """A landmark with a heading; `key` is a word that no other section of the page has."""
    return f'<section aria-labelledby="{key}">\n<h2 id="{key}">{heading}</h2>\n{body}</section>\n'


def table(key: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a row for each entry, whose first cell names it; `key` is that of the section.

    On a narrow screen each cell becomes a line, with its head in front: see the style. Some
    browsers then no longer take it for a table, hence the roles.
    """
    top = "".join(f'<th scope="col" role="columnheader">{head}</th>' for head in heads)
    lines = [
        f'<table class="wide" role="table" aria-labelledby="{key}">\n',
        f'<thead role="rowgroup"><tr role="row">{top}</tr></thead>\n<tbody role="rowgroup">\n',
    ]
    for first, *cells in rows:
        lines.append(f'<tr role="row"><th scope="row" role="rowheader">{first}</th>')
        for head, cell in zip(heads[1:], cells, strict=True):
            lines.append(f'<td role="cell" data-head="{head}">{cell}</td>')
        lines.append("</tr>\n")
    return "".join([*lines, "</tbody>\n</table>\n"])


def facts(key: str, rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and values."""
    lines = (f'<tr><th scope="row">{head}</th><td>{value}</td></tr>\n' for head, value in rows)
    return f'<table aria-labelledby="{key}">\n<tbody>\n{"".join(lines)}</tbody>\n</table>\n'
