"""Threads that take no signals, so that the kernel always wakes the main thread for them."""

from __future__ import annotations

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def start(body: Callable[[], object], name: str) -> None:
    """Run `body` in a daemon thread: it never holds up the end of the process."""
    import threading  # noqa: PLC0415 - a bare init has no threads

    thread = threading.Thread(target=body, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
