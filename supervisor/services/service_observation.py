"""The parts of several services that only look on: the port with probes, status and metrics.

It puts them together from the options and starts the threads; it decides nothing. A part that is
not asked for is not imported.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.primitives import partial
from ..runtime import log, threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..options.declarations import Settings
    from ..runtime.inbox import Inbox
    from ..runtime.loop import Current
    from .plan import Plan

_DEFAULT_PORT = 9911  # with a configuration, as of a single app
_FURTHER_PORTS, _LAST_PORT = 9, 65535  # with --listen-next
_PATIENCE = 1.0  # seconds for the first start, undisturbed by imports


class Observation:
    def __init__(self, plan: Plan, settings: Settings, inbox: Inbox) -> None:
        self._settings = settings
        self._inbox = inbox
        self._started = threads.Gate()
        self._served_at = _served_at(plan, settings)
        # They get the services, those of a single app its service.
        self.observers: tuple[Any, ...] = ()
        if self._served_at[1] >= 0:
            from .service_tally import ServiceTally

            self._tally = ServiceTally()
            self.observers = (self._tally.observe, self._note_start)

    def begin(self, current: Current) -> None:
        """Start the threads. Raises RuntimeError without threads."""
        if self._served_at[1] >= 0:
            threads.start(partial(self._serve, current), "web")

    def _note_start(self, event: ev.Event, *_: object) -> None:
        # Not before an exec, which would wait for a processor.
        if isinstance(event, ev.Started):
            self._started.open()

    def _serve(self, current: Current) -> None:
        """Serve the port; the body of a thread."""
        self._started.wait(_PATIENCE)
        host, port = self._served_at
        try:
            from ..observe import listener
            from . import service_metrics, service_pages

            metrics = service_metrics.ServiceMetrics(current, self._tally)
            log.capture()
        except Exception as error:  # a broken installation of a library must not end a service
            log.warning(
                f"cannot serve metrics and probes: {error!r}; everything else goes on",
                event="listen_failed",
            )
            return
        site = service_pages.ServicesSite(current, self._probe, metrics.page)
        listener.serve(host, self._ports(port), site)

    def _probe(self, reply: Callable[[], None]) -> None:
        self._inbox.put(ev.Probed(reply))

    def _ports(self, port: int) -> Sequence[int]:
        further = self._settings.listen_next and port
        return range(port, (min(port + _FURTHER_PORTS, _LAST_PORT) if further else port) + 1)


def _served_at(plan: Plan, settings: Settings) -> tuple[str, int]:
    """Host and port; the port is -1 where nothing is served."""
    if settings.listen is not None:
        return settings.listen
    configured = any(one.settings and one.settings.configured for one in plan.services)
    return "", _DEFAULT_PORT if configured else -1
