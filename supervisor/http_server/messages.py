"""HTTP/1.1 as text (RFC 9110, RFC 9112): bytes to a request, a response to bytes.

Pure: it must not know sockets or pages. It reads the requests of probes, scrapers and browsers; a
request with a body gets a response and ends its connection, because the body would pass for a
request.
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
# A target in the form for proxies, which servers must accept too (RFC 9112, 3.2.2).
_ABSOLUTE = re.compile(r"https?://[^/?]*", re.IGNORECASE)


class Request(Record):
    method: str
    path: str  # without the query, as it was sent
    size: int  # bytes of the request, without a body
    accept: str = ""
    keep: bool = True  # the connection may stay for a further request
    query: str = ""  # as it was sent


class Malformed(Exception):
    """The bytes are no request for a page; with the status to respond."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


def read(data: bytes | bytearray, most: int) -> Request | None:
    """The first request in `data`; None while its end is missing. Raises Malformed.

    `most` is the greatest size of a request; `most` bytes without its end are Malformed.
    """
    begins = len(data) - len(data.lstrip(b"\r\n"))  # empty lines may come first: RFC 9112, 2.2
    end = _EMPTY_LINE.search(data, begins)
    if end is None:
        if len(data) < most:
            return None
        if b"\n" not in data[begins:]:
            raise Malformed(
                HTTPStatus.REQUEST_URI_TOO_LONG, f"the request line has more than {most} bytes"
            )
        raise Malformed(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the headers have more than {most} bytes"
        )
    start, *lines = _LINE_END.split(bytes(data[begins : end.start()]))
    method, target, minor = _start(start)
    headers = _headers(lines)
    if minor and len(headers.get("host", ())) != 1:
        raise Malformed(HTTPStatus.BAD_REQUEST, "a request of HTTP/1.1 needs one Host header")
    words = {
        word.strip().lower() for value in headers.get("connection", ()) for word in value.split(",")
    }
    body = "transfer-encoding" in headers or any(
        value != "0" for value in headers.get("content-length", ())
    )
    path, _, query = _ABSOLUTE.sub("", target, count=1).partition("?")
    accept = ", ".join(headers.get("accept", ()))
    keep = bool(minor) and "close" not in words and not body
    return Request(method, path or "/", end.end(), accept, keep, query)


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
    if not keep:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if head else response.body)
