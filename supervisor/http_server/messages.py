"""HTTP/1.1 as text (RFC 9110, RFC 9112): bytes to a request, a response to bytes.

Pure: it must not know sockets or pages. It reads the head of a request. Where no bodies are read,
a request with one ends its connection, because the body would pass for a request.
"""

from __future__ import annotations

import re
import time
from http import HTTPStatus

from .. import __version__
from ..core.record import Record

_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_START = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/([0-9])\.([0-9])")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")
_LENGTH_DIGITS = 18  # of a Content-Length
# A target in the form for proxies, which servers must accept too (RFC 9112, 3.2.2).
_ABSOLUTE = re.compile(r"https?://[^/?]*", re.IGNORECASE)


class Request(Record):
    method: str
    path: str  # without the query, as it was sent
    size: int  # bytes of the head
    accept: str = ""
    keep: bool = True  # the connection may stay for a further request
    query: str = ""  # as it was sent
    body: int = 0  # bytes of the body, where bodies are read
    authorization: str = ""  # the header, as it was sent
    minor: int = 1  # of the version: HTTP/1.0 knows no chunks


class Malformed(Exception):
    """The bytes are no request for a page; with the status to respond."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


def read(data: bytes | bytearray, most: int, *, bodies: bool = False) -> Request | None:
    """The head of the first request in `data`; None while its end is missing. Raises Malformed.

    `most` is the greatest size of a head; `most` bytes without its end are Malformed. With `bodies`
    the body may follow, of a size that the head names.
    """
    begins = len(data) - len(data.lstrip(b"\r\n"))  # empty lines may come first: RFC 9112, 2.2
    end = _EMPTY_LINE.search(data, begins)
    if end is None:
        if len(data) < most:
            return None
        raise _too_long(data[begins:], most)
    start, *lines = _LINE_END.split(bytes(data[begins : end.start()]))
    method, target, minor = _start(start)
    headers = _headers(lines)
    if minor and len(headers.get("host", ())) != 1:
        raise Malformed(HTTPStatus.BAD_REQUEST, "a request of HTTP/1.1 needs one Host header")
    words = {
        word.strip().lower() for value in headers.get("connection", ()) for word in value.split(",")
    }
    body = _body(headers) if bodies else 0
    unread = not bodies and (
        "transfer-encoding" in headers
        or any(value != "0" for value in headers.get("content-length", ()))
    )
    path, _, query = _ABSOLUTE.sub("", target, count=1).partition("?")
    return Request(
        method=method,
        path=path or "/",
        size=end.end(),
        accept=", ".join(headers.get("accept", ())),
        keep=bool(minor) and "close" not in words and not unread,
        query=query,
        body=body,
        authorization=" ".join(headers.get("authorization", ())),
        minor=minor,
    )


def _body(headers: dict[str, list[str]]) -> int:
    """The size of the body. Raises Malformed where the head does not name it."""
    if "transfer-encoding" in headers:
        raise Malformed(HTTPStatus.LENGTH_REQUIRED, "a body needs a Content-Length")
    lengths = {*headers.get("content-length", ("0",))}
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit()) or len(length) > _LENGTH_DIGITS:
        raise Malformed(HTTPStatus.BAD_REQUEST, "the Content-Length is no number of bytes")
    return int(length)


def _too_long(data: bytes | bytearray, most: int) -> Malformed:
    if b"\n" not in data:
        return Malformed(
            HTTPStatus.REQUEST_URI_TOO_LONG, f"the request line has more than {most} bytes"
        )
    return Malformed(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the headers have more than {most} bytes"
    )


def _start(line: bytes) -> tuple[str, str, int]:
    """Method, target and minor version."""
    found = _START.fullmatch(line)
    if found is None:
        raise Malformed(HTTPStatus.BAD_REQUEST, "the request line is not METHOD TARGET HTTP/1.1")
    method, target, major, minor = (group.decode() for group in found.groups())
    if major != "1":
        raise Malformed(
            HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1 are spoken here"
        )
    return method, target, int(minor)


def _headers(lines: list[bytes]) -> dict[str, list[str]]:
    """Values by name in lower case."""
    headers: dict[str, list[str]] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise Malformed(HTTPStatus.BAD_REQUEST, "a header is not NAME: VALUE")
        name, value = (group.decode("latin-1") for group in found.groups())
        headers.setdefault(name.lower(), []).append(value.strip())
    return headers


class Response(Record):
    status: int
    kind: str  # content type
    body: bytes
    allow: str = ""  # the allowed methods, in a refusal of another
    policy: str = ""  # of a page for a browser: https://www.w3.org/TR/CSP3/
    challenge: str = ""  # how to log in (RFC 7235), in a refusal without a password


def write(response: Response, *, head: bool, keep: bool, now: float) -> bytes:
    """The bytes of a response, without the body for HEAD; `now` in seconds since the epoch."""
    status = HTTPStatus(response.status)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Server: supervisor/{__version__}",
        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(now))}",
        f"Content-Type: {response.kind}",
        f"Content-Length: {len(response.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
    ]
    if response.allow:
        lines.append(f"Allow: {response.allow}")
    if response.policy:
        lines += [f"Content-Security-Policy: {response.policy}", "Referrer-Policy: no-referrer"]
    if response.challenge:
        lines.append(f"WWW-Authenticate: {response.challenge}")
    if not keep:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if head else response.body)


def stream_head(kind: str, *, chunked: bool, now: float) -> bytes:
    """The head of a response without an end; in chunks for HTTP/1.1."""
    lines = [
        "HTTP/1.1 200 OK",
        f"Server: supervisor/{__version__}",
        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(now))}",
        f"Content-Type: {kind}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "X-Accel-Buffering: no",  # nginx would keep the pieces back
        "Transfer-Encoding: chunked" if chunked else "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """A piece of a response in chunks (RFC 9112, 7.1); empty data would end the response."""
    return b"%x\r\n%b\r\n" % (len(data), data)
