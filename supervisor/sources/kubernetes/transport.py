"""The connections of an `ApiClient`: TLS trust, and bounds of an answer in time and size.

It must not know the requests, nor the meaning of an answer. Imported with the client library, on
whose connection pool it builds.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import socket
import ssl
import time

from urllib3 import connection, connectionpool
from urllib3.util import ssl_

from .api_errors import BadDataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _typeshed import WriteableBuffer


# The kernel finds a dead path in 40 s: silence, then unanswered probes (tcp(7)).
SOCKET_OPTIONS = (
    *connection.HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)


class Bounds:
    """The time and the number of bytes that are left for the current answer."""

    def __init__(self) -> None:
        self._until = self._left = self._most = float("inf")
        self._interrupted = False
        self._socket: socket.socket | None = None  # of the current connection

    def interrupt(self) -> None:
        """End the current exchange and all others, from any thread."""
        self._interrupted = True
        if self._socket is not None:
            with contextlib.suppress(OSError, TypeError):  # TLS within TLS is no socket
                # The method of SSLSocket would take the TLS layer from under the reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def connected(self, sock: socket.socket) -> None:
        """A connection was made."""
        self._socket = sock
        self.remaining()  # `interrupt` may have come before there was a connection

    def allow(self, seconds: float, size: float) -> None:
        """Begin to count: the answer may take `seconds` from now, and `size` bytes."""
        self._until = time.monotonic() + seconds
        self._left = size
        self._most = size

    def prolong(self, seconds: float) -> None:
        """Allow `seconds` from now; the number of bytes stays."""
        self._until = time.monotonic() + seconds

    def remaining(self) -> float:
        """The seconds that are left; raises TimeoutError without any."""
        seconds = self._until - time.monotonic()
        if seconds <= 0 or self._interrupted:
            raise TimeoutError
        return seconds

    def count(self, size: int) -> None:
        """Count received bytes; raises BadDataError when they are too many."""
        self._left -= size
        if self._left < 0:
            raise BadDataError(f"the answer is longer than {self._most / 2**20:.0f} MiB")


class _Reader(io.RawIOBase):
    """The bytes of a socket. Each read waits for the rest of the bounds only: a trickle ends in
    time too.
    """

    def __init__(self, sock: socket.socket, raw: Any, bounds: Bounds) -> None:
        self._sock = sock
        self._raw = raw
        self._bounds = bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self._bounds.remaining())
        count: int = self._raw.readinto(buffer)
        self._bounds.count(count)
        return count

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, bounds: Bounds, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        raw: Any = self.fp.detach()
        self.fp = io.BufferedReader(_Reader(sock, raw, bounds))


def pools(bounds: Bounds) -> dict[str, type[connectionpool.HTTPConnectionPool]]:
    """Pools for urllib3's `pool_classes_by_scheme`: their connections keep to the bounds, and trust
    as kubectl does.
    """
    bounded: Any = functools.partial(_Response, bounds=bounds)

    class Plain(connection.HTTPConnection):
        response_class = bounded

        def _new_conn(self) -> socket.socket:
            sock = super()._new_conn()
            try:
                left = bounds.remaining()
            except TimeoutError:
                sock.close()
                raise
            sock.settimeout(min(sock.gettimeout() or left, left))
            return sock

        def connect(self) -> None:
            super().connect()
            bounds.connected(self.sock)

    class Secure(Plain, connection.HTTPSConnection):
        def connect(self) -> None:
            # For each connection: after a change of the CA file the former must not stay trusted.
            self.ssl_context = _context(self)
            super().connect()

    class PlainPool(connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(connectionpool.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _context(conn: connection.HTTPSConnection) -> ssl.SSLContext:
    """The context of urllib3 without VERIFY_X509_STRICT, which Python 3.13 adds and client-go (Go's
    crypto/x509) lacks.

    CAs without keyUsage and certificates without an authority key identifier are common in old
    clusters. Chain and name are always verified; as in Go, any certificate of the CA file may end
    the chain.
    """
    context = ssl_.create_urllib3_context(cert_reqs=ssl_.resolve_cert_reqs(conn.cert_reqs))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not conn.ca_certs and not conn.ca_cert_data:
        context.load_default_certs()
    return context
