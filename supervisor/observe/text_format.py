"""The text of a page of metrics, in the format that a scraper accepts.

`prometheus_client` encodes OpenMetrics. Its encoder of the plain format lies beside its servers,
whose imports take more memory than all of the metrics: the plain format is encoded here, for
counters, gauges and histograms. Must not know the metrics.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from . import metrics_library as prom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric
    from prometheus_client.samples import Sample

_TEXT = "text/plain"
_OPENMETRICS = "application/openmetrics-text"
_SAME_NAMES = (
    "",
    "underscores",
    "allow-utf-8",
)  # escapings that leave names of letters as they are


def page(registry: prom.CollectorRegistry, accept: str) -> tuple[str, bytes]:
    """Content type and text of all metrics for an Accept header."""
    for accepted in accept.split(","):
        kind, *words = (word.strip() for word in accepted.split(";"))
        options = dict(word.split("=", 1) for word in words if "=" in word)
        version = options.get("version", "")
        escaping = options.get("escaping", "")
        if kind not in (_OPENMETRICS, _TEXT) or version.startswith("0."):
            continue
        if kind == _OPENMETRICS and not version:
            return prom.OPENMETRICS_TYPE, prom.openmetrics_text(registry)
        if kind == _OPENMETRICS and version == "1.0.0" and escaping in _SAME_NAMES:
            content_type = f"{prom.OPENMETRICS_TYPE}; escaping={escaping or _SAME_NAMES[1]}"
            return content_type, prom.openmetrics_text(registry)
        if version:
            return _by_library(registry, accept)
    return f"{_TEXT}; version=0.0.4; charset=utf-8", plain_text(registry)


def plain_text(registry: prom.CollectorRegistry) -> bytes:
    """All metrics in the plain format."""
    return "".join(line for metric in registry.collect() for line in _lines(metric)).encode()


def _by_library(registry: prom.CollectorRegistry, accept: str) -> tuple[str, bytes]:
    from prometheus_client import exposition

    encode, content_type = exposition.choose_encoder(accept)
    return content_type, encode(registry)


def _lines(metric: Metric) -> Iterator[str]:
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    yield f"# HELP {name} {_escaped(metric.documentation)}\n"
    yield f"# TYPE {name} {metric.type}\n"
    for sample in metric.samples:
        yield f"{sample.name}{_labels(sample)} {prom.float_text(sample.value)}\n"


def _labels(sample: Sample) -> str:
    pairs = [f'{name}="{_quoted(value)}"' for name, value in sorted(sample.labels.items())]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
