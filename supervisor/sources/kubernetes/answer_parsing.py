"""From the bytes of an answer to the few fields that are used, within bounds for hostile servers.

Pure. msgspec skips all other fields (managedFields repeats every key) without an object for them,
and holds the interpreter for a fraction of the time of `json`, so that signals pass. An answer
that does not fit is parsed once more by `json`: the words about it come from there, by the
reader of the fields. Must not know the use of a field, nor the origin of the bytes.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import TypedDict

import msgspec

from .api_errors import BadDataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

VALUES = 100_000  # of an answer: 200 bytes each in memory
DEPTH = 100  # of nested lists and maps: `json` recurses, on the stack of a thread

_PIECE = 1 << 16  # bytes to look at without a break for other threads
_NO_JSON = "the server's answer is not JSON"
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


class _Change(TypedDict, total=False):
    time: str | None


_Annotations = TypedDict(
    "_Annotations",
    {"k8s.io/initial-events-end": str | None, "config-supervisor/pause": str | None},
    total=False,
)


class _Metadata(TypedDict, total=False):
    name: str | None
    namespace: str | None
    uid: str | None
    resourceVersion: str | None
    annotations: _Annotations | None
    creationTimestamp: str | None
    managedFields: list[_Change] | None


class _Common(TypedDict, total=False):
    kind: str
    metadata: _Metadata | None
    binaryData: dict[str, bytes] | None
    # Of the Status of an ERROR event.
    code: int
    message: str | None
    reason: str | None


class _Object(_Common, total=False):
    data: dict[str, str] | None


class _Secret(_Common, total=False):
    data: dict[str, bytes] | None


class _ListMetadata(TypedDict):
    resourceVersion: str


class _Event(TypedDict):
    type: str
    object: _Object


class _SecretEvent(TypedDict):
    type: str
    object: _Secret


class _List(TypedDict):
    metadata: _ListMetadata
    items: list[_Object] | None


class _SecretList(TypedDict):
    metadata: _ListMetadata
    items: list[_Secret] | None


class AnswerParser:
    """Parses lists and events of ConfigMaps, or of Secrets (`private`), to maps like `json`.

    Values in base64 are bytes already, unless they need words.
    """

    def __init__(self, *, private: bool) -> None:
        event, listing = (_SecretEvent, _SecretList) if private else (_Event, _List)
        self._event = msgspec.json.Decoder(event)
        self._list = msgspec.json.Decoder(listing)

    def event(self, text: bytes | bytearray) -> Any:
        """A line of a watch; raises BadDataError."""
        return _parsed(self._event, text)

    def listing(self, text: bytes | bytearray) -> Any:
        """A list; raises BadDataError."""
        return _parsed(self._list, text)


def _parsed(decoder: Any, text: bytes | bytearray) -> Any:
    if len(text) > VALUES and _may_be_too_many(text):
        _check(text)
    try:
        _check_encoding(text)
        return decoder.decode(text)
    except (ValueError, RecursionError):
        return parsed(text)


def parsed(text: bytes | bytearray) -> Any:
    """Any JSON; raises BadDataError before parsing would take much memory or stack."""
    _check(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadDataError(_NO_JSON) from exc


def _check_encoding(text: bytes | bytearray) -> None:
    """Raise UnicodeDecodeError for anything but UTF-8: the decoder passes over it in unused fields,
    and a broken `data` would be one.
    """
    if text.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(text), _PIECE):
        decoder.decode(text[start : start + _PIECE])
    decoder.decode(b"", final=True)


def _may_be_too_many(text: bytes | bytearray) -> bool:
    """Whether a decoder could make too many values: each but the first of a list or map follows a
    comma, and is at most six maps and lists.
    """
    commas = _count(text, b",")
    return commas > VALUES // 6 and commas + _count(text, b"{") > VALUES


def _count(text: bytes | bytearray, what: bytes) -> int:
    return sum(text.count(what, start, start + _PIECE) for start in range(0, len(text), _PIECE))


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
    if _openings(brackets) > DEPTH or b"[]" in brackets or b"{}" in brackets:
        raise BadDataError(f"the answer is nested deeper than {DEPTH} levels, or is not JSON")
    if brackets:
        raise BadDataError(_NO_JSON)


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
