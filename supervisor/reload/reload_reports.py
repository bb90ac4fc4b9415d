"""The reports of applications about their reloads (sd_notify(3): RELOADING=1, then READY=1).

The thread that reads the sockets writes them down by pid; the thread of a reload looks for the end
that belongs to its signal. It knows neither sockets nor methods.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.notify_message import Message

_begun: dict[int, float] = {}  # when a reload began that has no end yet, by the app's own clock
_ended: dict[int, float] = {}  # when the last reload began that has ended


def hear(pid: int, message: Message) -> None:
    """Note a message of an app."""
    if message.reloading:
        now = time.monotonic()
        _begun[pid] = now if message.sent_at is None else min(message.sent_at, now)
    if message.ready and pid in _begun:
        _ended[pid] = _begun.pop(pid)


def has_ended(pid: int, since: float) -> bool:
    """Whether a reload that began after `since` (monotonic) has ended."""
    return _ended.get(pid, since - 1) >= since


def forget(pid: int) -> None:
    """The app has ended; its pid may be that of another process soon."""
    _begun.pop(pid, None)
    _ended.pop(pid, None)
