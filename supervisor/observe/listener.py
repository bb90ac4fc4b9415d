"""The listening socket of the port, on the first free number of a range.

It owns the socket's options and the log lines about the port; it must not know the pages.
"""

from __future__ import annotations

import errno
import socket
from functools import partial

from ..http_server.server import BACKLOG, RECEIVE_BUFFER
from ..runtime import log, shortages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Site(Protocol):
        """Serves a listening socket."""

        def serve(self, listener: socket.socket) -> None: ...

        def close(self) -> None: ...


def listen_at(host: str, port: int) -> socket.socket:
    """A listening socket; without a host for both address families, where the kernel has IPv6.
    Raises OSError, or OverflowError for a port that does not exist.
    """
    both = not host and socket.has_dualstack_ipv6()
    listener = socket.socket(socket.AF_INET6 if both or ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Each connection takes it from here.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if both or host == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener


def serve(host: str, ports: Sequence[int], site: Site) -> None:
    """Serve `site` on the first free port; the body of a thread. Returns, after a warning, if no
    port is free; waits for a descriptor.
    """
    shown = f"[{host}]" if ":" in host else host
    first = partial(_listen_first, host, ports)
    try:
        with shortages.outlast("open the port of metrics and probes", first) as listener:
            port = listener.getsockname()[1]
            # A port other than the user's choice stands only in the log.
            write = log.debug if port == ports[0] else log.info
            write(f"metrics and probes on {shown or '*'}:{port}", event="listening")
            site.serve(listener)
    except (OSError, OverflowError) as error:
        _cannot_listen(shown, ports, error)
    finally:
        site.close()


def _cannot_listen(shown: str, ports: Sequence[int], error: Exception) -> None:
    more = f" to {ports[-1]}" if len(ports) > 1 else ""
    taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
    remedy = "containers of a pod share their ports: choose another with --listen; "
    log.warning(
        f"cannot listen on {shown}:{ports[0]}{more}: {error}; {remedy if taken else ''}there are no"
        " metrics and no probes, everything else goes on",
        event="listen_failed",
    )


def _listen_first(host: str, ports: Sequence[int]) -> socket.socket:
    """A listening socket on the first free port. Raises OSError."""
    for port in ports[:-1]:
        try:
            return listen_at(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return listen_at(host, ports[-1])
