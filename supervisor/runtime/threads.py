"""Threads. They inherit the main thread's mask, in which every signal is blocked: only the inbox
takes signals.

By `_thread`: `threading` takes a millisecond to import, which is not needed before the app runs,
and lets who starts a thread wait until that runs too. Nothing here holds up the end of the process.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread

from . import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Lock = allocate_lock


def start(body: Callable[[], object], name: str) -> None:
    """Run `body` in a thread. Raises RuntimeError where the limit of processes is reached."""
    start_new_thread(_run, (body, name))


def _run(body: Callable[[], object], name: str) -> None:
    try:
        body()
    except (
        Exception
    ) as error:  # the outer edge of a thread: one line, no traceback; all else goes on
        log.error(f"internal error in thread {name}: {error!r}")


class Gate:
    """Opens once, and lets everybody through from then on."""

    def __init__(self) -> None:
        self._closed = Lock()
        self._closed.acquire()
        self._opened = False

    def open(self) -> None:
        """For one thread only."""
        if not self._opened:
            self._opened = True
            self._closed.release()

    def wait(self, seconds: float) -> None:
        """Until it is open, or so long."""
        if self._closed.acquire(timeout=seconds):
            self._closed.release()
