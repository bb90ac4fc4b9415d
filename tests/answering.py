"""A server on loopback with scripted answers, also as no library gives them: late, in pieces,
nonsense.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Self

Script = bytes | Callable[[socket.socket], object]


def answer(status: str, body: str = "", *headers: str) -> bytes:
    """A whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body.encode())}", *headers, "", body]
    return "\r\n".join(lines).encode()


def hang(connection: socket.socket) -> None:
    """Send nothing, until the other side gives up."""
    with contextlib.suppress(OSError):
        connection.recv(1)


class Answering:
    """Plays a script per connection, in order, the last again and again; keeps the requests."""

    def __init__(
        self,
        *scripts: Script,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.asked: list[str] = []
        # Released at the begin and at the end of each connection.
        self.connected = threading.Semaphore(0)
        self.gone = threading.Semaphore(0)
        self._scripts, self._tls = list(scripts), tls
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def url(self, path: str = "/", userinfo: str = "") -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{userinfo}127.0.0.1:{self.port}{path}"

    def heads(self) -> Sequence[str]:
        """The first line of each request."""
        return [request.partition("\r\n")[0] for request in self.asked]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self.connected.release()
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
            with contextlib.suppress(OSError), connection:
                connection.settimeout(15)
                self._answer(connection, script)
            self.gone.release()

    def _answer(self, plain: socket.socket, script: Script) -> None:
        connection = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(4096)
                if not piece:
                    return
                head += piece
            self.asked.append(head.decode())
            if isinstance(script, bytes):
                connection.sendall(script)
            else:
                script(connection)
