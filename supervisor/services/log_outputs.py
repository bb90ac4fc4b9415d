"""Our standard output and standard error, with one writer for the lines of all.

An output takes what its reader takes and holds the rest. No write changes the mode of a description
that others share: a pipe or a terminal is opened once more without waiting, and any other stream
gets pieces that fit where there is room. Files and devices that never wait are written directly.
For the thread of the relay.
"""

from __future__ import annotations

import os
import stat
from select import POLLOUT, poll

from ..core.errors import reason
from ..runtime import log

FULL = 256 << 10  # bytes that wait for their reader; then the writers wait too
_PIECE = 4096  # bytes that fit where poll(2) tells of room (pipe(7), PIPE_BUF)
_AGAIN = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
NAMES = {1: "standard output", 2: "standard error"}


class Output:
    """A stream of ours, written in whole lines."""

    def __init__(self, descriptor: int) -> None:
        self._name = NAMES[descriptor]
        self.descriptor = descriptor
        self._own = False  # whether the description is ours alone, and never waits
        self._waits = True  # whether a reader can be slow
        self._next: list[bytes] = []
        self._rest = memoryview(b"")
        self.size = 0  # bytes that are yet to be written
        self._failed = False
        self._look(descriptor)

    def _look(self, descriptor: int) -> None:
        try:
            mode = os.fstat(descriptor).st_mode
            terminal = stat.S_ISCHR(mode) and os.isatty(descriptor)
            self._waits = terminal or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
            if terminal or stat.S_ISFIFO(mode):
                self.descriptor = os.open(f"/proc/self/fd/{descriptor}", _AGAIN)
                self._own = True
        except OSError:
            pass  # it is closed, or belongs to another user: the first write tells

    @property
    def full(self) -> bool:
        return self.size >= FULL

    def put(self, lines: bytes) -> None:
        """Take whole lines; `flush` writes them."""
        self._next.append(lines)
        self.size += len(lines)

    def flush(self) -> None:
        """Write all that the reader takes now."""
        while self.size:
            if not self._rest:
                self._rest = memoryview(b"".join(self._next))
                self._next.clear()
            try:
                count = self._write()
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(error)
                return
            if not count:
                return
            self._failed = False
            self.size -= count
            self._rest = self._rest[count:]

    def _write(self) -> int:
        """The bytes that were written; 0 where there is no room."""
        if self._own or not self._waits:
            return os.write(self.descriptor, self._rest)
        look = poll()
        look.register(self.descriptor, POLLOUT)
        return os.write(self.descriptor, self._rest[:_PIECE]) if look.poll(0) else 0

    def _fail(self, error: OSError) -> None:
        """Drop what waits: the reader is gone, or the disk is full."""
        self._next.clear()
        self._rest = memoryview(b"")
        self.size = 0
        if not self._failed:
            self._failed = True
            log.warning(
                f"cannot write to {self._name}: {reason(error)}; lines of services are lost there"
                " until it takes them again",
                event="output_failed",
            )
