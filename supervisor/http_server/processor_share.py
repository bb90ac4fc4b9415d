"""A share of a core for a thread: strangers who keep the thread busy leave the rest to the app.

It must not know the work of the thread.
"""

from __future__ import annotations

import time

_BURST = 0.25  # seconds of processor time at once


class ProcessorShare:
    """Lets a thread rest once it has used more than its share of a core, bursts aside."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._left = _BURST
        self._used = 0.0
        self._ended = time.monotonic()

    def begin(self) -> None:
        """Begin a turn."""
        now = time.monotonic()
        self._left = min(_BURST, self._left + (now - self._ended) * self._share)
        self._used = time.thread_time()
        self._ended = now

    def end(self) -> None:
        """End a turn; sleep until the turn is paid for."""
        self._left -= time.thread_time() - self._used
        if self._left < 0:
            time.sleep(-self._left / self._share)
