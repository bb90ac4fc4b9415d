"""The counts of several services that no state keeps: ends by kind, failed starts, times of starts.

The main thread counts with each event, by a few additions; any thread reads. A count goes on over
the restarts of a service, and over an update of its record in the plan; it ends when the service
leaves the plan. It must not know how a count is shown.
"""

from __future__ import annotations

import time

from ..core import events as ev
from ..core.record import Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .conductor_state import Out, Services


class Kind(Words):
    """How a process of a service ended."""

    EXIT = "exit"
    SIGNAL = "signal"


class Counts:
    """Of a service."""

    def __init__(self) -> None:
        self.starts = 0
        self.failed_starts = 0
        self.exits = dict.fromkeys(Kind, 0)
        self.oom_kills = 0
        self.started_at: float | None = None  # seconds of the epoch, of the last start
        self.ended_by_signal = False  # the last end
        self.last_code: int | None = None


class ServiceTally:
    def __init__(self) -> None:
        self._counts: dict[str, Counts] = {}

    def of(self, name: str) -> Counts:
        """The counts of a service, by its identity."""
        counts = self._counts.get(name)
        if counts is None:
            counts = self._counts.setdefault(name, Counts())
        return counts

    def observe(self, event: ev.Event, before: Services, after: Services, orders: Out) -> None:
        """Count an event; in the main thread."""
        del orders
        if after.roster is not before.roster:
            for name in [name for name in self._counts if name not in after.members]:
                del self._counts[name]
        match event:
            case ev.Started(service=name) if name in after.members:
                counts = self.of(name)
                counts.starts += 1
                counts.started_at = time.time()
            case ev.StartFailed(code=code, service=name) if name in after.members:
                counts = self.of(name)
                counts.failed_starts += 1
                counts.last_code = code
                counts.ended_by_signal = False
            case ev.Exited(service=name) if name in after.members:
                counts = self.of(name)
                counts.exits[Kind.SIGNAL if event.signum else Kind.EXIT] += 1
                counts.last_code = event.code
                counts.ended_by_signal = bool(event.signum)

    def count_oom_kill(self, name: str) -> None:
        """Count an end for lack of memory."""
        self.of(name).oom_kills += 1
