"""Removes the escape sequences of terminals from a stream, as `strip_ansi` of supervisord does.

Pure. A sequence begins with ESC [ and ends at the first of the letters below; it may lie in two
pieces of the stream.
"""

from __future__ import annotations

_BEGIN = b"\x1b["
_END = frozenset(b"HfABCDRsuJKhlpm")


class EscapeFilter:
    """A stream without its escape sequences."""

    def __init__(self) -> None:
        self._inside = False
        self._held = b""  # an ESC at the end of a piece

    def feed(self, data: bytes) -> bytes:
        """The text of the next piece."""
        data = self._held + data
        self._held = b""
        if not self._inside and _BEGIN[:1] not in data:
            return data
        text = []
        at = 0
        while at < len(data):
            if self._inside:
                end = next((i for i in range(at, len(data)) if data[i] in _END), -1)
                self._inside = end < 0
                at = len(data) if end < 0 else end + 1
                continue
            found = data.find(_BEGIN, at)
            if found < 0:
                rest = data[at:]
                if rest.endswith(_BEGIN[:1]):
                    self._held = _BEGIN[:1]
                    rest = rest[:-1]
                text.append(rest)
                break
            text.append(data[at:found])
            self._inside = True
            at = found + len(_BEGIN)
        return b"".join(text)

    def end(self) -> bytes:
        """An ESC that began no sequence."""
        held = self._held
        self._held = b""
        return held
