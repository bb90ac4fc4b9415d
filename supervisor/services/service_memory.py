"""Services that the kernel killed for lack of memory, told from those that a person killed.

A process is taken for one of these where KILL ended it, this supervisor sent none, and the kernel
has killed a process of the cgroup since the last end of this service, which no other service was
told of. It sees each event in the main thread; the file is read at the beginning and at the end of
a program only: a start may be handled after the kernel has killed the program.
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
        self._told = 0  # kills that a service was told of
        self._first = self._untold()
        self._before: dict[str, int] = {}  # untold kills at the last end of each service
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
            case ev.Exited(signum=signum, service=name) if name in after.members:
                self._look(name, killed=signum == KILL and name not in self._killed)

    def _look(self, name: str, *, killed: bool) -> None:
        """Tell of a service for a process that the kernel has killed in its life."""
        untold = self._untold()
        if killed and untold > self._before.get(name, self._first):
            self._told += 1
            untold -= 1
            self.short.add(name)
            self._tell(name)
        self._before[name] = untold

    def _untold(self) -> int:
        return self._count() - self._told

    def _count(self) -> int:
        if self._path is None:
            self._path = oom_kills.find()
        return (oom_kills.count(self._path) or 0) if self._path else 0
