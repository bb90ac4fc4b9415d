"""The password of a server: which headers pass."""

from __future__ import annotations

import base64
import hashlib

import pytest

from config_supervisor.services.plan import Server
from config_supervisor.services.rpc_password import admits

WORD = "se:cret"
CLEAR = Server("unix_http_server", username="anna", password=WORD)
HASHED = CLEAR.replace(password="{SHA}" + hashlib.sha1(b"se:cret").hexdigest())  # noqa: S324


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("server", [CLEAR, HASHED])
def test_name_and_password_pass(server: Server) -> None:
    assert admits(server, basic("anna:se:cret"))
    assert admits(server, basic("anna:se:cret").replace("Basic", "basic "))


@pytest.mark.parametrize("server", [CLEAR, HASHED])
@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic \xe9",
        basic("anna"),
        basic("anna:"),
        basic("anna:SE:CRET"),
        basic("Anna:se:cret"),
        basic(":se:cret"),
        basic("anna:" + HASHED.password) if HASHED.password else "",
        basic("anna:se:cret").replace("Basic", "Bearer"),
        basic("anna:se:cret" + " " * 4096),
    ],
)
def test_any_other_header_is_refused(server: Server, header: str) -> None:
    assert not admits(server, header)


def test_without_a_password_all_pass() -> None:
    assert admits(Server("unix_http_server"), "")
