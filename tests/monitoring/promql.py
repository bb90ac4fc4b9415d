"""The metrics, labels and values in a PromQL expression, compared with those of the program.

It reads the part of PromQL in monitoring/ only; promtool decides whether an expression is valid.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from config_supervisor.core import events
from config_supervisor.core.service import Service
from config_supervisor.fleet.state import Fleet
from config_supervisor.observe.metrics import Metrics
from config_supervisor.options.reload_options import METHODS
from tests import service_metrics

yaml: Any = importlib.import_module("yaml")  # it has no types, and comes with `kubernetes`

MONITORING = Path(__file__).parents[2] / "monitoring"

# Labels that Prometheus adds to every series: by a PodMonitor, scrape annotations or a federation.
TARGET = frozenset({"cluster", "namespace", "job", "instance", "pod", "container"})
ALERTS = "ALERTS"  # Prometheus' own
_CLAUSE = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^()]*)\)")
_MADE = re.compile(r'"(\w+)", "\$1"')  # by label_replace
# A string outside of braces is an argument of a function: the first branch skips it.
_SELECTOR = re.compile(r'"[^"]*"|([A-Za-z_:][\w:]*)\s*(\{[^{}]*\}|\()?')
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_WORDS = frozenset({"and", "or", "unless", "bool", "by", "without", "on", "ignoring"})


class Selector(NamedTuple):
    """A metric's name and its matchers: label, operator, value."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]


def selectors(expression: str) -> list[Selector]:
    """Every metric of an expression."""
    bare = re.sub(r"\[[^\]]*\]", "", _CLAUSE.sub("", expression))
    return [
        Selector(name, tuple(_MATCHER.findall(tail)))
        for name, tail in _SELECTOR.findall(bare)
        if name and tail != "(" and name not in _WORDS
    ]


def grouped(expression: str) -> set[str]:
    """The labels of grouping and joins, without those of label_replace."""
    used = {label.strip() for clause in _CLAUSE.findall(expression) for label in clause.split(",")}
    return used - set(_MADE.findall(expression))


@functools.cache
def catalogue() -> dict[str, list[Mapping[str, str]]]:
    """Sample name to the label sets of its series, over all reload methods, with a source."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for method in METHODS:
        metrics = Metrics(Service, method.name)
        metrics.observe(
            events.SourceOpened(0, "configmap", "production", "web"), Service(), Service(), ()
        )
        for family in metrics.registry.collect():
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample.labels)
    fleet = Metrics(lambda: Service(fleet=Fleet()), METHODS[0].name)
    for family in fleet.registry.collect():
        if family.name.startswith("supervisor_fleet"):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample.labels)
    for family in service_metrics.families():
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def faults(expression: str, known: Mapping[str, list[Mapping[str, str]]]) -> list[str]:
    """Metrics, labels and values of an expression that no program has."""
    wrong = []
    labels = set(TARGET)
    for name, matchers in selectors(expression):
        series = known.get(name)
        if name == ALERTS:
            continue
        if series is None:
            wrong.append(f"there is no metric {name}")
            continue
        labels |= {label for one in series for label in one}
        for label, operator, value in matchers:
            values = {one[label] for one in series if label in one}
            if not values and label not in TARGET:
                wrong.append(f"{name} has no label {label}")
            elif values and label not in TARGET and operator == "=" and value not in values:
                wrong.append(f"{name} has no {label}={value}")
    return wrong + [
        f"nothing has the label {label}" for label in sorted(grouped(expression) - labels)
    ]


def rules() -> list[dict[str, Any]]:
    """The alert rules in Prometheus' form."""
    text = (MONITORING / "alerts.yaml").read_text()
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def hurried(text: str) -> str:
    """The rules with seconds for minutes; alerts fire after a second."""
    text = re.sub(r"\[(\d+)h", lambda match: f"[{60 * int(match[1])}s", text)
    text = re.sub(r"\[(\d+)m", r"[\1s", text)
    return re.sub(r"for: \d+m", "for: 1s", text.replace(":30s]", ":1s]"))
