"""The inbox of the main thread: signals as the kernel hands them out, events in a deque beside it.

`put` is safe from any thread, never blocks and never loses an event; `wait` is for the main thread
and sleeps without polling. A thread wakes it with CHLD, which is never forwarded and means "look
around" in any case. Pending signals are not lost, so no wake-up falls between "nothing to do" and
"asleep". The inbox knows the meaning of no event.

A flood of events delays no signal: events come in batches, with a look for signals before each.
Events that repeat are counted while they wait.
"""

from __future__ import annotations

import posix as os

from ..core.events import ChildrenChanged, Event, SignalReceived, SourceContacted, WatchSaw
from ..core.primitives import deque
from ..core.signal_numbers import CHLD
from . import signals, threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from signal import struct_siginfo


_LONGEST = 86400.0  # seconds of a sleep: the kernel takes no time of centuries
_BATCH = 32  # events between two looks for signals: a few milliseconds at most
_COUNTED = (SourceContacted, WatchSaw)


class Inbox:
    """Events for the main thread, in order of arrival."""

    def __init__(self, taken: Iterable[int]) -> None:
        """`taken`: the signals to take; they must be blocked in every thread."""
        self._taken = tuple(taken)
        self._signals = tuple(signum for signum in self._taken if signum != CHLD)
        self._received: dict[int, tuple[Event, ...]] = {}  # made at the first signal of each number
        self._events: deque[Event] = deque()
        self._counts: dict[Event, int] = {}  # of the events of _COUNTED that wait
        self._counting = threads.Lock()
        self._pid = os.getpid()
        self._called = False  # whether a wake-up is on its way

    def put(self, event: Event) -> None:
        """Add an event and wake the main thread. Never raises."""
        if isinstance(event, _COUNTED) and self._waits(event):
            return
        self._events.append(event)
        if not self._called:
            self._called = True
            try:
                os.kill(self._pid, CHLD)
            except OSError:
                self._called = False  # the next one wakes it

    def _waits(self, event: Event) -> bool:
        """Count an event; whether an equal event waits already."""
        with self._counting:
            count = self._counts.get(event, 0)
            self._counts[event] = count + 1
        return count > 0

    def wait(self, seconds: float | None) -> Sequence[Event]:
        """The events that have arrived; sleeps up to `seconds` for the first (None: no limit)."""
        if self._events:
            # SIGCHLD comes before signals of a higher number, and in a flood it is always pending.
            found = signals.wait_for(self._signals, 0)
            if found is not None:
                return self._signal(found.si_signo)
        else:
            found = self._sleep(seconds)
            if found is None:
                return []
            if found.si_signo != CHLD:
                return self._signal(found.si_signo)
        self._called = False  # before the look: a later event calls again
        return [ChildrenChanged(), *self._batch()]

    def _signal(self, signum: int) -> Sequence[Event]:
        events = self._received.get(signum)
        if events is None:
            events = self._received[signum] = (SignalReceived(signum),)
        return events

    def _sleep(self, seconds: float | None) -> struct_siginfo | None:
        if seconds is None:
            return signals.wait(self._taken)
        found = signals.wait_for(self._taken, min(max(0.0, seconds), _LONGEST))
        return found if found is None or self._is_real(found) else None

    def _is_real(self, found: struct_siginfo) -> bool:
        # CPython returns a record that it has not filled in if the wait was interrupted, as by a
        # stop and a CONT, and its time is over: a signal is then still pending.
        known = found.si_signo in self._taken
        return known and not found.si_errno and found.si_code in signals.CODES

    def _batch(self) -> Iterator[Event]:
        for _ in range(min(_BATCH, len(self._events))):
            event = self._events.popleft()
            if isinstance(event, _COUNTED):
                with self._counting:
                    count = self._counts.pop(event)
                event = event.replace(count=count)
            yield event

    def pending(self) -> list[Event]:
        """All events that have arrived up to now, without sleeping."""
        arrived: list[Event] = []
        while more := self.wait(0):
            arrived += more
        return arrived
