"""The parts of several services that only look on: the port, ends for lack of memory, Kubernetes
Events, the message of an end.

It puts them together from the options and starts the threads; it decides nothing. A part that is
not asked for is not imported.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.errors import StartError
from ..core.primitives import partial
from ..observe.turn_backlog import Backlog
from ..runtime import log, threads
from .service_memory import MemoryWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ..observe.pod_events import Notice
    from ..options.declarations import Settings
    from ..runtime.inbox import Inbox
    from ..runtime.loop import Current
    from ..sources.kubernetes.event_sender import EventSender
    from .conductor_state import Out, Services
    from .plan import Plan
    from .service_logs import ServiceLogs
    from .service_metrics import ServiceMetrics
    from .service_tally import ServiceTally

_DEFAULT_PORT = 9911  # with a configuration, as of a single app
_FURTHER_PORTS, _LAST_PORT = 9, 65535  # with --listen-next
_PATIENCE = 1.0  # seconds for the first start, undisturbed by imports
_LAST_WORDS = 2.0  # seconds for the Events about an end


class Observation:
    """All of these parts; `observers` and `at_end` are for the loop."""

    def __init__(
        self, plan: Plan, settings: Settings, environ: Mapping[str, str], inbox: Inbox
    ) -> None:
        """Raises StartError outside of a pod with --events."""
        self._settings = settings
        self._environ = environ
        self._inbox = inbox
        self._started = threads.Gate()
        self._served_at = _served_at(plan, settings)
        self._memory = MemoryWatch(self._tell_of_memory)
        self._tally: ServiceTally | None = None
        self._backlog = Backlog()  # for the metrics of configurations
        self._events: EventSender | None = None
        self._current: Current | None = None
        self._logs: ServiceLogs | None = None
        # They get the services, those of a single app its service.
        self.observers: tuple[Any, ...] = (self._memory.observe,)
        self.at_end: tuple[Callable[[], None], ...] = (self._explain_end,)
        self.served = self._served_at[1] >= 0  # a port
        if self.served:
            from .service_tally import ServiceTally

            self._tally = ServiceTally()
            self.observers += (self._tally.observe, self._backlog.observe, self._note_start)
        if settings.events:
            self._events = self._event_sender()
            self.observers += (self._send_events,)
            self.at_end += (_remove_key_files,)

    def begin(self, current: Current, logs: ServiceLogs) -> None:
        """Start the threads. Raises RuntimeError without threads."""
        self._current = current
        self._logs = logs
        if self._tally is not None:
            from ..observe import port_thread

            make = partial(self._port, current, self._tally, logs)

            def serve() -> None:
                self._started.wait(_PATIENCE)
                port_thread.run(make, self._backlog, self._probe)

            threads.start(serve, "web")
        if self._events is not None:
            threads.start(self._events.run, "events")

    # --- ends, and Events -------------------------------------------------------------------------

    def _tell_of_memory(self, name: str) -> None:
        remedy = f"give the container more memory, or {name} less to do"
        message = f"the kernel killed {name}: out of memory; {remedy}"
        log.warning(message, event="out_of_memory", service=name)
        if self._tally is not None:
            self._tally.count_oom_kill(name)
        if self._events is not None:
            from . import service_notices

            self._send(service_notices.memory_notice(name))

    def _event_sender(self) -> EventSender:
        from ..sources.kubernetes import event_sender
        from ..sources.kubernetes.credentials import Access

        pod = event_sender.pod_of(self._environ)
        if pod is None:
            raise StartError(
                "--events needs POD_NAME, POD_NAMESPACE and POD_UID by the downward API (see"
                " docs/rbac.md)"
            )
        access = Access(self._settings.kubeconfig, self._settings.context)
        return event_sender.EventSender(pod, access)

    def _send_events(self, event: ev.Event, before: Services, after: Services, _: Out) -> None:
        from . import service_notices

        for notice in service_notices.notices(event, before, after, self._memory.short):
            self._send(notice)

    def _send(self, notice: Notice) -> None:
        if self._events is not None:
            self._events.send(notice.reason, notice.note, warning=notice.warning)

    def _explain_end(self) -> None:
        """Tell the kubelet why a policy ended all; an order needs no reason."""
        state: Any = None if self._current is None else self._current.state
        stopping = None if state is None else state.stopping
        if stopping is None or not (stopping.cause or stopping.code):
            return
        from ..runtime import termination_message
        from . import service_ends

        why = service_ends.sentence(state, self._memory.short)
        if not why:
            return
        lines = self._logs.last_lines(service_ends.subject(state)) if self._logs else ()
        termination_message.report(why, lines, self._environ)
        if self._events is not None:
            self._events.finish(_LAST_WORDS)

    # --- the port ---------------------------------------------------------------------------------

    def _note_start(self, event: ev.Event, *_: object) -> None:
        # Not before an exec, which would wait for a processor.
        if isinstance(event, ev.Started):
            self._started.open()

    def _port(
        self, current: Current, tally: ServiceTally, logs: ServiceLogs
    ) -> tuple[ServiceMetrics, Callable[[], None]]:
        """The metrics, and the way to serve them."""
        from ..observe import listener
        from . import service_metrics, service_pages

        log.capture()
        metrics = service_metrics.ServiceMetrics(current, tally, logs.dropped)
        site = service_pages.ServicesSite(current, self._probe, metrics.page)
        host, port = self._served_at
        return metrics, partial(listener.serve, host, self._ports(port), site)

    def _probe(self, reply: Callable[[], None]) -> None:
        self._inbox.put(ev.Probed(reply))

    def _ports(self, port: int) -> Sequence[int]:
        further = self._settings.listen_next and port
        return range(port, (min(port + _FURTHER_PORTS, _LAST_PORT) if further else port) + 1)


def _remove_key_files() -> None:
    """Remove what the sender of Events has made of a kubeconfig."""
    from ..wiring import sources

    sources.remove_key_files()


def _served_at(plan: Plan, settings: Settings) -> tuple[str, int]:
    """Host and port; the port is -1 where nothing is served."""
    if settings.listen is not None:
        return settings.listen
    configured = any(one.settings and one.settings.configured for one in plan.services)
    return "", _DEFAULT_PORT if configured else -1
