"""Messages of sd_notify(3): the lines in use, and any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core.notify_message import MOST_EXTENSION, NOTHING, Message, parse

LONG = 300  # characters


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"READY=1", Message(ready=True)),
        (b"READY=1\nSTATUS=serving\n", Message(ready=True, status="serving")),
        (b"RELOADING=1\nMONOTONIC_USEC=2500000", Message(reloading=True, sent_at=2.5)),
        (b"STOPPING=1", Message(stopping=True)),
        (b"EXTEND_TIMEOUT_USEC=1500000", Message(extension=1.5)),
        (b"EXTEND_TIMEOUT_USEC=%d" % 10**17, Message(extension=MOST_EXTENSION)),
        (b"EXTEND_TIMEOUT_USEC=-1", NOTHING),
        (b"EXTEND_TIMEOUT_USEC=%d" % 10**30, NOTHING),
        (b"MAINPID=1", Message(main_pid=True)),
        (b"STATUS=two\tcells \x1b[1m", Message(status="two cells [1m")),
        (b"STATUS=", Message(status="")),
        (b"STATUS=\xff", Message(status="\ufffd")),
        (b"READY=0\nready=1\n READY=1\nREADY=11", NOTHING),
        (b"BARRIER=1", NOTHING),
        (b"", NOTHING),
    ],
)
def test_lines_have_their_meaning(data: bytes, message: Message) -> None:
    assert message == parse(data)


def test_a_long_status_is_cut() -> None:
    text = parse(b"STATUS=" + b"x" * LONG).status

    assert text is not None
    assert text.endswith("...")
    assert len(text) < LONG


@given(st.lists(st.sampled_from([b"READY", b"STATUS", b"MONOTONIC_USEC", b"=", b"\n", b"1"])))
def test_any_mix_of_words_is_a_message(words: list[bytes]) -> None:
    data = b"".join(words)

    assert parse(data).ready == ([b"READY=1"] == _last(data, b"READY="))


def _last(data: bytes, name: bytes) -> list[bytes]:
    """The last line with that name."""
    return [line for line in data.split(b"\n") if line.startswith(name)][-1:]


@given(st.binary())
def test_any_bytes_are_a_message(data: bytes) -> None:
    status = parse(data).status

    assert status is None or status.isprintable()
