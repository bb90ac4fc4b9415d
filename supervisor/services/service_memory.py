"""Services that the kernel killed for lack of memory, told from those that a person killed.

A process is taken for one of these where KILL ended it, this supervisor sent none, and the counter
of the cgroup has grown. It sees each event in the main thread; the file is read at a start and
after such an end only.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.actions import Kill
from ..core.signal_numbers import KILL
from ..process import oom_kills

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .conductor_state import Out, Services


class MemoryWatch:
    def __init__(self, tell: Callable[[str], None], path: str | None = None) -> None:
        """`tell` gets the name of a service; `path`: of the counter, None to look for it."""
        self._tell = tell
        self._path = path
        self._seen = 0
        self._killed: set[str] = set()  # services that this supervisor killed
        self.short: set[str] = set()  # services whose last end was for lack of memory

    def observe(self, event: ev.Event, before: Services, after: Services, orders: Out) -> None:
        """Look at an event; in the main thread."""
        del before
        self._killed |= {
            order.service for order in orders if isinstance(order, Kill) and order.signum == KILL
        }
        match event:
            case ev.Started(service=name):
                self._killed.discard(name)
                self.short.discard(name)
                self._seen = self._count()
            case ev.Exited(signum=signum, service=name) if signum == KILL:
                if name in after.members and name not in self._killed:
                    self._look(name)

    def _look(self, name: str) -> None:
        """Tell of a service for each process that the kernel has killed since the last look."""
        if self._count() > self._seen:
            self._seen += 1
            self.short.add(name)
            self._tell(name)

    def _count(self) -> int:
        if self._path is None:
            self._path = oom_kills.find()
        return (oom_kills.count(self._path) or 0) if self._path else 0
