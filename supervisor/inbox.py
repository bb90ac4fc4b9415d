"""The one inbox: signals as the kernel hands them out, everything else through a deque beside it.

`put` is safe from any thread, never blocks and never loses an event; `wait` is for the main thread only and sleeps
until there is something, without polling. A thread wakes it with SIGCHLD, which is never forwarded and means "look
around" in any case; pending signals are not lost, so there is no gap between "nothing to do" and "asleep".
"""

from __future__ import annotations

import os
import signal
from collections import deque

from .events import ChildrenChanged, Event, SignalReceived

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Inbox:
    """Events for the main thread, in order of arrival."""

    def __init__(self, taken: Iterable[int]) -> None:
        """`taken`: the signals to take; they must be blocked in every thread."""
        self._taken = frozenset(taken)
        self._events: deque[Event] = deque()
        self._pid = os.getpid()
        self._called = False  # the main thread was woken, and has not looked yet

    def put(self, event: Event) -> None:
        """Add an event and wake the main thread."""
        self._events.append(event)
        if not self._called:
            self._called = True
            os.kill(self._pid, signal.SIGCHLD)

    def wait(self, seconds: float | None) -> list[Event]:
        """What has arrived; sleeps up to `seconds` (None: for ever) for it, empty when the time is over."""
        if seconds is None:
            info = signal.sigwaitinfo(self._taken)
        else:
            found = signal.sigtimedwait(self._taken, max(0.0, seconds))
            if found is None:
                return []
            info = found
        if info.si_signo != signal.SIGCHLD:
            return [SignalReceived(info.si_signo)]
        self._called = False  # before looking: who comes later calls again
        arrived: list[Event] = [ChildrenChanged()]
        while self._events:
            arrived.append(self._events.popleft())
        return arrived

    def pending(self) -> list[Event]:
        """Everything that has arrived up to now, without sleeping."""
        arrived: list[Event] = []
        while more := self.wait(0):
            arrived += more
        return arrived
