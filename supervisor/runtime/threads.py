"""Threads: a start without delay, an end that holds up nothing, and a gate to wait at.

They inherit the main thread's mask, which blocks every signal: only the inbox takes signals. By
`_thread`: `threading` takes a millisecond to import, and its start waits for the new thread. This
module knows no work of a thread.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread

from ..core.errors import reason
from . import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Lock = allocate_lock


def start(body: Callable[[], object], name: str) -> None:
    """Run `body` in a thread. Raises RuntimeError at the limit of processes."""
    start_new_thread(_run, (body, name))


def _run(body: Callable[[], object], name: str) -> None:
    try:
        body()
    except Exception as error:  # the outer edge of a thread: all else goes on
        why = reason(error) if isinstance(error, OSError) else f"internal error: {error!r}"
        log.error(f"cannot go on in thread {name}: {why}", event="internal_error")


class Gate:
    """Closed at first; once open, it stays open for all threads."""

    def __init__(self) -> None:
        self._closed = Lock()
        self._closed.acquire()
        self.opened = False

    def open(self) -> None:
        """Let all threads pass. For a single thread."""
        if not self.opened:
            self.opened = True
            self._closed.release()

    def wait(self, seconds: float) -> None:
        """Wait until the gate is open, for at most `seconds`."""
        if self._closed.acquire(timeout=seconds):
            self._closed.release()
