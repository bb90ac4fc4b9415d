"""Calls into the server's thread, from other threads and from timers.

It owns the eventfd that wakes the poll loop, and the timers; it must not know sockets or HTTP.
"""

from __future__ import annotations

import os
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Timer = tuple[float, Callable[[], None]]


class Calls:
    """`put` is for any thread; everything else is for the server's thread."""

    def __init__(self) -> None:
        """Raises OSError."""
        self.wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._calls: deque[Callable[[], None]] = deque()
        self._timers: list[Timer] = []

    def close(self) -> None:
        os.close(self.wakeup)

    def put(self, body: Callable[[], None]) -> None:
        """Have the server's thread call `body` soon; from any thread, never blocks."""
        self._calls.append(body)
        os.eventfd_write(self.wakeup, 1)

    def after(self, seconds: float, body: Callable[[], None]) -> Timer:
        """Call `body` after this time, unless cancelled."""
        timer = (time.monotonic() + seconds, body)
        self._timers.append(timer)
        return timer

    def cancel(self, timer: Timer) -> None:
        self._timers = [other for other in self._timers if other is not timer]

    def waiting(self) -> list[Callable[[], None]]:
        """Take the calls of other threads; after `wakeup` became readable."""
        os.eventfd_read(self.wakeup)
        return [self._calls.popleft() for _ in range(len(self._calls))]

    def due(self, now: float) -> list[Callable[[], None]]:
        """Take the calls of timers that have run out."""
        due = [body for when, body in self._timers if when <= now]
        self._timers = [timer for timer in self._timers if timer[0] > now]
        return due

    def next_due(self) -> float | None:
        """When the first timer runs out (monotonic)."""
        return min((when for when, _ in self._timers), default=None)
