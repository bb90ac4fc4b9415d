"""All metrics of a supervisor, by group: the app, versions, reloads, sources, processes, fleet.

It owns the choice of groups; each group owns its declarations and its events. To add a metric: a
declaration in `__init__` of a group, and a case in `observe` there; those of processes are
collected at each scrape.

Imported in a thread of its own after the app's start. `wiring` keeps the events before that; from
then on the main thread calls `observe` after each turn.
"""

from __future__ import annotations

from . import metrics_library as prom
from .app_metrics import AppMetrics
from .metric_registry import MetricRegistry
from .process_metrics import ProcessMetrics
from .reload_metrics import ReloadMetrics
from .source_metrics import SourceMetrics
from .version_metrics import VersionMetrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from ..core import events as ev
    from ..core.service import Service
    from ..runtime.protocols import Order

    class Group(Protocol):
        """Metrics of a subject."""

        def observe(
            self, event: ev.Event, before: Service, after: Service, actions: Sequence[Order]
        ) -> None: ...


class Metrics:
    """All groups; a supervisor without a configuration has no `method`, and fewer groups."""

    def __init__(self, state: Callable[[], Service], method: str) -> None:
        registry = MetricRegistry(state)
        self._groups: list[Group] = [AppMetrics(registry)]
        if method:
            self._groups += [
                VersionMetrics(registry),
                ReloadMetrics(registry, method),
                SourceMetrics(registry),
            ]
        if state().fleet is not None:
            from .fleet_metrics import FleetMetrics

            self._groups.append(FleetMetrics(registry))
        prom.ProcessCollector(registry=registry.collectors)
        registry.register(ProcessMetrics(lambda: state().life.pid))
        self.registry = registry.collectors
        self.page = registry.page

    def observe(
        self, event: ev.Event, before: Service, after: Service, actions: Sequence[Order]
    ) -> None:
        """Count an event; in the main thread, after each turn."""
        for group in self._groups:
            group.observe(event, before, after, actions)
