"""A panel of the dashboard and its queries as values: units, limits, the usual expressions.

It must not know single metrics, nor Grafana's format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

WHO = "namespace, job, pod, instance"
ONE = "{{pod}} {{instance}}"

BAD = {"color": "red"}
GOOD = {"color": "green", "value": None}
NO_LIMIT = (GOOD,)
NONE_IS_GOOD = (GOOD, {**BAD, "value": 1})
NO_RATE_IS_GOOD = (GOOD, {**BAD, "value": 0.001})  # an event in a quarter of an hour
ALL_IS_GOOD = ({**BAD, "value": None}, {**GOOD, "value": 1})
# A watch answers every 6 minutes.
SILENCE = (GOOD, {"color": "orange", "value": 420}, {**BAD, "value": 1200})


class Panel(NamedTuple):
    """`queries`: legend to expression; CHOSEN stands for the matchers of the variables."""

    title: str
    text: str
    queries: Mapping[str, str]
    unit: str = "none"
    limits: Sequence[Mapping[str, object]] = NO_LIMIT
    kind: str = "timeseries"


class Row(NamedTuple):
    """Panels of equal height (in units of Grafana's grid), `per_line` beside each other."""

    title: str
    height: int
    per_line: int
    panels: Sequence[Panel]


def rate(metric: str, by: str, extra: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{CHOSEN{extra}}}[$__rate_interval]))"


def quantile(share: float, metric: str) -> str:
    # Changes are rare: over a few minutes there is mostly no value.
    return f"histogram_quantile({share}, sum by (le) (increase({metric}_bucket{{CHOSEN}}[1h])))"


def each(metric: str, extra: str = "") -> str:
    return f"sum by ({WHO}) ({metric}{{CHOSEN{extra}}})"


def number(
    title: str, text: str, query: str, limits: Sequence[Mapping[str, object]] = NONE_IS_GOOD
) -> Panel:
    return Panel(title, text, {"": query}, "none", limits, "stat")
