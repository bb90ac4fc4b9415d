"""The last bytes of a stream in memory, and the meaning of offsets in a log.

Offsets are those of supervisord's `readProcessLog` and `tailProcessLog`, for a file and for a ring:
a ring is a file whose beginning is gone. It opens no file.
"""

from __future__ import annotations

from _thread import allocate_lock

from ..core.primitives import deque

KEPT = 64 << 10  # bytes
_SMALL = 4096  # bytes of a piece that takes the next one


class BadSpanError(ValueError):
    """An offset or a length without a meaning: BAD_ARGUMENTS."""


def read_span(size: int, offset: int, length: int) -> tuple[int, int]:
    """Start and number of the bytes that a read means, in a log of that size.

    A negative offset counts from the end, with a length of 0; else a length of 0 is all the rest.
    Raises BadSpanError.
    """
    if offset < 0:
        if length:
            raise BadSpanError("a negative offset needs a length of 0")
        return max(0, size + offset), min(size, -offset)
    if length < 0:
        raise BadSpanError("the length is negative")
    rest = max(0, size - offset)
    return offset, rest if length == 0 else min(rest, length)


def tail_span(size: int, offset: int, length: int) -> tuple[int, int, bool]:
    """Start and number of the bytes that a tail means, and whether there are more than it asks for.

    The last `length` bytes, unless the log ends before the offset or just behind its bytes.
    """
    overflow = size > offset + length
    if overflow:
        offset = size - 1
    if offset + length > size:
        if offset > size - 1:
            length = 0
        offset = size - length
    start = max(0, offset)
    return start, max(0, min(length, size - start)), overflow


class Ring:
    """The last bytes of a stream, in pieces as they came. For any thread."""

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._pieces: deque[bytes] = deque()
        self._kept = 0  # bytes of the pieces; the first may hold more than is wanted
        self._size = 0  # all bytes since the last `clear`
        self._lock = allocate_lock()

    def add(self, data: bytes) -> None:
        pieces = self._pieces
        with self._lock:
            self._size += len(data)
            self._kept += len(data)
            if pieces and len(pieces[-1]) + len(data) <= _SMALL:
                pieces[-1] += data
            else:
                pieces.append(data)
            while self._kept - len(pieces[0]) >= self._most:
                self._kept -= len(pieces.popleft())

    def clear(self) -> None:
        with self._lock:
            self._size = 0
            self._kept = 0
            self._pieces.clear()

    def content(self) -> bytes:
        """All that is kept."""
        with self._lock:
            return self._all()

    def read(self, offset: int, length: int) -> bytes:
        """The bytes of a span, as far as they are kept. Raises BadSpanError."""
        with self._lock:
            return self._span(*read_span(self._size, offset, length))

    def tail(self, offset: int, length: int) -> tuple[bytes, int, bool]:
        """The bytes of a tail, the size of the log, and whether there were more."""
        with self._lock:
            start, count, overflow = tail_span(self._size, offset, length)
            return self._span(start, count), self._size, overflow

    def _all(self) -> bytes:
        return b"".join(self._pieces)[-self._most :]

    def _span(self, start: int, count: int) -> bytes:
        kept = self._all()
        gone = self._size - len(kept)
        return kept[max(0, start - gone) : max(0, start + count - gone)]
