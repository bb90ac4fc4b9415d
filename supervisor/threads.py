"""Threads. They inherit the main thread's mask, in which every signal is blocked: only the inbox takes signals."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def start(body: Callable[[], object], name: str) -> None:
    """Run `body` in a daemon thread: it never holds up the end of the process."""
    import threading  # noqa: PLC0415 - a bare init has no threads

    threading.Thread(target=body, name=name, daemon=True).start()
