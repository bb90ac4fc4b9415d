"""A client's socket: all waits end at one moment, or as soon as another thread interrupts them.

The timeout of a socket counts from each byte to the next: a slow trickle of bytes would hold the
client without an end. The resolver alone cannot be interrupted. This module knows nothing of the
bytes.
"""

from __future__ import annotations

import errno
import io
import os
import select
import socket
import time

from ..core.errors import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from types import TracebackType
    from typing import Self

    from _typeshed import WriteableBuffer

    from .interrupt import Interrupt

_LEAST_WAIT = 0.001  # seconds: a timeout of 0 would make the socket non-blocking
_MOST_WAIT = 86400.0  # seconds: poll(2) takes no more than 24 days


class DeadlineSocket:
    """A connected socket, to be used as a context; http.client takes it for a socket.

    After `until`, a moment of time.monotonic(), every call raises TimeoutError.
    """

    def __init__(self, sock: socket.socket, until: float, interrupt: Interrupt) -> None:
        """`interrupt` holds the socket already."""
        self._sock, self._until, self._interrupt = sock, until, interrupt
        # The same for all answers: it may have read the begin of the next already.
        self._reader: io.BufferedReader = io.BufferedReader(_Reader(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._interrupt.close(self._sock)

    def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Go on in TLS, with a server of this name; raises OSError, an ssl.SSLError included."""
        secured = context.wrap_socket(
            self._sock, server_hostname=name, do_handshake_on_connect=False
        )
        self._sock = secured  # the plain one is empty now
        self._interrupt.hold(secured)
        self._limited()
        secured.do_handshake()

    def sendall(self, data: bytes) -> None:
        self._limited().sendall(data)

    def end_sending(self) -> None:
        self._limited().shutdown(socket.SHUT_WR)

    def recv_into(self, buffer: WriteableBuffer) -> int:
        """Receive at least a byte; 0 at the end."""
        return self._limited().recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The reader, the same at each call."""
        return self._reader

    def close(self) -> None:
        """Nothing: http.client closes before it reads the body; the context closes the socket."""

    def _limited(self) -> socket.socket:
        left = self._until - time.monotonic()
        if left <= 0:
            raise _timed_out()
        self._sock.settimeout(min(max(_LEAST_WAIT, left), _MOST_WAIT))
        return self._sock


class _Reader(io.RawIOBase):
    def __init__(self, sock: DeadlineSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._sock.recv_into(buffer)


def connect_tcp(host: str, port: int, until: float, interrupt: Interrupt) -> DeadlineSocket:
    """Connect to the first address of `host` with an answer; raises OSError.

    `localhost` is ::1, then 127.0.0.1, whatever the resolver makes of it: servers bind either.
    """
    problem: OSError = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    found = _addresses(host, port)
    for index, (family, address) in enumerate(found):
        # A silent address must not use up the time of the next.
        share = max(0.0, until - time.monotonic()) / (len(found) - index)
        try:
            sock = _connected(family, address, share, interrupt)
        except OSError as error:  # also of a kernel without the family
            problem = error
        else:
            return DeadlineSocket(sock, until, interrupt)
        if interrupt.is_set():
            break
    raise problem


def connect_unix(path: str, until: float, interrupt: Interrupt) -> DeadlineSocket:
    """Connect to a stream socket of unix(7); raises OSError."""
    seconds = max(0.0, until - time.monotonic())
    sock = _connected(socket.AF_UNIX, path, seconds, interrupt)
    return DeadlineSocket(sock, until, interrupt)


def _addresses(host: str, port: int) -> list[tuple[int, object]]:
    hosts = ("::1", "127.0.0.1") if host.lower() == "localhost" else (host,)
    try:
        return [
            (family, address)
            for name in hosts
            for family, *_, address in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        ]
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, f"no address: {reason(error)}") from error


def _connected(family: int, address: object, seconds: float, interrupt: Interrupt) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        _connect(sock, address, seconds, interrupt)
    except OSError:
        interrupt.close(sock)
        raise
    return sock


def _connect(sock: socket.socket, address: object, seconds: float, interrupt: Interrupt) -> None:
    sock.setblocking(False)
    problem = sock.connect_ex(address)  # type: ignore[arg-type] # an address of the socket's family
    # Not before: shutdown(2) does not wake a socket before it connects.
    interrupt.hold(sock)
    if problem == errno.EINPROGRESS:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        if not poll.poll(min(seconds, _MOST_WAIT) * 1000):
            raise _timed_out()
        problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if problem:
        raise OSError(problem, os.strerror(problem))


def _timed_out() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
