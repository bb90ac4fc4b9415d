"""Bytes of services to lines, their formats, and the texts without escape sequences."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config_supervisor.services.escape_sequences import EscapeFilter
from config_supervisor.services.line_format import as_json, plain, tagged
from config_supervisor.services.line_stream import LineStream

MOST = 8
AT = 1_700_000_000.25
STAMP = "2023-11-14T22:13:20.250Z"
pieces = st.lists(st.binary(max_size=12) | st.text("a\n\r", max_size=12).map(str.encode))


@given(pieces)
def test_no_byte_is_lost(parts: list[bytes]) -> None:
    """All that comes is the text, and a newline behind the last line."""
    stream = LineStream()
    found = [stream.feed(part) for part in parts]
    last = stream.end()
    text = b"".join(parts)

    assert all(one.endswith(b"\n") for one in (*found, last) if one)
    assert text + (b"" if text.endswith(b"\n") or not text else b"\n") == b"".join((*found, last))


@given(pieces)
def test_lines_come_as_soon_as_they_are_whole(parts: list[bytes]) -> None:
    stream = LineStream()
    came = b""
    for number in range(len(parts)):
        came += stream.feed(parts[number])
        text = b"".join(parts[: number + 1])
        assert text[: text.rfind(b"\n") + 1] == came


@given(pieces)
@example([b"a" * MOST, b"\n", b"b"])
def test_a_long_line_is_cut(parts: list[bytes]) -> None:
    """Without an empty line where its own end comes next; the text is the same but for the cuts."""
    stream = LineStream(MOST)
    found = b"".join([*(stream.feed(part) for part in parts), stream.end()])
    text = b"".join(parts)

    assert text.replace(b"\n", b"") == found.replace(b"\n", b"")
    assert text.count(b"\n") <= found.count(b"\n") + text.count(b"\n\n") + 1
    assert max([len(line) for line in found.split(b"\n")], default=0) < MOST + 12


def test_a_line_of_the_bound_gets_no_empty_line() -> None:
    stream = LineStream(MOST)
    assert b"aaaaaaaa\n" == stream.feed(b"a" * MOST)
    assert b"b\n" == stream.feed(b"\nb\n")
    assert b"" == stream.end()


lines = st.lists(st.text(st.characters(exclude_characters="\n"))).filter(bool)


@given(lines)
def test_each_line_has_the_tag(texts: list[str]) -> None:
    block = "".join(f"{text}\n" for text in texts).encode(errors="replace")
    shown = tagged("web")(block, AT).split(b"\n")

    assert [b"[web] " + line for line in block.split(b"\n")[:-1]] == shown[:-1]
    assert shown[-1] == b""
    assert tagged("") is plain


@given(lines)
def test_each_line_is_an_object(texts: list[str]) -> None:
    block = "".join(f"{text}\n" for text in texts).encode(errors="replace")
    shown = as_json('we"b', "stderr")(block, AT).decode()

    assert shown.endswith("\n")
    objects = [json.loads(line) for line in shown[:-1].split("\n")]
    wanted = block.decode(errors="replace").split("\n")[:-1]
    head = {"time": STAMP, "service": 'we"b', "stream": "stderr"}
    assert [{**head, "line": line} for line in wanted] == objects


COLOURED = b"\x1b[1;31mred\x1b[0m and \x1bplain\x1b[K\n"


@pytest.mark.parametrize("cut", range(len(COLOURED) + 1))
def test_escape_sequences_are_removed(cut: int) -> None:
    """Also those in two pieces."""
    escapes = EscapeFilter()
    found = escapes.feed(COLOURED[:cut]) + escapes.feed(COLOURED[cut:]) + escapes.end()
    assert found == b"red and \x1bplain\n"


def test_an_escape_at_the_end_is_kept() -> None:
    escapes = EscapeFilter()
    assert escapes.feed(b"text\x1b") + escapes.end() == b"text\x1b"
