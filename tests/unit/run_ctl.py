"""supervisorctl in this process, and servers for it with a fixed answer."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from config_supervisor.control import client


class Ctl:
    """Runs supervisorctl in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._patch = monkeypatch
        self._capture = capfd
        self._patch.setenv("CONFIG_SUPERVISOR_CONTROL", "off")
        self._patch.setenv("CONFIG_SUPERVISOR_LISTEN", "off")

    def __call__(self, *words: str, **environ: str) -> tuple[int, str, str]:
        self._patch.setattr(sys, "argv", ["supervisorctl", *words])
        for name, value in environ.items():
            self._patch.setenv(name, value)
        code = client.main()
        return code, *self._capture.readouterr()


@contextlib.contextmanager
def answering(path: Path, answer: bytes) -> Iterator[str]:
    """A socket with a server for a single request, which sends these bytes.

    Before it, supervisorctl may ask whether several services run there: they do not.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                client = listener.accept()[0]
                with client:
                    probe = client.recv(1000).startswith(b"POST /RPC2 ")
                    client.sendall(response(404, "not found\n") if probe else answer)
                if not probe:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(path)
        thread.join(10)


def response(status: int, body: str, missing: int = 0) -> bytes:
    """An answer of the supervisor, of which `missing` bytes do not come."""
    head = f"HTTP/1.1 {status} Some Words\r\nContent-Length: {len(body) + missing}\r\n\r\n"
    return head.encode() + body.encode()


HERE = response(200, "ok: here\n")


@contextlib.contextmanager
def http(status: int, body: str) -> Iterator[str]:
    """A web server for a single request; its host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        thread.join(10)
