"""Bytes to requests and responses to bytes: of probes and scrapers, and of attackers."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.http_server.messages import Malformed, Request, Response, read, write

MOST = 8192
KUBELET = (
    b"GET /livez HTTP/1.1\r\nHost: 10.0.0.1:9911\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n"
)


@pytest.mark.parametrize(
    ("data", "path", "keep"),
    [
        (KUBELET + b"\r\n", "/livez", True),
        (KUBELET + b"Connection: close\r\n\r\n", "/livez", False),
        (KUBELET + b"connection: foo , CLOSE\r\n\r\n", "/livez", False),
        (KUBELET + b"Content-Length: 5\r\n\r\n", "/livez", False),
        (KUBELET + b"Content-Length: 0\r\n\r\n", "/livez", True),
        (KUBELET + b"Content-Length: 00\r\nContent-Length: 7\r\n\r\n", "/livez", False),
        (KUBELET + b"Transfer-Encoding: chunked\r\n\r\n", "/livez", False),
        (b"GET /metrics?name=x HTTP/1.0\r\n\r\n", "/metrics", False),
        (b"GET http://host:9911/readyz?verbose HTTP/1.1\nHost: a\n\n", "/readyz", True),
        (b"GET http://host:9911 HTTP/1.1\r\nHost: a\r\n\r\n", "/", True),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n", "/", True),
    ],
)
def test_request_of_a_known_client_is_read(data: bytes, path: str, keep: bool) -> None:
    request = read(data, MOST)

    assert request is not None
    assert (path, keep, len(data)) == (request.path, request.keep, request.size)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /\r\n\r\n", HTTPStatus.BAD_REQUEST),  # HTTP/0.9
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"G\xe9T / HTTP/1.1\r\nHost: a\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", HTTPStatus.BAD_REQUEST),  # TLS
        (b"GET / HTTP/1.1\r\n\r\n", HTTPStatus.BAD_REQUEST),  # RFC 9112, 3.2
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", HTTPStatus.BAD_REQUEST),  # RFC 9112, 5.1
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
        (b"GET /" + b"a" * MOST, HTTPStatus.REQUEST_URI_TOO_LONG),
        (KUBELET + b"X: " + b"a" * MOST, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (KUBELET + b"X: a\r\n" * MOST, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (b"\r\n" * MOST, HTTPStatus.REQUEST_URI_TOO_LONG),
    ],
)
def test_malformed_request_is_refused(data: bytes, status: HTTPStatus) -> None:
    with pytest.raises(Malformed) as refused:
        read(data[:MOST], MOST)

    assert status == refused.value.status


def test_second_request_stays_where_it_is() -> None:
    first = KUBELET + b"\r\n"
    request = read(first + b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n", MOST)

    assert Request("GET", "/livez", len(first), "*/*") == request


@given(st.integers(min_value=0, max_value=len(KUBELET) + 1))
def test_half_a_request_is_waited_for(size: int) -> None:
    assert read((KUBELET + b"\r\n")[:size], MOST) is None


@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([b"GET ", b"/", b" HTTP/1.1", b"\r\n", b"\n", b"a:b"]))
)
def test_any_bytes_are_read_refused_or_waited_for(data: bytes | list[bytes]) -> None:
    data = data if isinstance(data, bytes) else b"".join(data)
    try:
        request = read(data, MOST)
    except Malformed:
        return
    assert request is None or 0 < request.size <= len(data)


def test_answer_has_its_date_length_and_no_body_for_head() -> None:
    response = Response(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"no\n", allow="GET, HEAD")
    written = write(response, head=True, keep=False, now=784111777)

    lines = written.decode().split("\r\n")
    assert "HTTP/1.1 405 Method Not Allowed" == lines[0]
    assert {"Date: Sun, 06 Nov 1994 08:49:37 GMT", "Content-Length: 3", "Connection: close"} <= set(
        lines
    )
    assert "Allow: GET, HEAD" in lines
    assert ["", ""] == lines[-2:]
