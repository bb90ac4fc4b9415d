"""A socket as http.client uses one, all of whose waits end at one moment.

A timeout of the socket itself counts from each byte to the next: a server that sends a byte now and
then would hold its client without an end. It knows nothing of what is sent.
"""

from __future__ import annotations

import errno
import io
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer


class TimedStream:
    """Sends and receives until a moment of time.monotonic(); then every call raises
    TimeoutError.
    """

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until
        # One for all answers: it may have read the begin of the next already.
        self._reader: io.BufferedReader = io.BufferedReader(_Reader(self))

    def _timed(self) -> socket.socket:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        self._sock.settimeout(left)
        return self._sock

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._timed().sendall(data)

    def receive(self, buffer: WriteableBuffer) -> int:
        """Receive what there is, at least a byte; 0 at the end."""
        return self._timed().recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The reader, the same at each call."""
        return self._reader

    def close(self) -> None:
        """http.client closes before it reads the body; the owner of the socket closes that in the
        end.
        """


class _Reader(io.RawIOBase):
    def __init__(self, stream: TimedStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._stream.receive(buffer)
