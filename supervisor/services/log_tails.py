"""Clients that follow a log: /logtail of a service, and /mainlogtail.

It owns the queue between the writer of a log and each client: a slow client loses bytes, and is
told how many; it never holds a log up. For the server's thread, but for `Tail.add`.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from . import main_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..http_server.calls import Calls
    from ..http_server.router import Exchange

HEAD_BYTES = 1024  # of the log before the request, as supervisord sends them
_KIND = "text/plain;charset=utf-8"
_QUEUED = 256 << 10  # bytes that wait for a client
_LOOK_SECONDS = 0.25  # between two looks at the main log, while a client follows it
_CLEAR_SECONDS = 5.0  # between two looks for clients that went away
_CUT = "==> File truncated <==\n"  # in the words of supervisord


class Tail:
    """A client, and the bytes on their way to it."""

    def __init__(self, exchange: Exchange, calls: Calls) -> None:
        self._exchange = exchange
        self._connection = exchange.connection
        self._calls = calls
        self._send: Callable[[bytes], None] | None = None
        self._lock = allocate_lock()
        self._queue: list[bytes] = []
        self._queued = 0
        self._lost = 0
        self._called = False

    @property
    def here(self) -> bool:
        return self._connection.here

    def open(self, head: bytes) -> None:
        """Begin the response, with the log before the request."""
        with self._lock:
            self._queue.insert(0, head)
        self._send = self._exchange.follow(_KIND)
        self.send()

    def add(self, data: bytes) -> None:
        """Send bytes, soon; from any thread, never blocks."""
        with self._lock:
            if self._queued + len(data) > _QUEUED:
                self._lost += len(data)
                return
            self._queue.append(data)
            self._queued += len(data)
            if self._called:
                return
            self._called = True
        self._calls.put(self.send)

    def send(self) -> None:
        """Send the bytes that wait, unless the client has yet to take others."""
        if not self.here or self._send is None:
            return
        if len(self._connection.unsent) > 0:
            self._calls.after(_LOOK_SECONDS, self.send)
            return
        with self._lock:
            data = b"".join(self._queue)
            lost = self._lost
            self._queue = []
            self._queued = self._lost = 0
            self._called = False
        if lost:
            data += b"==> %d bytes left out: the reader is slow <==\n" % lost
        if data:
            self._send(data)


class Tails:
    """All clients that follow."""

    def __init__(self, most: int, calls: Calls) -> None:
        self._most = most
        self._calls = calls
        self._tails: list[tuple[Tail, Callable[[], None]]] = []
        self._looking = False

    def full(self) -> bool:
        self._clear()
        return len(self._tails) >= self._most

    def begin(
        self,
        exchange: Exchange,
        head: Callable[[], bytes],
        follow: Callable[[Callable[[bytes], None]], Callable[[], None]],
    ) -> None:
        """Send the head, then all that `follow` hands on; its result ends the following.

        Bytes that are written meanwhile may come twice; none is missing. The errors of both are
        raised before the response begins.
        """
        tail = Tail(exchange, self._calls)
        end = follow(tail.add)
        try:
            tail.open(head())
        except BaseException:
            end()
            raise
        self._tails.append((tail, end))
        self._look_later()

    def begin_main(self, exchange: Exchange, path: str) -> None:
        """Follow the main log. Raises OSError."""
        os.close(main_log.opened(path))
        tail = Tail(exchange, self._calls)
        tail.open(b"")
        _MainTail(tail, path, self._calls).look()
        self._tails.append((tail, _nothing))

    def _clear(self) -> None:
        gone = [end for tail, end in self._tails if not tail.here]
        self._tails = [(tail, end) for tail, end in self._tails if tail.here]
        for end in gone:
            end()

    def _look_later(self) -> None:
        """End the following of clients that went away."""
        if self._tails and not self._looking:
            self._looking = True
            self._calls.after(_CLEAR_SECONDS, self._look)

    def _look(self) -> None:
        self._looking = False
        self._clear()
        self._look_later()


def _nothing() -> None:
    """The main log tells no thread of its bytes."""


class _MainTail:
    """Looks at the main log while its client is there: the writer of that log tells no thread."""

    def __init__(self, tail: Tail, path: str, calls: Calls) -> None:
        self._tail = tail
        self._path = path
        self._calls = calls
        self._inode = 0
        self._at = -HEAD_BYTES

    def look(self) -> None:
        if not self._tail.here:
            return
        try:
            self._read()
        except OSError:
            pass  # it is about to be made again
        self._calls.after(_LOOK_SECONDS, self.look)

    def _read(self) -> None:
        descriptor = main_log.opened(self._path)
        try:
            found = os.fstat(descriptor)
            if self._at < 0:
                self._at = max(0, found.st_size + self._at)
            elif found.st_ino != self._inode:
                self._at = 0
            elif found.st_size < self._at:
                self._at = 0
                self._tail.add(_CUT.encode())
            self._inode = found.st_ino
            data = os.pread(descriptor, _QUEUED // 2, self._at)
        finally:
            os.close(descriptor)
        self._at += len(data)
        if data:
            self._tail.add(data)
