"""The page of metrics is the one that prometheus_client makes, in every accepted format."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prometheus_client import exposition

from config_supervisor.observe import metrics_library as prom
from config_supervisor.observe.text_format import page

# As scrapers send them: curl, Prometheus 2 and 3, VictoriaMetrics, and some that none sends.
ACCEPTS = [
    "",
    "*/*",
    "text/plain",
    "text/plain;version=0.0.4;q=1,*/*;q=0.1",
    "application/openmetrics-text",
    "application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5",
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.2",
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.1",
    "application/openmetrics-text;version=1.0.0;escaping=dots",
    "application/openmetrics-text;version=2.0.0",
    "text/html;version=1.0.0, application/openmetrics-text; version=1.0.0",
    "application/openmetrics-text;version=;escaping",
]


@pytest.fixture
def registry() -> prom.CollectorRegistry:
    """Each kind of metric, with labels, awkward texts and awkward values."""
    registry = prom.CollectorRegistry()
    prom.disable_created_metrics()  # type: ignore[no-untyped-call]
    counter = prom.Counter("c", 'back\\slash, "quotes"\nand lines', ["b", "a"], registry=registry)
    counter.labels("x\\y", 'say "hi"\n').inc(12345678.5)
    counter.labels("", "grüße").inc()
    gauge = prom.Gauge("g", "A gauge", ["value"], registry=registry)
    for value in (0.1, -1.0, 1e9, 1e300, float("inf"), float("-inf"), float("nan")):
        gauge.labels(repr(value)).set(value)
    prom.Gauge("empty", "", ["none"], registry=registry)
    histogram = prom.Histogram("h", "A histogram", registry=registry, buckets=(0.1, 5))
    histogram.observe(2)
    prom.ProcessCollector(pid=lambda: 1, registry=registry)
    return registry


@pytest.mark.parametrize("accept", ACCEPTS)
def test_page_equals_that_of_the_library(registry: prom.CollectorRegistry, accept: str) -> None:
    encode, content_type = exposition.choose_encoder(accept)

    def steady(text: bytes) -> list[bytes]:
        """Without the time that passes between the pages."""
        return [line for line in text.splitlines() if not line.startswith(b"process_")]

    kind, text = page(registry, accept)
    assert content_type == kind
    assert steady(encode(registry)) == steady(text)
    assert b"# TYPE process_" in text


@pytest.mark.parametrize("accept", [accept for accept in ACCEPTS if "0.0.4" in accept])
def test_page_for_a_scraper_imports_no_server(accept: str) -> None:
    """The encoders of the library lie beside its servers, which import TLS."""
    code = (
        "import sys\n"
        "from config_supervisor.observe import metrics_library, text_format\n"
        f"text_format.page(metrics_library.CollectorRegistry(), {accept!r})\n"
        "print(*sorted({'http.server', 'ssl', 'wsgiref'} & {*sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
