"""Lines to the system log: datagrams to /dev/log, as syslog(3) writes them.

A log that takes no more, or is not there, loses lines; that is told once. It never waits.
"""

from __future__ import annotations

import time
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, socket

from ..core.errors import reason
from ..runtime import log

PATH = "/dev/log"
_PRIORITY = 1 << 3 | 6  # LOG_USER, LOG_INFO
_NAME = "supervisord"


class SyslogSocket:
    """The way to the system log. For the thread of the relay."""

    def __init__(self, path: str = PATH) -> None:
        self._path = path
        self._socket: socket | None = None
        self._lost = 0
        self._told = False

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def write(self, name: str, lines: bytes) -> int:
        """Send whole lines, each behind the name of the service; the number of those lost."""
        at = time.strftime("%b %e %H:%M:%S")
        head = f"<{_PRIORITY}>{at} {_NAME}: {name} ".encode()
        lost = 0
        for line in lines[:-1].split(b"\n"):
            try:
                self._send(head + line)
            except OSError as error:
                lost += 1
                self._fail(error)
        if self._told and not lost:
            self._told = False
            log.warning(f"{self._path} takes lines again: {self._lost} are lost", event="syslog")
            self._lost = 0
        self._lost += lost
        return lost

    def _send(self, datagram: bytes) -> None:
        if self._socket is None:
            self._socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
            self._socket.connect(self._path)
        self._socket.send(datagram)

    def _fail(self, error: OSError) -> None:
        if self._socket is not None and not isinstance(error, BlockingIOError):
            self.close()  # the log may come back as another socket
        if not self._told:
            self._told = True
            log.warning(
                f"cannot write to the system log {self._path}: {reason(error)}; lines are lost"
                " there until it takes them",
                event="syslog",
            )
