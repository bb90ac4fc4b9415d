"""The tables of supervisorctl for people, made of the supervisor's JSON."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

_DIGEST_LENGTH = 64
_SHORT_DIGEST = 8  # as the log has it


def status(text: str) -> str:
    """The page /status as a table."""
    return table(_status_rows(json.loads(text)))


def generations(text: str) -> str:
    """The list /generations as a table."""
    return table(_generation_rows(json.loads(text)))


def _status_rows(shown: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    """A row for each value, whichever the supervisor shows."""
    for section, content in shown.items():
        heading = section
        if isinstance(content, dict):
            for name, value in content.items():
                yield heading, name.replace("_", " "), cell(value)
                heading = ""
        elif isinstance(content, list):
            for entry in content:
                (_, first), *others = entry.items()
                about = ", ".join(
                    f"{key.replace('_', ' ')}: {cell(value)}" for key, value in others
                )
                yield heading, cell(first), about
                heading = ""
        else:
            yield heading, "", cell(content)


def _generation_rows(shown: Iterable[Mapping[str, Any]]) -> Iterable[Sequence[str]]:
    yield "number", "time (UTC)", "digest", "files", "bytes", ""
    for entry in shown:
        number = "newer" if entry["number"] is None else entry["number"]
        values = (number, *(entry[key] for key in ("time", "digest", "files", "bytes")))
        yield [*map(cell, (*values, entry["marks"]))]


def cell(value: object) -> str:
    """A value for people: `-` for none, digests as short as in the log."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    if isinstance(value, dict):
        return " ".join(cell(one) for one in value.values() if one is not None)
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(str(value).splitlines())
    return text[:_SHORT_DIGEST] if len(text) == _DIGEST_LENGTH and text.isalnum() else text


def table(rows: Iterable[Sequence[str]]) -> str:
    found = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in found) for column in range(len(found[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in found
    ]
    return "".join(f"{line.rstrip()}\n" for line in lines)
