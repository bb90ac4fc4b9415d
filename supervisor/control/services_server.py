"""The way to a server of supervisord's protocol: a URL, a connection, calls, streams of logs.

It owns HTTP as far as that server speaks it. A connection serves one request. It must not know a
verb, nor how an answer looks to people.
"""

from __future__ import annotations

import _socket

from . import xml_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Socket = _socket.socket

_OK = 200
_UNIX = "unix://"
_HTTP = "http://"
_PORT = 80
_PIECE = 1 << 16


class StatusError(Exception):
    """The server answers with another status than 200."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"HTTP status {status} {words}".rstrip())
        self.status = status


class URLError(ValueError):
    """The URL names no server that can be reached."""


class Server:
    """A server, and the user to be there."""

    def __init__(self, url: str, username: str | None = None, password: str | None = None) -> None:
        self.url = url
        self.username = username
        self.password = password
        self._connected: Socket | None = None

    def at(self, url: str) -> Server:
        """Another server, for the same user."""
        return Server(url, self.username, self.password)

    def connect(self) -> None:
        """Connect, for the next request. Raises OSError, URLError."""
        if self._connected is None:
            self._connected = connection(self.url)

    def adopt(self, connected: Socket) -> None:
        """Use this connection for the next request."""
        self._connected = connected

    def call(self, method: str, *params: xml_values.Param) -> Any:
        """The value that a method returns. Raises Fault, StatusError, AnswerError, OSError."""
        body = xml_values.call(f"supervisor.{method}", params)
        about = ("Connection: close", "Content-Type: text/xml", f"Content-Length: {len(body)}")
        answer = self._request("POST /RPC2", body, about)
        return xml_values.answer(b"".join(answer.pieces()))

    def ask(self, line: str) -> tuple[int, str]:
        """The status and the text at a path; `line`: the method and the path. Raises OSError."""
        answer = self._request(line, b"", ("Connection: close", "Content-Length: 0"))
        answer.any_status = True
        text = b"".join(answer.pieces())
        return answer.status, text.decode(errors="replace")

    def follow(self, path: str) -> Answer:
        """The stream of a log; its head comes with its first piece. Raises OSError.

        In chunks: to a connection that is to be closed supervisord sends nothing before its end.
        """
        return self._request(f"GET {path}", b"", ())

    def _request(self, line: str, body: bytes, about: tuple[str, ...]) -> Answer:
        connected = self._connected or connection(self.url)
        self._connected = None
        head = [f"{line} HTTP/1.1", "Host: localhost", *about]
        if self.username is not None and self.password is not None:
            from binascii import b2a_base64

            both = f"{self.username}:{self.password}".encode()
            head.append(f"Authorization: Basic {b2a_base64(both, newline=False).decode()}")
        connected.sendall("\r\n".join([*head, "", ""]).encode() + body)
        return Answer(connected)


def connection(url: str) -> Socket:
    """A connection to `unix://PATH` or `http://HOST[:PORT]`. Raises OSError, URLError."""
    if url.startswith(_UNIX):
        made = _socket.socket(_socket.AF_UNIX)
        place: Any = url.removeprefix(_UNIX)
    elif url.startswith(_HTTP):
        family, kind, protocol, place = _looked_up(url.removeprefix(_HTTP))
        made = _socket.socket(family, kind, protocol)
    else:
        raise URLError(f"Unknown protocol for serverurl {url}")
    try:
        made.connect(place)
    except OSError:
        made.close()
        raise
    return made


def _looked_up(place: str) -> tuple[int, int, int, Any]:
    host, colon, port = place.partition("/")[0].rpartition(":")
    if not colon:
        host = port
        port = str(_PORT)
    if not port.isdecimal():
        raise URLError(f"{port} is no port of http://{place}")
    found = _socket.getaddrinfo(host.strip("[]"), int(port), 0, _socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    return family, kind, protocol, address


class Answer:
    """A response, as it comes."""

    def __init__(self, connected: Socket) -> None:
        self._connected = connected
        self._data = b""
        self._headed = False
        self._chunked = False
        self._left: int | None = None  # bytes until the end of the body, where they are known
        self.over = False
        self.status = _OK
        self.any_status = False  # else another status than 200 is an error

    def fileno(self) -> int:
        return self._connected.fileno()

    def close(self) -> None:
        self._connected.close()

    def pieces(self) -> Iterator[bytes]:
        """The body, piece by piece, to its end. Raises StatusError, OSError."""
        while not self.over:
            piece = self.read()
            if piece:
                yield piece
        self.close()

    def read(self) -> bytes:
        """The part of the body that came by now, which may be none; waits until something comes.

        Raises StatusError, OSError.
        """
        data = self._connected.recv(_PIECE)
        if not data:
            self.over = True
            if not self._headed or self._left:
                self.close()
                raise ConnectionAbortedError("the server closed the connection before it answered")
            return b""
        self._data += data
        if not self._headed and b"\r\n\r\n" in self._data:
            self._read_head()
        if not self._headed:
            return b""
        return self._chunks() if self._chunked else self._plain()

    def _read_head(self) -> None:
        self._headed = True
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        first, *lines = head.decode(errors="replace").split("\r\n")
        version, _, rest = first.partition(" ")
        status, _, words = rest.partition(" ")
        if not version.startswith("HTTP/") or not status.isdecimal():
            self.close()
            raise OSError(f"no answer of HTTP: {first[:80]!r}")
        self.status = int(status)
        if self.status != _OK and not self.any_status:
            self.close()
            raise StatusError(int(status), words)
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length", "")
        if length.isdecimal() and not self._chunked:
            self._left = int(length)

    def _plain(self) -> bytes:
        data = self._data
        self._data = b""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
            self.over = not self._left
        return data

    def _chunks(self) -> bytes:
        """The contents of all chunks that are complete."""
        found = b""
        while not self.over:
            line, end, rest = self._data.partition(b"\r\n")
            size = int(line.partition(b";")[0], 16) if end else 0
            if not end or len(rest) < size + len(end):
                break
            found += rest[:size]
            self._data = rest[size + len(end) :]
            self.over = not size
        return found
