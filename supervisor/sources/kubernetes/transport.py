"""How the bytes of an answer arrive: whom TLS trusts, and bounds in time and size for whatever a
server sends.

Owns the connections of one `ApiClient`. It must not know what is asked, nor what an answer means.
Imported with the client library, whose connection pool it builds on.
"""

from __future__ import annotations

import functools
import http.client
import io
import ssl
import time

from urllib3 import connection, connectionpool
from urllib3.util import ssl_

from .api_errors import BadDataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from _typeshed import WriteableBuffer


class Bounds:
    """How long the bytes of the answer that is awaited may take, and how many they may be."""

    def __init__(self) -> None:
        self._until = self._left = self._most = float("inf")

    def allow(self, seconds: float, size: float) -> None:
        """Begin to count: the answer may take these seconds from now, and these bytes."""
        self._until, self._left, self._most = time.monotonic() + seconds, size, size

    def remaining(self) -> float:
        """Seconds; raises TimeoutError when there are none."""
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def count(self, size: int) -> None:
        """Count bytes that came; raises BadDataError when they are too many."""
        self._left -= size
        if self._left < 0:
            raise BadDataError(f"the answer is longer than {self._most / 2**20:.0f} MiB")


class _Reader(io.RawIOBase):
    """The bytes of a socket. Each read waits for what is left of the bounds, so that a trickle ends
    in time too.
    """

    def __init__(self, sock: socket.socket, raw: Any, bounds: Bounds) -> None:
        self._sock, self._raw, self._bounds = sock, raw, bounds

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
    """For urllib3's `pool_classes_by_scheme`: pools whose connections keep to the bounds and trust
    as kubectl does.
    """
    bounded: Any = functools.partial(_Response, bounds=bounds)

    class Plain(connection.HTTPConnection):
        response_class = bounded

        def _new_conn(self) -> socket.socket:
            sock = super()._new_conn()
            sock.settimeout(min(sock.gettimeout() or bounds.remaining(), bounds.remaining()))
            return sock

    class Secure(Plain, connection.HTTPSConnection):
        def connect(self) -> None:
            # For each connection: the CA file may be another one by now, and the former must not
            # stay trusted.
            self.ssl_context = _context(self)
            super().connect()

    class PlainPool(connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(connectionpool.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _context(conn: connection.HTTPSConnection) -> ssl.SSLContext:
    """As urllib3 makes it, but for VERIFY_X509_STRICT, which Python 3.13 adds and client-go (Go's
    crypto/x509) has not.

    CAs without keyUsage and certificates without an authority key identifier are common in old
    clusters. The chain and the name are verified as ever; as in Go, any certificate of the CA file
    may end the chain.
    """
    context = ssl_.create_urllib3_context(cert_reqs=ssl_.resolve_cert_reqs(conn.cert_reqs))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not conn.ca_certs and not conn.ca_cert_data:
        context.load_default_certs()
    return context
