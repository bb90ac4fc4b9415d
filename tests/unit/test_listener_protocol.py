"""The protocol of event listeners: their bytes, however they are split, and their states."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.services.event_capture import BEGIN, END, Capture
from config_supervisor.services.listener_protocol import (
    Answered,
    BadResult,
    GivenBack,
    Listener,
    ListenerState,
    Note,
    Outcome,
    PooledEvent,
    Spurious,
    StateChanged,
    envelope,
    judged,
)
from config_supervisor.services.listener_results import output

EVENT = PooledEvent("TICK_5", "when:1", 7, 3)
READY, BUSY, ACKNOWLEDGED, UNKNOWN = (
    ListenerState.READY,
    ListenerState.BUSY,
    ListenerState.ACKNOWLEDGED,
    ListenerState.UNKNOWN,
)


def busy() -> Listener:
    listener = Listener(judged)
    listener.received(b"READY\n")
    listener.take(EVENT)
    return listener


def test_a_listener_is_ready_by_its_word() -> None:
    listener = Listener(judged)

    assert ACKNOWLEDGED == listener.state
    assert [] == listener.received(b"REA")
    assert [StateChanged(ACKNOWLEDGED, READY)] == listener.received(b"DY\n")


def test_an_event_is_processed() -> None:
    listener = busy()
    notes = listener.received(b"RESULT 2\nOKREADY\n")

    assert [
        Answered(Outcome.PROCESSED),
        StateChanged(BUSY, ACKNOWLEDGED),
        StateChanged(ACKNOWLEDGED, READY),
    ] == notes
    assert listener.event is None


def test_an_event_is_rejected() -> None:
    notes = busy().received(b"RESULT 4\nFAIL")

    assert [Answered(Outcome.REJECTED), StateChanged(BUSY, ACKNOWLEDGED), GivenBack(EVENT)] == notes


def test_an_empty_result_is_a_rejection() -> None:
    assert Answered(Outcome.REJECTED) in busy().received(b"RESULT 0\n")


def test_a_bad_result_line_gives_the_event_back() -> None:
    for line in (b"hello", b"RESULT", b"RESULT -1", b"RESULT 2 OK", b"RESULT 99999999999"):
        listener = busy()
        notes = listener.received(line + b"\nREADY\n")

        assert [BadResult(line), StateChanged(BUSY, UNKNOWN), GivenBack(EVENT)] == notes
        assert [] == listener.received(b"READY\n")


def test_a_result_line_has_an_end() -> None:
    """A listener that writes without a line break takes no memory."""
    assert any(isinstance(note, BadResult) for note in busy().received(b"x" * 5000))


def test_words_of_a_free_listener_are_spurious() -> None:
    listener = Listener(judged)
    notes = listener.received(b"READY\nhello")

    assert [StateChanged(ACKNOWLEDGED, READY), Spurious(b"hello", READY)] == notes[:2]
    assert UNKNOWN == listener.state


def test_a_wrong_first_word_is_spurious() -> None:
    listener = Listener(judged)

    assert [Spurious(b"hello\n", ACKNOWLEDGED), StateChanged(ACKNOWLEDGED, UNKNOWN)] == (
        listener.received(b"hello\n")
    )


def test_a_result_that_cannot_be_handled_fails() -> None:
    listener = Listener(lambda _: Outcome.FAILED)
    listener.received(b"READY\n")
    listener.take(EVENT)

    assert [Answered(Outcome.FAILED), StateChanged(BUSY, UNKNOWN), GivenBack(EVENT)] == (
        listener.received(b"RESULT 2\nOK")
    )


def test_the_length_counts_characters() -> None:
    """As in supervisord, whose listeners read text."""
    sent = envelope(PooledEvent("REMOTE_COMMUNICATION", "type:ä\n✓", 1, 0), "pool", "supervisor")

    assert (
        "ver:3.0 server:supervisor serial:1 pool:pool poolserial:0"
        " eventname:REMOTE_COMMUNICATION len:8\ntype:ä\n✓"
    ) == sent.decode()


WORDS = [b"READY\n", b"RESULT 2\nOK", b"RESULT 4\nFAIL", b"RESULT 0\n", b"READY", b"x", b"RESULT "]


@given(st.lists(st.sampled_from(WORDS), max_size=12), st.data())
def test_the_same_bytes_split_anywhere(words: list[bytes], data: st.DataObject) -> None:
    """But for spurious bytes, which are quoted as they were read."""
    text = b"".join(words)
    cut = data.draw(st.integers(0, len(text)))

    assert _plain(busy().received(text)) == _plain(_both(busy(), text[:cut], text[cut:]))


def _both(listener: Listener, *parts: bytes) -> list[Note]:
    return [note for part in parts for note in listener.received(part)]


def _plain(notes: list[Note]) -> list[Note]:
    return [note for note in notes if not isinstance(note, Spurious)]


# --- capture mode ---------------------------------------------------------------------------------


PARTS = st.lists(st.sampled_from([BEGIN, END, BEGIN[:7], END[:9], b"text", b"<!--", b"\n"]))


@given(PARTS, st.data())
def test_captured_text_split_anywhere(parts: list[bytes], data: st.DataObject) -> None:
    text = b"".join(parts)
    cut = data.draw(st.integers(0, len(text)))
    whole, split = Capture(1000), Capture(1000)
    logged, captured = whole.feed(text)
    first, found = split.feed(text[:cut])
    second, more = split.feed(text[cut:])

    assert (logged + whole.rest(), captured) == (first + second + split.rest(), found + more)


def test_text_between_the_tokens_is_captured() -> None:
    capture = Capture(1000)

    assert (b"a", []) == capture.feed(b"a" + BEGIN + b"hel")
    assert (b"b", [b"hello"]) == capture.feed(b"lo" + END + b"b<!")
    assert (b"<!?", []) == capture.feed(b"?")


def test_the_last_bytes_are_captured() -> None:
    assert (b"", [b"lo"]) == Capture(2).feed(BEGIN + b"hello" + END)


# --- the handler of results -----------------------------------------------------------------------


def test_a_result_becomes_a_line() -> None:
    result = b"processname:web groupname:web pid:7 channel:stdout\nhello\n"

    assert b"web stdout | hello\n" == output(result, ())
    assert b"" == output(result, {("web", "web", "stdout")})
