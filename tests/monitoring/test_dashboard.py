"""The dashboard is up to date, fit for Grafana, and asks for existing metrics."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import needs
from tests.monitoring.promql import MONITORING, catalogue, faults, yaml

TEXT = (MONITORING / "dashboard.json").read_text()
BOARD: dict[str, Any] = json.loads(TEXT)
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
# Grafana's own variables, with a possible value.
GRAFANA = {"__rate_interval": "5m", "__range": "6h"}

each_panel = pytest.mark.parametrize(
    "panel", PANELS, ids=lambda panel: panel["title"].replace(" ", "-")
)


def variables() -> set[str]:
    return {variable["name"] for variable in BOARD["templating"]["list"]}


def test_dashboard_json_is_up_to_date() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "monitoring.dashboard"],
        cwd=MONITORING.parent,
        capture_output=True,
        text=True,
        check=True,
    )

    assert TEXT == made.stdout, (
        "renew it: python -m monitoring.dashboard > monitoring/dashboard.json"
    )


def test_panels_have_places_and_numbers_of_their_own() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        across = range(place["x"], place["x"] + place["w"])
        for cell in itertools.product(across, range(place["y"], place["y"] + place["h"])):
            assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
            taken[cell] = panel["title"]

    assert len(BOARD["panels"]) == len({panel["id"] for panel in BOARD["panels"]})


@each_panel
def test_panel_uses_existing_metrics_and_labels(panel: dict[str, Any]) -> None:
    assert [] == [
        fault for target in panel["targets"] for fault in faults(target["expr"], catalogue())
    ]


@each_panel
def test_panel_has_a_text_a_unit_and_limits(
    panel: dict[str, Any],
) -> None:
    field = panel["fieldConfig"]["defaults"]

    assert panel["description"].endswith(".")
    assert field["unit"]
    assert field["thresholds"]["steps"]
    assert len(panel["targets"]) == len({target["refId"] for target in panel["targets"]})


@each_panel
def test_panel_queries_use_all_variables(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        used = set(re.findall(r"\$(\w+)", target["expr"]))
        assert {"namespace", "job", "pod"} <= used
        assert set() == used - variables() - set(GRAFANA)


def test_all_queries_use_the_chosen_data_source() -> None:
    assert {"${datasource}"} == set(re.findall(r'"uid": "(\$[^"]*)"', TEXT))
    parts = [*PANELS, *(target for panel in PANELS for target in panel["targets"])]
    parts += [variable for variable in BOARD["templating"]["list"] if variable["type"] == "query"]

    assert [] == [
        part
        for part in parts
        if part["datasource"] != {"type": "prometheus", "uid": "${datasource}"}
    ]
    assert {"datasource", "namespace", "job", "pod"} == variables()


def test_table_columns_have_queries_and_styles() -> None:
    [table] = [panel for panel in PANELS if panel["type"] == "table"]
    organize = table["transformations"][1]["options"]
    shown = {f"Value #{target['refId']}" for target in table["targets"]} - set(
        organize["excludeByName"]
    )

    assert shown | {"version"} == set(organize["renameByName"])
    looks = [override["matcher"]["options"] for override in table["fieldConfig"]["overrides"]]
    assert sorted(organize["renameByName"].values()) == sorted(looks)


def test_prometheus_accepts_every_query(tmp_path: Path) -> None:
    promtool = needs("promtool")
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    for name, value in GRAFANA.items():
        expressions = [expression.replace(f"${name}", value) for expression in expressions]
    rules = [{"record": f"query:{number}", "expr": one} for number, one in enumerate(expressions)]
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]})
    )
    done = subprocess.run(
        [promtool, "check", "rules", "rules.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
