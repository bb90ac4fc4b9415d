"""Metrics of the sources: existence, last read, last contact, watches. No content here."""

from __future__ import annotations

from ..core import events as ev
from ..core.quoting import encodable
from ..sources.interface import RestartReason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.service import Service
    from ..runtime.protocols import Order
    from .metric_registry import MetricRegistry

_WATCH_EVENTS = ("added", "modified", "deleted", "bookmark", "error")


class SourceMetrics:
    def __init__(self, registry: MetricRegistry) -> None:
        names = ("kind", "namespace", "name")
        self._present = registry.gauge("source_present", "Whether the source exists", names)
        self._synced = registry.gauge(
            "source_last_sync_timestamp_seconds",
            "Time of the last complete read of the source, in seconds since 1970",
            names,
        )
        self._contact = registry.gauge(
            "source_last_contact_timestamp_seconds",
            "Time of the last answer of the source, in seconds since 1970",
            names,
        )
        self._connected = registry.gauge(
            "watch_connected", "Whether the watches on all sources are established"
        )
        self._watch_events = registry.counter(
            "watch_events", "Events from watches on sources, by type", {"type": _WATCH_EVENTS}
        )
        self._restarts = registry.counter(
            "watch_restarts",
            "Ends of watches on sources, by reason",
            {"reason": tuple(RestartReason)},
        )
        self._names: dict[int, tuple[str, str, str]] = {}
        self._up: dict[int, bool] = {}

    def observe(
        self, event: ev.Event, _: Service, after: Service, _actions: Sequence[Order]
    ) -> None:
        match event:
            case ev.SourceOpened(source, kind, namespace, name):
                self._names[source] = names = (kind, namespace, encodable(name))
                for gauge in (self._present, self._synced, self._contact):
                    gauge.labels(*names)
            case ev.SourceRead(source, present):
                self._present.labels(*self._names[source]).set(present)
                self._synced.labels(*self._names[source]).set_to_current_time()
                if event.saw:
                    self._watch_events.labels(event.saw).inc()
            case ev.WatchConnected(source) | ev.WatchDisconnected(source):
                self._up[source] = isinstance(event, ev.WatchConnected)
                all_known = len(self._up) == len(after.sources)
                self._connected.set(all_known and all(self._up.values()))
            case ev.WatchSaw(source, kind, count):
                self._watch_events.labels(kind).inc(count)
            case ev.WatchRestarted(reason):
                self._restarts.labels(reason).inc()
        match event:
            case (
                ev.SourceRead(source)
                | ev.SourceContacted(source)
                | ev.WatchConnected(source)
                | ev.WatchSaw(source)
            ):
                self._contact.labels(*self._names[source]).set_to_current_time()
