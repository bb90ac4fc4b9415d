"""XML-RPC as bytes: the same values as `xmlrpc.client`, and no work for attackers."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.services.rpc_format import Call, Malformed, fault, read, response

INTEGERS = st.integers(-(2**31), 2**31 - 1)
# XML has no other characters; a carriage return in a request is a line end.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"))
KEYS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.booleans() | INTEGERS | TEXT | FLOATS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE bomb [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>
<methodCall><methodName>&c;</methodName></methodCall>"""
FILE = b"""<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<methodCall><methodName>&x;</methodName></methodCall>"""


def called(value: bytes, method: bytes = b"a.b") -> bytes:
    return (
        b"<methodCall><methodName>" + method + b"</methodName>"
        b"<params><param>" + value + b"</param></params></methodCall>"
    )


@given(st.lists(VALUES, max_size=3))
def test_arguments_of_a_client_are_read(arguments: list[Any]) -> None:
    data = xmlrpc.client.dumps(tuple(arguments), "supervisor.getState").encode()

    assert Call("supervisor.getState", tuple(arguments)) == read(data)


@given(VALUES)
def test_a_client_reads_the_response(value: Any) -> None:
    assert ((value,), None) == xmlrpc.client.loads(response(value).decode())


def test_control_characters_of_a_log_are_replaced() -> None:
    """Colours are in most logs; the original's clients cannot read its answer about them."""
    found = xmlrpc.client.loads(response("\x1b[31mred\x1b[0m\0\r\n").decode())[0][0]

    assert "\ufffd[31mred\ufffd[0m\ufffd\r\n" == found


def test_a_number_above_an_int_is_cut() -> None:
    assert 2**31 - 1 == xmlrpc.client.loads(response(2**40).decode())[0][0]


def test_a_client_raises_the_fault() -> None:
    with pytest.raises(xmlrpc.client.Fault, match="BAD_NAME: <x>") as raised:
        xmlrpc.client.loads(fault(10, "BAD_NAME: <x>").decode())
    assert 10 == raised.value.faultCode


def test_a_call_without_params_is_read() -> None:
    assert Call("a.b") == read(b"<methodCall><methodName> a.b </methodName></methodCall>")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not xml",
        BOMB,
        FILE,
        b"<!DOCTYPE x>" + called(b"<value>1</value>"),
        called(b"<value><array><data>" * 5000),
        called(b"<value><array><data>" * 20 + b"</data></array></value>" * 20),
        called(b"<value/></param><param>" * 10_001 + b"<value/>"),
        called(b"<value><int>x</int></value>"),
        called(b"<value><int>" + b"9" * 5000 + b"</int></value>"),
        called(b"<value><base64>\xc3\xa9</base64></value>"),
        called(b"<value><nil/></value>"),
        called(b"<value>\xff\xfe</value>"),
        called(b"<value>\0</value>"),
        called(b"<value/>", b""),
        called(b"<value/>", b"a" * 201),
        b'<?xml version="1.0" encoding="nosuch"?>' + called(b"<value/>"),
        called(b"<value>&undefined;</value>"),
    ],
    ids=lambda data: repr(data[:30]),
)
def test_malformed_call_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


TAGS = "methodCall methodName params param value int string array data struct member name".split()


@given(st.lists(st.sampled_from(TAGS), max_size=20), st.text("<>/&1", max_size=5))
def test_any_tree_is_read_or_refused(tags: list[str], text: str) -> None:
    opening = "".join(f"<{tag}>" for tag in tags)
    closing = "".join(f"</{tag}>" for tag in reversed(tags))
    try:
        read(f"<a><methodName>a.b</methodName>{opening}{text}{closing}</a>".encode())
    except Malformed:
        pass
