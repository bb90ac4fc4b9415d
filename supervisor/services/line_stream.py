"""Bytes of a stream to whole lines.

Pure. It knows no sink and no service: a line is all up to a newline. A line without an end is cut
at a bound, so that a program which writes none costs no memory.
"""

from __future__ import annotations

MOST = 1 << 20  # bytes of a line
_NEWLINE = b"\n"


class LineStream:
    """The lines of a stream that comes in pieces."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._pieces: list[bytes] = []  # of the line that has no end yet
        self._size = 0
        self._cut = False  # whether the last line was cut just before the next byte

    def feed(self, data: bytes) -> bytes:
        """All lines that are whole now, each with its newline."""
        if self._cut and data:
            self._cut = False
            if data.startswith(_NEWLINE):  # the end of the line that was cut
                data = data[1:]
        end = data.rfind(_NEWLINE) + 1
        if not end:
            return self._keep(data)
        whole = data[:end]
        if self._pieces:
            whole = b"".join((*self._pieces, whole))
            self._pieces.clear()
            self._size = 0
        if end == len(data):
            return whole
        return whole + self._keep(data[end:])

    def end(self) -> bytes:
        """The last line, which had no newline; empty where there is none."""
        if not self._pieces:
            return b""
        line = b"".join((*self._pieces, _NEWLINE))
        self._pieces.clear()
        self._size = 0
        return line

    def _keep(self, data: bytes) -> bytes:
        """Keep the beginning of a line; the line itself, once it is too long."""
        if data:
            self._pieces.append(data)
            self._size += len(data)
        if self._size < self._most:
            return b""
        self._cut = True
        return self.end()
