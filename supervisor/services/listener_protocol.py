"""The protocol of event listeners: the states of a listener, its bytes, and the events to it.

Pure: no pipe, no clock. It must not know which event goes to which listener: see `event_pool`. The
rules are those of supervisord 4.3, whose listeners run unchanged: a listener writes `READY`, gets
an event, and answers `RESULT n` with n bytes behind it.
"""

from __future__ import annotations

from ..core.record import Record, Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Judge = Callable[[bytes], "Outcome"]

READY_TOKEN = b"READY\n"
ACCEPTED = b"OK"  # the result of an event that was processed
# The length stands behind as many bytes, whatever they are, as supervisord has it.
_LENGTH_AT = len(b"RESULT ")
_MOST_LINE = 4096  # bytes of a line with the length of a result
_MOST_RESULT = 16 << 20
_VERSION = "3.0"


class ListenerState(Words):
    ACKNOWLEDGED = "ACKNOWLEDGED"  # READY is due
    READY = "READY"  # free for an event
    BUSY = "BUSY"  # its result is due
    UNKNOWN = "UNKNOWN"  # it broke the protocol, and gets no event until its next start


class Outcome(Words):
    PROCESSED = "processed"
    REJECTED = "rejected"  # the event waits again, at the head
    FAILED = "failed"  # as rejected, and the listener gets no more events


class PooledEvent(Record):
    """An event on its way to a listener of a pool."""

    name: str
    payload: str
    serial: int  # among the events of all pools
    pool_serial: int  # among those of its pool


# --- notes: for the log, and for the pool ---------------------------------------------------------


class Note(Record):
    """Base of all notes about a listener."""


class Received(Note):
    """Bytes, before their effect."""

    data: bytes


class StateChanged(Note):
    before: ListenerState
    after: ListenerState


class BadResult(Note):
    """A line that tells no length of a result."""

    line: bytes


class Answered(Note):
    """The result of an event."""

    outcome: Outcome


class Spurious(Note):
    """Bytes that the protocol has no place for."""

    data: bytes
    due: ListenerState


class GivenBack(Note):
    """An event that waits for another try."""

    event: PooledEvent


class Listener:
    """A listener since its last start."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.state = ListenerState.ACKNOWLEDGED
        self.event: PooledEvent | None = None
        self._data = bytearray()
        self._length: int | None = None  # of the result that arrives
        self._notes: list[Note] = []

    def take(self, event: PooledEvent) -> None:
        """An event was sent to this listener, which is READY."""
        self.state = ListenerState.BUSY
        self.event = event

    def take_back(self) -> PooledEvent | None:
        """The event that it works on, which it keeps no more."""
        event = self.event
        self.event = None
        return event

    def received(self, data: bytes) -> list[Note]:
        """Take its bytes; the notes of all that follows from them."""
        self._notes = []
        self._data += data
        while self._advance():
            pass
        return self._notes

    def _advance(self) -> bool:
        """Use a part of the bytes; whether there may be more to use."""
        if self.state is ListenerState.BUSY and self._length is not None:
            return self._take_result(self._length)
        if not self._data:
            return False
        match self.state:
            case ListenerState.ACKNOWLEDGED:
                return self._take_token()
            case ListenerState.BUSY:
                return self._take_length()
            case ListenerState.READY:
                self._break()
        self._data.clear()
        return False

    def _take_token(self) -> bool:
        size = len(READY_TOKEN)
        if len(self._data) < size:
            return False
        if not self._data.startswith(READY_TOKEN):
            self._break()
            return False
        del self._data[:size]
        self._change(ListenerState.READY)
        return True

    def _take_length(self) -> bool:
        end = self._data.find(b"\n", 0, _MOST_LINE)
        if end < 0 and len(self._data) < _MOST_LINE:
            return False
        line = bytes(self._data[: end if end >= 0 else _MOST_LINE])
        self._length = _length(line)
        if self._length is None:
            self._notes.append(BadResult(line))
            self._data.clear()
            self._change(ListenerState.UNKNOWN)
            self._give_back()
            return False
        del self._data[: end + 1]
        return True

    def _take_result(self, length: int) -> bool:
        if len(self._data) < length:
            return False
        outcome = self._judge(bytes(self._data[:length]))
        del self._data[:length]
        self._length = None
        self._notes.append(Answered(outcome))
        failed = outcome is Outcome.FAILED
        self._change(ListenerState.UNKNOWN if failed else ListenerState.ACKNOWLEDGED)
        if outcome is Outcome.PROCESSED:
            self.event = None
        else:
            self._give_back()
        return True

    def _break(self) -> None:
        self._notes.append(Spurious(bytes(self._data), self.state))
        self._data.clear()
        self._change(ListenerState.UNKNOWN)

    def _give_back(self) -> None:
        event = self.take_back()
        if event is not None:
            self._notes.append(GivenBack(event))

    def _change(self, state: ListenerState) -> None:
        self._notes.append(StateChanged(self.state, state))
        self.state = state


def _length(line: bytes) -> int | None:
    """The length of a result, from its first line; None where there is none."""
    try:
        length = int(line[_LENGTH_AT:])
    except ValueError:
        return None
    return length if 0 <= length <= _MOST_RESULT else None


def judged(result: bytes) -> Outcome:
    """The outcome of a result, as the handler of supervisord has it."""
    return Outcome.PROCESSED if result == ACCEPTED else Outcome.REJECTED


def envelope(event: PooledEvent, pool: str, server: str) -> bytes:
    """An event as a listener reads it. `len` counts characters, as in supervisord, whose listeners
    read text.
    """
    head = (
        f"ver:{_VERSION} server:{server} serial:{event.serial} pool:{pool}"
        f" poolserial:{event.pool_serial} eventname:{event.name} len:{len(event.payload)}\n"
    )
    return (head + event.payload).encode(errors="surrogateescape")
