"""From the bytes of an answer to the files of an object, within bounds for hostile servers.

Pure. It must not know the origin of the bytes, nor the wanted object.

Data and binaryData: https://kubernetes.io/docs/concepts/configuration/configmap/
"""

from __future__ import annotations

import binascii
import datetime as dt
import json
import re

from .api_errors import BadDataError, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

KEYS = 10_000  # of an object: as many as files of a directory
VALUES = 100_000  # of an answer: 200 bytes each in memory; managedFields repeats the keys
DEPTH = 100  # of nested lists and maps: the parser recurses, on the stack of a thread

_PIECE = 1 << 16  # bytes to look at without a break for other threads
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def parsed(text: bytes | bytearray) -> Any:
    """The JSON in an answer; raises BadDataError before parsing would take much memory or stack."""
    if _openings(text) > DEPTH or _openings(text) + text.count(b",") > VALUES:
        _check(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadDataError("the server's answer is not JSON") from exc


def _openings(text: bytes | bytearray) -> int:
    return text.count(b"[") + text.count(b"{")


def _check(text: bytes | bytearray) -> None:
    """Raise BadDataError for a text with too many values or levels outside of its strings."""
    values = 0
    brackets = b""
    for piece in _outside_strings(text):
        values += _openings(piece) + piece.count(b",")
        if values > VALUES:
            raise BadDataError(
                f"the answer has more than {VALUES:,} values, keys and their metadata counted"
            )
        brackets += piece.translate(None, _NO_BRACKET)
    for _ in range(DEPTH):
        inner = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if inner == brackets:
            break
        brackets = inner
    if brackets:
        raise BadDataError(f"the answer is nested deeper than {DEPTH} levels, or is not JSON")


def _outside_strings(text: bytes | bytearray) -> Iterator[bytes]:
    """A text without its strings, in pieces: every second part between quotes is a string."""
    inside = 0
    held = b""
    for start in range(0, len(text), _PIECE):
        piece = held + bytes(text[start : start + _PIECE])
        plain = _ESCAPE.sub(b"", piece)
        held = b"\\" if plain.endswith(b"\\") else b""  # the escaped byte is in the next piece
        parts = plain.split(b'"')
        yield b"".join(parts[inside::2])
        inside = (inside + len(parts) - 1) % 2


def files(obj: Any, *, private: bool) -> dict[str, bytes]:
    """Key to bytes, of data and binaryData: base64 but for a ConfigMap's data, which is text."""
    found: dict[str, bytes] = {}
    for field in ("data", "binaryData"):
        values = obj.get(field) or {}
        if not isinstance(values, dict):
            raise BadDataError(f"{field} is not a map")
        coded = private or field == "binaryData"
        found |= {key: _decoded(field, key, value, coded=coded) for key, value in values.items()}
    if len(found) > KEYS:
        raise BadDataError(f"it has {len(found):,} keys; the limit is {KEYS:,}")
    return found


def _decoded(field: str, key: str, value: Any, *, coded: bool) -> bytes:
    try:
        return binascii.a2b_base64(value, strict_mode=True) if coded else bytes(value.encode())
    except (ValueError, TypeError, AttributeError) as exc:
        form = "base64" if coded else "text"
        raise BadDataError(f"the value of {shown(repr(key))} in {field} is not {form}") from exc


def changed_at(meta: Any) -> float | None:
    """The time of the object's last change, epoch seconds: of its newest managedFields entry."""
    try:
        times = [entry["time"] for entry in meta.get("managedFields") or () if entry.get("time")]
        newest = max(times, default=None) or meta["creationTimestamp"]
        return dt.datetime.fromisoformat(newest).timestamp()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
