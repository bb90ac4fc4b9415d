"""Interim answers before the final one (RFC 9110, 15.2), from a real server."""

from __future__ import annotations

import contextlib
import socket

import pytest

from config_supervisor.reload.http_request import HttpAnswer
from tests.answering import Answering, hang
from tests.unit.test_request import OK, ask, refused


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    "interim",
    [
        "100 Continue",
        "102 Processing",
        "103 Early Hints\r\nLink: </style.css>; rel=preload",
        "199 Whatever",
    ],
)
def test_interim_answers_are_skipped(interim: str, count: int) -> None:
    """RFC 9110, 15.2: a client must read any number of them before the final one."""
    with Answering(f"HTTP/1.1 {interim}\r\n\r\n".encode() * count + OK) as server:
        actual = ask(server.url())

    assert HttpAnswer(200, "OK", b"fine") == actual


def test_endless_interim_answers_fail() -> None:
    def hint(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)
            hang(connection)

    with Answering(hint) as server:
        assert "connect" == refused(server.url()).outcome


def test_switch_of_protocols_is_an_answer() -> None:
    with Answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n") as server:
        assert 101 == ask(server.url()).status
