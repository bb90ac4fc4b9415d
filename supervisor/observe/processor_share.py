"""A thread that keeps within a share of one core, so that strangers who keep it busy leave the rest
to the app.

It knows nothing of what the thread does.
"""

from __future__ import annotations

import time

_BURST = 0.25  # seconds of the processor that may be taken at once


class ProcessorShare:
    """Keeps a thread within a share of one core, bursts aside: beyond it, the thread rests."""

    def __init__(self, share: float) -> None:
        self._share, self._left = share, _BURST
        self._used, self._ended = 0.0, time.monotonic()

    def begin(self) -> None:
        """A turn begins."""
        now = time.monotonic()
        self._left = min(_BURST, self._left + (now - self._ended) * self._share)
        self._used, self._ended = time.thread_time(), now

    def end(self) -> None:
        """A turn ends; rests if it took more than there was."""
        self._left -= time.thread_time() - self._used
        if self._left < 0:
            time.sleep(-self._left / self._share)
