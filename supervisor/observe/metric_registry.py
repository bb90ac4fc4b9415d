"""Declares metrics: under the prefix `supervisor_` or, as other sidecars name theirs, `reloader_`,
with all known values of labels from the start.

It owns the registry, and must not know single metrics.
"""

from __future__ import annotations

from itertools import product

from . import metrics_library as prom
from . import text_format

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..core.service import Service

PREFIX = "supervisor"


class MetricRegistry:
    """The metrics of a supervisor; `state` gives the state for gauges, at each scrape."""

    def __init__(self, state: Callable[[], Service]) -> None:
        prom.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.state = state
        self.collectors = prom.CollectorRegistry(auto_describe=True)

    def counter(
        self,
        name: str,
        text: str,
        labels: Mapping[str, Sequence[str]] | None = None,
        prefix: str = PREFIX,
    ) -> prom.Counter:
        """A counter. Each combination of the known values of labels is 0 from the start, so
        `increase()` sees the first event.
        """
        known = labels or {}
        counter = prom.Counter(name, text, tuple(known), namespace=prefix, registry=self.collectors)
        if known:
            for values in product(*known.values()):
                counter.labels(*values)
        return counter

    def gauge(
        self, name: str, text: str, labels: Sequence[str] = (), prefix: str = PREFIX
    ) -> prom.Gauge:
        return prom.Gauge(name, text, labels, namespace=prefix, registry=self.collectors)

    def shown(
        self, name: str, text: str, read: Callable[[Service], float], prefix: str = PREFIX
    ) -> None:
        """A gauge of the state, read at each scrape."""
        self.gauge(name, text, prefix=prefix).set_function(lambda: read(self.state()))

    def histogram(self, name: str, text: str, buckets: Sequence[float]) -> prom.Histogram:
        return prom.Histogram(
            name, text, namespace=PREFIX, registry=self.collectors, buckets=buckets
        )

    def register(self, collector: prom.Collector) -> None:
        self.collectors.register(collector)

    def page(self, accept: str) -> tuple[str, bytes]:
        """Content type and body of /metrics for an Accept header."""
        return text_format.page(self.collectors, accept)
