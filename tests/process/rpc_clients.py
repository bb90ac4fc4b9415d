"""Clients of supervisord's sockets: `xmlrpc.client` over a unix socket, and bare requests."""

from __future__ import annotations

import base64
import http.client
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest

from tests.harness import wait_until

RPC_SECTION = """\
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""


def unix_section(path: str | Path, **keys: object) -> str:
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(["[unix_http_server]", f"file = {path}", *lines, "", RPC_SECTION])


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=15)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(15)
        self.sock.connect(self._path)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: str, login: str) -> None:
        headers = []
        if login:
            word = base64.b64encode(login.encode()).decode()
            headers = [("Authorization", f"Basic {word}")]
        super().__init__(headers=headers)
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        del host
        self._connection = ("localhost", _Connection(self._path))
        connection: http.client.HTTPConnection = self._connection[1]
        return connection

    def request(self, *words: Any, **more: Any) -> Any:
        try:
            return super().request(*words, **more)
        finally:
            self.close()


def proxy(path: str | Path, login: str = "") -> Any:
    """The methods of a socket; `login` is NAME:PASSWORD."""
    return xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(str(path), login))


def served(path: str | Path) -> Any:
    """The methods of a socket, once it is there."""
    wait_until(lambda: _listens(str(path)))
    return proxy(path)


def fault(call: Any, *arguments: object) -> tuple[int, str]:
    """The fault of a call."""
    with pytest.raises(xmlrpc.client.Fault) as raised:
        call(*arguments)
    return raised.value.faultCode, raised.value.faultString


def _listens(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        assert 0 == client.connect_ex(path), path


def sent(path: str | Path, data: bytes, *, end: bool = False) -> bytes:
    """The answer to these bytes; `end`: nothing follows them."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(15)
        client.connect(str(path))
        try:
            client.sendall(data)
            if end:
                client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))
        except (BrokenPipeError, ConnectionResetError):
            return b""


def posted(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """A request of a call."""
    size = len(body) if length is None else length
    lines = [b"POST /RPC2 HTTP/1.1", b"Host: a", b"Content-Length: %d" % size]
    return b"\r\n".join([*lines, b"Connection: close", *headers, b"", body])
