"""The writer of a program's standard input: at once where the pipe has room, else by a thread.

It owns our end of the pipe. Bytes that wait have a bound, and the thread lives only while there are
some. It knows no service.
"""

from __future__ import annotations

import errno
import os
from select import POLLIN, POLLOUT, poll

from ..runtime import threads

MOST = 1 << 20  # bytes that wait for a program
_CHUNK = 64 << 10  # bytes of a write: the size of a pipe


class InputWriter:
    """`write` and `close` are for the main thread; nothing blocks there."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._fd = descriptor
        self._lock = threads.Lock()
        self._waiting = bytearray()
        self._wake = -1  # of the thread; -1 without one
        self._closed = False

    def write(self, data: bytes) -> None:
        """Write these bytes, now or once the program reads. Raises OSError, with nothing written:
        EPIPE where it has closed its end, EAGAIN where too many wait already.
        """
        with self._lock:
            if len(self._waiting) + len(data) > MOST:
                raise BlockingIOError(errno.EAGAIN, f"{len(self._waiting)} bytes wait already")
            if not self._waiting:
                data = data[self._put(data) :]
            if not data:
                return
            self._waiting += data
            if self._wake >= 0:
                return
            self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            try:
                threads.start(self._run, "standard input")
            except RuntimeError as error:
                self._rest()
                raise BlockingIOError(errno.EAGAIN, f"no thread can be had: {error}") from error

    def close(self) -> None:
        """The program has ended: bytes that wait are lost."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)
            else:
                os.close(self._fd)

    def _put(self, data: bytes) -> int:
        """Write as much as there is room for; the number of bytes."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def _run(self) -> None:
        look = poll()
        look.register(self._fd, POLLOUT)
        look.register(self._wake, POLLIN)
        while True:
            look.poll()
            with self._lock:
                try:
                    del self._waiting[: self._put(bytes(self._waiting[:_CHUNK]))]
                except OSError:
                    self._waiting.clear()  # the program reads no more
                if not self._waiting:
                    self._rest()
                    return

    def _rest(self) -> None:
        """The thread ends."""
        os.close(self._wake)
        self._wake = -1
        self._waiting.clear()
        if self._closed:
            os.close(self._fd)
