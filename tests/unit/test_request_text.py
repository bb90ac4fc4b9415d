"""The text of requests: parsers, refusals, and messages without a secret."""

from __future__ import annotations

import socket

import pytest

from config_supervisor.reload import http_request, url
from config_supervisor.reload.http_request import HttpAnswer, HttpRequest, RequestFailed
from config_supervisor.reload.interrupt import Interrupt
from tests.answering import Answering, answer

# --- secrets --------------------------------------------------------------------------------------


def test_messages_and_reprs_show_no_secret() -> None:
    text = "http://root:hunter22@127.0.0.1:1/x?token=s3cr3t"
    asked = HttpRequest(
        "GET", url.parse(text), (http_request.header("Authorization: Bearer abcdef"),)
    )
    with pytest.raises(RequestFailed) as caught:
        asked.send(5, Interrupt())
    shown = [str(asked), repr(asked), repr(asked.url), str(caught.value)]

    assert "GET http://127.0.0.1:1/x?..." == shown[0]
    for secret in ("hunter22", "s3cr3t", "abcdef", "cm9vd"):
        assert not any(secret in one for one in shown)


def test_echoed_secrets_are_hidden() -> None:
    def echo(connection: socket.socket) -> None:
        connection.sendall(answer("500 No", server.asked[-1] + " for root:hunter22"))

    with Answering(echo) as server:
        target = url.parse(server.url("/x?token=s3cr3t", "root:hunter22@"))
        asked = HttpRequest("GET", target, (http_request.header("X-Key: Bearer abcdef"),))
        shown = asked.words(asked.send(5, Interrupt()))

    assert "GET /x?[hidden] HTTP/1.1" in shown
    for secret in ("hunter22", "s3cr3t", "abcdef", "cm9vdDpodW50ZXIyMg"):
        assert secret not in shown


def test_foreign_text_moves_no_cursor_and_begins_no_line() -> None:
    body = "bad\x1b[2J\r\n2030-01-01 supervisor info: all is well\u2028\u202e\x00 end"
    asked = HttpRequest("GET", url.parse("http://127.0.0.1/"))

    actual = HttpAnswer(500, "In\x07ternal", body.encode())
    assert "500 In ternal" == asked.explain(actual)
    assert "bad [2J 2030-01-01 supervisor info: all is well end" == asked.words(actual)


# --- parsers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown", "host", "port", "target"),
    [
        ("http://a", "http://a/", "a", 80, "/"),
        ("https://a:8443/b?c#d", "https://a:8443/b?...", "a", 8443, "/b?c"),
        ("HTTP://A/", "http://a/", "a", 80, "/"),
        ("http://[::1]:9090/-/reload", "http://[::1]:9090/-/reload", "::1", 9090, "/-/reload"),
        ("https://u@h:443", "https://h/", "h", 443, "/"),
    ],
)
def test_url_is_read(text: str, shown: str, host: str, port: int, target: str) -> None:
    actual = url.parse(text)

    assert (shown, host, port, target) == (str(actual), actual.host, actual.port, actual.target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "ftp://secret@a/",
        "http://",
        "http:///secret",
        "http://a:b/secret",
        "http://a:0/secret",
        "http://a:70000/",
        "http://a/sec ret",
        "http://a/\nsecret",
        "http://secret:\x7f@a",
        "http://a/\u00e9secret",
        "http://[::1/secret",
        "http://a..b/secret",
        f"http://{'a' * 64}/secret",
    ],
)
def test_malformed_url_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        url.parse(text)

    assert "secret" not in str(caught.value)


def test_header_is_read() -> None:
    assert ("X-A", "b: c") == http_request.header("X-A:  b: c ")
    assert ("X-Empty", "") == http_request.header("X-Empty:")


@pytest.mark.parametrize(
    "text",
    ["", "secret", ": secret", "X A: secret", "X: sec\nret", "X: secret\u00e9", "X: \x00secret"],
)
def test_malformed_header_is_refused_without_its_value(text: str) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        http_request.header(text)

    assert "secret" not in str(caught.value)


def test_method_is_read() -> None:
    assert "PUT" == http_request.method("put")
    for text in ("", "P T", "GET\r\nX: y"):
        with pytest.raises(ValueError, match="not a method"):
            http_request.method(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200-299", (range(200, 300),)),
        ("200, 204", (range(200, 201), range(204, 205))),
        ("200-204,302", (range(200, 205), range(302, 303))),
    ],
)
def test_statuses_are_read(text: str, expected: tuple[range, ...]) -> None:
    assert expected == http_request.status_ranges(text)


@pytest.mark.parametrize(
    "text", ["", "2xx", "200-", "-200", "99", "600", "299-200", "200,,204", "200-299-300"]
)
def test_malformed_statuses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="200-299"):
        http_request.status_ranges(text)
