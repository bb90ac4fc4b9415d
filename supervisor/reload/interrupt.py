"""The end of a wait, ordered by another thread.

Light: `socket` is imported once a socket is held. It knows nothing of requests or reloads.
"""

from __future__ import annotations

import errno
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket


class Interrupt(threading.Event):
    """An event whose setting also ends, at once, the wait of a thread on a socket."""

    def __init__(self) -> None:
        super().__init__()
        self._socket: socket.socket | None = None
        # The number of a closed socket may belong to another file: it must not be shut down.
        self._guard = threading.Lock()

    def set(self) -> None:
        super().set()
        with self._guard:
            if self._socket is None:
                return
            import socket

            try:
                # Not the method of an SSLSocket: it drops the TLS state, which the other thread
                # uses.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                pass  # not connected any more

    def hold(self, sock: socket.socket) -> None:
        """From now on `set` ends every wait on this socket; raises OSError after a `set`."""
        with self._guard:
            if self.is_set():
                raise ConnectionAbortedError(errno.ECONNABORTED, "interrupted")
            self._socket = sock

    def close(self, sock: socket.socket) -> None:
        """Close a socket that may be held."""
        with self._guard:
            self._socket = None
            sock.close()
