"""The one inbox: signals by number through the wake-up pipe, everything else through a deque beside it.

`put` is safe from any thread and from a handler, never blocks and never loses an event; `wait` is for the main
thread only and sleeps until there is something, without polling.
"""

from __future__ import annotations

import os
import select
import signal
from collections import deque

from .events import ChildrenChanged, Event, SignalReceived

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK = b"\0"  # no signal has number 0: "look into the deque"


class Inbox:
    """Events for the main thread, in order of arrival."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd, self._write_fd = read_fd, write_fd
        self._events: deque[Event] = deque()
        self._poll = select.poll()
        self._poll.register(read_fd, select.POLLIN)

    def put(self, event: Event) -> None:
        """Add an event and wake the main thread."""
        self._events.append(event)
        try:
            os.write(self._write_fd, _LOOK)
        except BlockingIOError:
            pass  # 64 KiB of bytes are waiting: the reader is about to look anyway

    def wait(self, seconds: float | None) -> list[Event]:
        """What has arrived; sleeps up to `seconds` (None: for ever) for the first, empty when the time is over."""
        # Rounded up: waking before a deadline would only mean sleeping again.
        self._poll.poll(None if seconds is None else max(0, -int(-seconds * 1000 // 1)))
        return list(self._drain())

    def _drain(self) -> Iterator[Event]:
        try:
            numbers = os.read(self._read_fd, 65536)
        except BlockingIOError:
            numbers = b""
        children = False
        for signum in numbers:
            if signum == 0:
                if self._events:
                    yield self._events.popleft()
            elif signum != signal.SIGCHLD:
                yield SignalReceived(signum)
            elif not children:  # one look at the process table serves all that came together
                children = True
                yield ChildrenChanged()
        while self._events:  # their bytes found the pipe full, or come with the next read
            yield self._events.popleft()
