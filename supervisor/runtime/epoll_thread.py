"""A thread that sleeps until a descriptor is ready, and orders for it from other threads.

It owns the waiting, the bell and the containment: an error costs the piece of work that it came
from. It knows no work.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from select import EPOLLIN, epoll

from ..core.primitives import deque, partial
from . import log, threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], object]


class EpollThread:
    """Runs turns until one of them ends it; each begins with a wait for `files`."""

    def __init__(self, name: str, purpose: str, pause: float) -> None:
        """`purpose` ends "cannot ..." in the log; `pause`: seconds after an error, so that a
        lasting one does not spin.
        """
        self.files = epoll()
        self._name = name
        self._purpose = purpose
        self._pause = pause
        self.faults = log.Faults()
        self._ended = False

    def start(self, turn: Work) -> None:
        """Raises RuntimeError at the limit of processes."""
        threads.start(partial(self._run, turn), self._name)

    def end(self) -> None:
        """Let this turn be the last; in the thread."""
        self._ended = True

    def contain(self, purpose: str, work: Work) -> bool:
        """Do a piece of work; whether it succeeded."""
        try:
            work()
        except Exception as error:  # all else goes on
            self.faults.say(purpose, error)
            return False
        return True

    def _run(self, turn: Work) -> None:
        while not self._ended:
            if not self.contain(self._purpose, turn):
                time.sleep(self._pause)


class Orders:
    """Work from other threads, in the order of the calls, with a bell among the files of a
    thread.
    """

    def __init__(self, thread: EpollThread, purpose: str) -> None:
        self._thread = thread
        self._purpose = purpose
        self._waiting: deque[Work] = deque()
        self._lock = allocate_lock()
        self._closed = False
        self.bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        thread.files.register(self.bell, EPOLLIN)

    def post(self, work: Work) -> bool:
        """Have the thread do this, soon; whether it will. From any thread, never blocks."""
        with self._lock:
            if self._closed:
                return False
            self._waiting.append(work)
        os.eventfd_write(self.bell, 1)
        return True

    def silence(self) -> None:
        """Stop the bell, once it was heard, before `obey`."""
        os.eventfd_read(self.bell)

    def obey(self, then: Work | None = None) -> None:
        """Do the work that waits, with `then` after each piece; a piece may do so too."""
        for _ in range(len(self._waiting)):
            if not self._waiting:
                return
            self._thread.contain(self._purpose, self._waiting.popleft())
            if then is not None:
                then()

    def close(self) -> None:
        """Take no further work."""
        with self._lock:
            self._closed = True
