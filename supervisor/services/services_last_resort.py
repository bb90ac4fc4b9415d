"""The last resort of several services, after a failure of the conductor. It makes no rule of its
own.

Services run on, and none is started again. A stop reaches all at once; the end of an essential
service stops the others.
"""

from __future__ import annotations

import time

from ..core import actions as act
from ..core import events as ev
from ..core.errors import CANNOT_RUN
from ..core.signal_numbers import INT, KILL, QUIT, TERM
from ..runtime.last_resort import unruled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .conductor_state import Services
    from .services_loop import ServicesLoop

_ORDERED = 0


class ServicesLastResort:
    def __init__(self, loop: ServicesLoop, services: Services) -> None:
        self._loop = loop
        self._places = services.roster.places
        self._main = services.roster.main
        # Not from the services: the failed turn may have started some of them.
        started = loop.processes.services().items()
        self._alive = {name for name, pid in started if pid and name in self._places}
        self._code = CANNOT_RUN  # all ended by themselves
        self._stopping = False
        self._kill_at: dict[str, float] = {}  # of each service that is to stop
        if services.stopping is not None:
            self._stop(services.stopping.code or _ORDERED)

    def run(self, event: ev.Event | None) -> int:
        """Go on from the fatal event until all services have ended; the exit code."""
        if event is not None:
            self._take(event)
        while self._alive:
            for one in unruled(self._loop, min(self._kill_at.values(), default=None)):
                self._take(one)
            now = time.monotonic()
            for name in [name for name, at in self._kill_at.items() if at <= now]:
                del self._kill_at[name]
                service = self._places[name].service
                self._kill(name, KILL, group=service.killasgroup or service.stopasgroup)
        return self._code

    def _take(self, event: ev.Event) -> None:
        match event:
            case ev.SignalReceived(signum) if signum in (TERM, INT, QUIT):
                self._stop(_ORDERED)
            case ev.Forked(service=name):
                self._alive.add(name)
            case ev.Exited(_, code, service=name) | ev.StartFailed(code, service=name):
                self._ended(name, code)
            case _:
                self._loop.served(event)

    def _ended(self, name: str, code: int) -> None:
        self._alive.discard(name)
        self._kill_at.pop(name, None)
        if name not in self._places:
            return
        if name == self._main and self._code == _ORDERED:
            self._code = code
        service = self._places[name].service
        completed = service.oneshot and code in service.exitcodes
        if service.essential and not completed:
            self._stop(code)

    def _stop(self, code: int) -> None:
        """Stop all, once; the first reason decides the exit code."""
        if self._stopping:
            return
        self._stopping = True
        self._code = code
        for name in self._alive:
            life = self._places[name].policy.life
            if life.stop_timeout is not None:
                self._kill_at[name] = time.monotonic() + life.stop_timeout
            self._kill(name, life.stop_signal, group=life.group)

    def _kill(self, name: str, signum: int, *, group: bool) -> None:
        self._loop.perform(act.Kill(signum, group, name))
