"""The used names of `prometheus_client`, without its servers and gateways.

The code of that package imports ssl, http.server, wsgiref and urllib.request: five times the memory
of its metrics. Must not know the metrics.
"""

from __future__ import annotations

from ..runtime.partial_imports import import_parts

_MODULES = (
    "prometheus_client.core",
    "prometheus_client.openmetrics.exposition",
    "prometheus_client.process_collector",
)

try:
    import_parts(("prometheus_client",), _MODULES)
except (ImportError, AttributeError):
    import prometheus_client  # noqa: F401 - a release with another layout is imported whole

from prometheus_client import utils
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.openmetrics import exposition
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "OPENMETRICS_TYPE",
    "Collector",
    "CollectorRegistry",
    "Counter",
    "CounterMetricFamily",
    "Gauge",
    "GaugeMetricFamily",
    "Histogram",
    "ProcessCollector",
    "disable_created_metrics",
    "float_text",
    "openmetrics_text",
]

OPENMETRICS_TYPE = exposition.CONTENT_TYPE_LATEST
openmetrics_text: Callable[[CollectorRegistry], bytes] = exposition.generate_latest
float_text: Callable[[float], str] = utils.floatToGoString
