"""The arguments of a request to the control socket: the part of its target behind `?`.

Pure.
"""

from __future__ import annotations

_MOST_SECONDS = 10 * 365 * 24 * 3600.0  # to wait: as long as an option may be


def argument(query: str, name: str) -> str:
    """The value of an argument, empty if it is not given."""
    text = dict(pair.partition("=")[::2] for pair in query.split("&")).get(name, "")
    if "%" in text:
        from urllib.parse import unquote

        return unquote(text, errors="replace")
    return text


def patience(query: str) -> float | None:
    """The patience of a client, None if it has no end. Raises ValueError."""
    text = argument(query, "seconds")
    if not text:
        return None
    found = float(text)
    if not 0 <= found <= _MOST_SECONDS:
        raise ValueError(f"{text} is not a number of seconds")
    return found
