"""Metrics of the configurations of several services: those of a single app, with the label
`service`.

It gives each group of `observe` a registry that adds the label, and each service that has a
configuration groups of its own. Imported with the port; the main thread counts.
"""

from __future__ import annotations

from itertools import product

from ..core import events as ev
from ..core.service import Service
from ..observe import metrics_library as prom
from ..observe.metric_registry import PREFIX, MetricRegistry
from ..observe.reload_metrics import ReloadMetrics
from ..observe.source_metrics import SourceMetrics
from ..observe.version_metrics import VersionMetrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .conductor_state import Out, Services

    Series = set[tuple[Any, tuple[object, ...]]]  # a family, and further labels

_LABEL = "service"
_PASSED = ev.DeadlinePassed()  # stands for an event of another service, or of none


class ConfigurationMetrics:
    def __init__(self, registry: MetricRegistry, state: Callable[[], Services]) -> None:
        self._registry = registry
        self._state = state
        self._families: dict[tuple[str, str], Any] = {}
        self._groups: dict[str, tuple[Any, ...]] = {}
        self._series: dict[str, Series] = {}
        self._last: dict[str, Service] = {}

    def observe(self, event: ev.Event, before: Services, after: Services, _: Out) -> None:
        """Count an event; in the main thread, after each turn."""
        if after.roster is not before.roster:
            for name in self._gone(after):
                self._forget(name)
        subject = getattr(event, "service", "")
        for name in dict.fromkeys((subject, *after.changed)):
            member = after.members.get(name)
            if member is None or member.service.rollout is None:
                continue
            was = before.members.get(name)
            first = Service() if was is None else was.service
            last = self._last.get(name, first)
            self._last[name] = member.service
            seen = event if name == subject else _PASSED
            for group in self._of(name, after):
                group.observe(seen, last, member.service, ())

    def _gone(self, services: Services) -> list[str]:
        """The services that have left the file, or have a configuration, or a fleet, no more or
        since now.
        """
        members = services.members
        kept = {
            name
            for name, member in members.items()
            if member.service.rollout is not None and self._as_before(name, member.service)
        }
        return [name for name in self._groups if name not in kept]

    def _as_before(self, name: str, service: Service) -> bool:
        last = self._last.get(name, service)
        return (last.fleet is None) is (service.fleet is None)

    def _forget(self, name: str) -> None:
        """Remove the series of a service."""
        del self._groups[name]
        self._last.pop(name, None)
        for family, values in self._series.pop(name, ()):
            family.remove(name, *values)

    def _of(self, name: str, services: Services) -> tuple[Any, ...]:
        """The groups of a service."""
        groups = self._groups.get(name)
        if groups is None:
            settings = services.roster.places[name].service.settings
            series = self._series[name] = set()
            registry: Any = _ServiceRegistry(
                self._registry, self._families, (name, series), lambda: self._service(name)
            )
            method = settings.reload_method.name if settings else ""
            groups = (
                VersionMetrics(registry),
                ReloadMetrics(registry, method),
                SourceMetrics(registry),
            )
            if services.members[name].service.fleet is not None:
                from ..observe.fleet_metrics import FleetMetrics

                groups = (*groups, FleetMetrics(registry))
            self._groups[name] = groups
        return groups

    def _service(self, name: str) -> Service:
        member = self._state().members.get(name)
        return Service() if member is None else member.service


class _ServiceRegistry:
    """Declares metrics as `MetricRegistry` does; a further service shares those of the first."""

    def __init__(
        self,
        registry: MetricRegistry,
        families: dict[tuple[str, str], Any],
        service: tuple[str, Series],
        state: Callable[[], Service],
    ) -> None:
        self._registry = registry
        self._families = families
        self._service = service
        self.state = state

    def counter(
        self,
        name: str,
        text: str,
        labels: Mapping[str, Sequence[str]] | None = None,
        prefix: str = PREFIX,
    ) -> _Bound:
        known = labels or {}
        found = self._family(
            (prefix, name),
            lambda: self._registry.counter(name, text, {_LABEL: (), **known}, prefix),
        )
        for values in product(*known.values()):
            found.labels(*values)
        return found

    def gauge(
        self, name: str, text: str, labels: Sequence[str] = (), prefix: str = PREFIX
    ) -> _Bound:
        found = self._family(
            (prefix, name), lambda: self._registry.gauge(name, text, (_LABEL, *labels), prefix)
        )
        if not labels:
            found.labels()
        return found

    def shown(
        self, name: str, text: str, read: Callable[[Service], float], prefix: str = PREFIX
    ) -> None:
        self.gauge(name, text, prefix=prefix).labels().set_function(lambda: read(self.state()))

    def histogram(self, name: str, text: str, buckets: Sequence[float]) -> _Bound:
        return self._family(
            (PREFIX, name),
            lambda: prom.Histogram(
                name,
                text,
                (_LABEL,),
                namespace=PREFIX,
                registry=self._registry.collectors,
                buckets=buckets,
            ),
        )

    def _family(self, key: tuple[str, str], make: Callable[[], Any]) -> _Bound:
        if key not in self._families:
            self._families[key] = make()
        return _Bound(self._families[key], *self._service)


class _Bound:
    """A metric with the label of one service."""

    def __init__(self, family: Any, service: str, series: Series) -> None:
        self._family = family
        self._service = service
        self._series = series

    def labels(self, *values: object) -> Any:
        self._series.add((self._family, values))
        return self._family.labels(self._service, *values)

    def __getattr__(self, name: str) -> Any:
        """The method of the series without further labels."""
        return getattr(self.labels(), name)
