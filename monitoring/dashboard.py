"""Writes the Grafana dashboard to standard output: `python -m monitoring.dashboard >
monitoring/dashboard.json`.

It owns places, identities and the repetitions of Grafana's format; the queries are in `panels.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from .panel import Panel, Row
from .panels import COLUMNS, ROWS

SCHEMA = 41  # of Grafana 12; older releases ignore unknown fields
# In units of Grafana's grid.
WIDTH = 24
TABLE_HEIGHT = 10
VERSION = "Version"  # the only column that shows a label
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# The matchers of the variables; `.*`, for "All", also matches series without the label.
CHOSEN = 'namespace=~"$namespace",job=~"$job",pod=~"$pod"'


def _ref(number: int) -> str:
    return chr(ord("A") + number)


def _targets(panel: Panel) -> list[dict[str, object]]:
    instant = panel.kind != "timeseries"
    return [
        {
            "datasource": DATASOURCE,
            "refId": _ref(number),
            "expr": query.replace("CHOSEN", CHOSEN),
            "legendFormat": legend or "__auto",
            "instant": instant,
            "range": not instant,
            "format": "table" if panel.kind == "table" else "time_series",
        }
        for number, (legend, query) in enumerate(panel.queries.items())
    ]


def _options(kind: str) -> dict[str, object]:
    match kind:
        case "stat":
            return {
                "colorMode": "value",
                "graphMode": "none",
                "reduceOptions": {"calcs": ["lastNotNull"]},
            }
        case "table":
            return {"showHeader": True}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _field(panel: Panel) -> dict[str, object]:
    limited = panel.kind == "timeseries" and len(panel.limits) > 1
    custom = {"fillOpacity": 10, "thresholdsStyle": {"mode": "dashed"}} if limited else {}
    steps = {"mode": "absolute", "steps": list(panel.limits)}
    return {
        "defaults": {"unit": panel.unit, "thresholds": steps, "custom": custom},
        "overrides": [],
    }


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> dict[str, object]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": DATASOURCE,
        "gridPos": dict(place),
        "targets": _targets(panel),
        "options": _options(panel.kind),
        "transformations": [],
        "fieldConfig": _field(panel),
    }


def _panels(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The rows from top to bottom, then the table."""
    made: list[dict[str, object]] = []
    y = 0
    for row in rows:
        made.append(_heading(row.title, len(made) + 1, y))
        width = WIDTH // row.per_line
        for index, panel in enumerate(row.panels):
            line, column = divmod(index, row.per_line)
            place = {
                "x": column * width,
                "y": y + 1 + line * row.height,
                "w": width,
                "h": row.height,
            }
            made.append(_panel(panel, len(made) + 1, place))
        y += 1 + row.height * -(-len(row.panels) // row.per_line)
    made.append(_heading("Instances", len(made) + 1, y))
    made.append(_table(len(made) + 1, y + 1))
    return made


def _heading(title: str, number: int, y: int) -> dict[str, object]:
    place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "panels": [],
        "gridPos": place,
    }


def _table(number: int, y: int) -> dict[str, object]:
    """One line per instance: a query per column, joined by their common labels."""
    text = (
        "One line per supervisor. Running and Desired begin with the digits of a configuration in"
        " the log; equal digits mean equal content."
    )
    queries = {name: query for name, (query, _, _) in COLUMNS.items()}
    panel = Panel("Instances", text, queries, kind="table")
    made = _panel(panel, number, {"x": 0, "y": y, "w": WIDTH, "h": TABLE_HEIGHT})
    values = {f"Value #{_ref(index)}": name for index, name in enumerate(COLUMNS)}
    unwanted = {"Time": True, **{value: True for value, name in values.items() if name == VERSION}}
    names = {value: name for value, name in values.items() if name != VERSION}
    organize = {"excludeByName": unwanted, "renameByName": {**names, "version": VERSION}}
    made["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": organize},
    ]
    made["fieldConfig"] = {**_field(panel), "overrides": [_override(name) for name in COLUMNS]}
    return made


def _override(column: str) -> dict[str, object]:
    _, unit, limits = COLUMNS[column]
    properties = {
        "unit": unit,
        "thresholds": {"mode": "absolute", "steps": list(limits)},
        "custom.cellOptions": {"type": "color-text" if len(limits) > 1 else "auto"},
    }
    return {
        "matcher": {"id": "byName", "options": column},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def _variable(name: str, chosen: str) -> dict[str, object]:
    query = f"label_values(supervisor_build_info{{{chosen}}}, {name})"
    return {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # when the time range changes: pods come and go
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def dashboard() -> dict[str, object]:
    """The dashboard in Grafana's format."""
    source = {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "current": {},
    }
    return {
        "uid": "supervisor",
        "title": "Supervisor",
        "description": "Configuration, reloads, sources and applications under supervisor",
        "tags": ["supervisor"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [
                source,
                _variable("namespace", ""),
                _variable("job", 'namespace=~"$namespace"'),
                _variable("pod", 'namespace=~"$namespace",job=~"$job"'),
            ]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": _panels(ROWS),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=2) + "\n")
