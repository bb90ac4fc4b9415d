"""Log lines about event listeners, in supervisord's words and in ours.

Pure: from the notes of the pools. Ours tell a listener that breaks the protocol, and a pool that
drops events, once.
"""

from __future__ import annotations

from .event_pool import Overflowed, PutBack, Sent, Unsent
from .listener_protocol import (
    Answered,
    BadResult,
    ListenerState,
    Outcome,
    Received,
    Spurious,
    StateChanged,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .event_pool import Told

    Line = tuple[str, str]  # level, text

_MOST_A_SECOND = 20  # lines about dropped events, of those that supervisord writes for each
_MOST_QUOTED = 40  # bytes of a listener's words
_ANSWERS = {
    Outcome.PROCESSED: ("debug", "event was processed"),
    Outcome.REJECTED: ("warning", "event was rejected"),
    Outcome.FAILED: ("warning", "event caused an error"),
}
_UNKNOWN = (
    "has entered the UNKNOWN state and will no longer receive events, this usually indicates the"
    " process violated the eventlistener protocol"
)
_DUE = {
    ListenerState.ACKNOWLEDGED: "where READY and a line break were due",
    ListenerState.READY: "before it was sent an event",
}


class DroppedEvents:
    """The pace of lines about dropped events: a flood may not push other lines out of the log."""

    def __init__(self) -> None:
        self._since = 0.0
        self._count = 0

    def may_be_told(self, now: float) -> bool:
        """Whether a line more is written at a time, in seconds."""
        if not self._since <= now < self._since + 1:
            self._since = now
            self._count = 0
        self._count += 1
        return self._count <= _MOST_A_SECOND


def supervisord(told: Told, name: str) -> Iterator[Line]:
    """The lines of supervisord; `name`: that of the listener, without its group."""
    match told.note:
        case Received(data):
            yield "debug", f"{name!r} stdout output: {data!r}"
        case StateChanged(before, after):
            yield "debug", f"{name}: {before} -> {after}"
            if after is ListenerState.UNKNOWN:
                yield "warning", f"{name}: {_UNKNOWN}"
        case BadResult(line):
            yield "warning", f"{name}: bad result line: '{_decoded(line)}'"
        case Answered(outcome):
            level, words = _ANSWERS[outcome]
            yield level, f"{name}: {words}"
        case Sent(serial):
            yield "debug", f"event {serial} sent to listener {name}"
        case Unsent(serial):
            unchanged = f"to listener {name}, listener state unchanged"
            yield "debug", f"epipe occurred while sending event {serial} {unchanged}"
        case PutBack(serial, waiting, most):
            size = f"(buf size={waiting}, max={most})"
            yield "debug", f"rebuffering event {serial} for pool {told.pool} {size}"
        case Overflowed(serial):
            text = f"pool {told.pool} event buffer overflowed, discarding event {serial}"
            yield "error", text


def ours(told: Told, _: str) -> Iterator[Line]:
    """Our lines."""
    who = told.listener
    match told.note:
        case Spurious(data, due):
            yield "warning", _no_more(who, f"it wrote {_quoted(data)} {_DUE[due]}")
        case BadResult(line):
            why = f"its answer begins with {_quoted(line)} in place of RESULT and a length"
            yield "warning", _no_more(who, why)
        case Answered(Outcome.FAILED):
            yield "warning", _no_more(who, "its result is not a line of a program")
        case Answered(outcome):
            level, words = _ANSWERS[outcome]
            yield level, f"{who}: {words}"
        case Overflowed(_, True, most):
            keep = f"cannot keep events for {told.pool}: {most} wait already"
            yield "warning", f"{keep}, the oldest are dropped; raise buffer_size"
        case Sent(serial):
            yield "debug", f"event {serial} is sent to {who}"
        case Unsent(serial):
            yield "warning", _no_more(who, f"its standard input is closed or full (event {serial})")


def _no_more(who: str, why: str) -> str:
    return f"cannot send events to {who}: {why}; repair the listener and restart it"


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return f"Undecodable: {line!r}"


def _quoted(data: bytes) -> str:
    left = len(data) - _MOST_QUOTED
    more = f" and {left} bytes more" if left > 0 else ""
    return repr(data[:_MOST_QUOTED])[1:] + more
