"""Pools of event listeners: which events wait, and which listener gets the next.

Pure: `deliver` calls the sender that it gets, and all else is told by notes. An event goes to a
single listener of each pool that asks for it, in order; the result FAIL, and the end of a listener
before its result, put it back at the head. A pool keeps `buffer_size` events and drops the oldest.
"""

from __future__ import annotations

from ..core.primitives import deque, partial
from ..core.record import Record
from . import event_names
from .listener_protocol import (
    GivenBack,
    Listener,
    ListenerState,
    Note,
    Outcome,
    PooledEvent,
    Received,
    envelope,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .listener_protocol import Judge
    from .plan import Group

    Send = Callable[[str, bytes], bool]


class Sent(Note):
    serial: int


class Unsent(Note):
    """The listener has closed its standard input."""

    serial: int


class PutBack(Note):
    """An event waits for another try."""

    serial: int
    waiting: int
    most: int


class Overflowed(Note):
    """The oldest event was dropped."""

    serial: int
    first: bool  # since the pool was empty
    most: int


class Told(Record):
    """A note, with its pool, and its listener where it is about a single one."""

    note: Note
    pool: str
    listener: str = ""  # identity


class EventPool:
    """The waiting events of a group of listeners."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.wanted = event_names.covered(group.events)
        self.listeners = tuple(one.identity for one in group.services)
        self.waiting: deque[PooledEvent] = deque()
        self._next_serial = 0
        self._full = False  # an event was dropped since the pool was empty

    def accept(self, name: str, payload: str, serial: int) -> list[Note]:
        """Keep a new event."""
        notes = self._make_room()
        self.waiting.append(PooledEvent(name, payload, serial, self._next_serial))
        self._next_serial += 1
        return notes

    def put_back(self, event: PooledEvent) -> list[Note]:
        """Keep an event for another try, before all others."""
        again = PutBack(event.serial, len(self.waiting), self.group.buffer_size)
        notes = [again, *self._make_room()]
        self.waiting.appendleft(event)
        return notes

    def sent(self) -> None:
        """The oldest event is on its way, and waits no more."""
        self.waiting.popleft()
        if not self.waiting:
            self._full = False

    def _make_room(self) -> list[Note]:
        size = self.group.buffer_size
        if len(self.waiting) < size:
            return []
        first = not self._full
        self._full = True
        return [Overflowed(self.waiting.popleft().serial, first, size)]


class EventPools:
    """All pools of a plan, with their listeners."""

    def __init__(self, server: str, judge: Callable[[Group], Judge]) -> None:
        """`server`: the name of the supervisor in events; `judge` judges results of a group."""
        self._server = server
        self._judge = judge
        self._pools: dict[str, EventPool] = {}
        self._of: dict[str, EventPool] = {}  # by the identity of a listener
        self._listeners: dict[str, Listener] = {}  # those with a process
        self._running: set[str] = set()
        self._draining: dict[str, int] = {}  # they stop, and get events below this serial
        self._deaf: set[str] = set()  # their standard input is closed
        self.refusing: set[str] = set()  # they rejected an event a moment ago
        self._next_serial = 0
        self._notes: list[Told] = []

    def notes(self) -> list[Told]:
        """The notes since the last call."""
        notes = self._notes
        self._notes = []
        return notes

    @property
    def pools(self) -> tuple[EventPool, ...]:
        return tuple(self._pools.values())

    def use(self, groups: Iterable[Group], *, afresh: bool = False) -> None:
        """Have these pools; one that stays the same keeps its events, unless all begin afresh."""
        before = {} if afresh else self._pools
        self._pools = {}
        for group in groups:
            old = before.get(group.name)
            same = old is not None and old.group == group
            self._pools[group.name] = old if same and old is not None else EventPool(group)
        self._of = {name: pool for pool in self.pools for name in pool.listeners}

    def publish(self, name: str, payload: str) -> None:
        """Give an event to all pools that ask for it."""
        wanting = [pool for pool in self._pools.values() if name in pool.wanted]
        if not wanting:
            return
        serial = self._next_serial
        self._next_serial += 1
        for pool in wanting:
            self._tell(pool, pool.accept(name, payload, serial))

    # --- listeners, by identity -------------------------------------------------------------------

    def started(self, name: str) -> None:
        """A listener has a new process."""
        self.ended(name)
        self._deaf.discard(name)
        self._listeners[name] = Listener(partial(self._judged, name))

    def running(self, name: str, *, runs: bool) -> None:
        """Whether a listener is RUNNING: no other gets events."""
        if runs:
            self._running.add(name)
        else:
            self._running.discard(name)

    def drain(self, name: str) -> None:
        """A listener that is RUNNING gets the events so far, and is to stop then."""
        if name in self._running:
            self._draining[name] = self._next_serial

    def drained(self, name: str) -> bool:
        """Whether a listener has no result due, and its pool none of the events so far."""
        listener = self._listeners.get(name)
        pool = self._of.get(name)
        if listener is None or pool is None or name not in self._draining:
            return True
        if listener.state is ListenerState.UNKNOWN or name in self._deaf:
            return True
        last = self._draining[name]
        left = any(event.serial < last for event in pool.waiting)
        return listener.state is not ListenerState.BUSY and not left

    def ended(self, name: str) -> None:
        """The process of a listener has ended: the event without a result waits again."""
        self._draining.pop(name, None)
        listener = self._listeners.pop(name, None)
        event = listener.take_back() if listener is not None else None
        self._put_back(name, event)

    def received(self, name: str, data: bytes) -> None:
        """Take the bytes that a listener wrote."""
        listener = self._listeners.get(name)
        pool = self._of.get(name)
        if listener is None or pool is None:
            return
        self._notes.append(Told(Received(data), pool.group.name, name))
        for note in listener.received(data):
            if isinstance(note, GivenBack):
                self.refusing.add(name)
                self._put_back(name, note.event)
            else:
                self._notes.append(Told(note, pool.group.name, name))

    def forgive(self) -> None:
        """Let listeners that rejected an event have events again."""
        self.refusing.clear()

    def broken(self, name: str) -> bool:
        """Whether a listener broke the protocol: its bytes are of no use."""
        listener = self._listeners.get(name)
        return listener is None or listener.state is ListenerState.UNKNOWN

    def deliver(self, send: Send) -> None:
        """Send waiting events to free listeners; `send` tells whether a listener can have one."""
        for pool in self._pools.values():
            while pool.waiting and self._send(pool, pool.waiting[0], send):
                pool.sent()

    def _send(self, pool: EventPool, event: PooledEvent, send: Send) -> bool:
        for name in pool.listeners:
            listener = self._listeners.get(name)
            if listener is None or not self._free(name, listener, event):
                continue
            if send(name, envelope(event, pool.group.name, self._server)):
                listener.take(event)
                self._notes.append(Told(Sent(event.serial), pool.group.name, name))
                return True
            self._deaf.add(name)
            self._notes.append(Told(Unsent(event.serial), pool.group.name, name))
        return False

    def _free(self, name: str, listener: Listener, event: PooledEvent) -> bool:
        ready = listener.state is ListenerState.READY
        able = name not in self._deaf and name not in self.refusing
        last = self._draining.get(name)
        meant = name in self._running if last is None else event.serial < last
        return ready and able and meant

    def _judged(self, name: str, result: bytes) -> Outcome:
        pool = self._of.get(name)
        return Outcome.REJECTED if pool is None else self._judge(pool.group)(result)

    def _put_back(self, name: str, event: PooledEvent | None) -> None:
        pool = self._of.get(name)
        if pool is not None and event is not None:
            self._tell(pool, pool.put_back(event))

    def _tell(self, pool: EventPool, notes: Iterable[Note]) -> None:
        self._notes += (Told(note, pool.group.name) for note in notes)
