"""The alert rules: Prometheus' own tests, and agreement with the program and the runbooks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.monitoring.promql import (
    ALERTS,
    MONITORING,
    catalogue,
    faults,
    hurried,
    rules,
    selectors,
    yaml,
)

README = MONITORING / "README.md"


def promtool(*arguments: str, cwd: Path = MONITORING) -> None:
    """Run promtool, which must succeed."""
    done = subprocess.run(
        [needs("promtool"), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr


def test_prometheus_accepts_the_rules() -> None:
    promtool("check", "rules", "alerts.yaml")


def test_alerts_fire_as_their_tests_expect() -> None:
    promtool("test", "rules", "alerts_test.yaml")


def test_every_alert_is_expected_in_a_test() -> None:
    tests = yaml.safe_load((MONITORING / "alerts_test.yaml").read_text())["tests"]
    expected = {
        one["alertname"]
        for test in tests
        for one in test.get("alert_rule_test", ())
        if one["exp_alerts"]
    }
    samples = [
        sample
        for test in tests
        for one in test["promql_expr_test"]
        for sample in one.get("exp_samples", ())
    ]
    expected |= {
        match[1]
        for sample in samples
        if (match := re.search(r'alertname="(\w+)"', sample["labels"]))
    }

    assert {rule["alert"] for rule in rules()} == expected


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_alert_uses_existing_metrics_and_labels(rule: dict[str, str]) -> None:
    assert [] == faults(rule["expr"], catalogue())


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_alert_has_severity_texts_and_a_runbook(
    rule: dict[str, dict[str, str]],
) -> None:
    assert {"severity"} == set(rule["labels"])
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert {"summary", "description", "runbook"} == set(rule["annotations"])
    assert f"monitoring/README.md#{str(rule['alert']).lower()}" == rule["annotations"]["runbook"]


def test_alerts_and_runbooks_match() -> None:
    headings = re.findall(r"^### ((?:Supervisor|Fleet)\w+)$", README.read_text(), re.MULTILINE)

    assert [rule["alert"] for rule in rules()] == headings


def test_runbooks_name_existing_metrics() -> None:
    known = {re.sub(r"_(bucket|sum|count)$", "", name) for name in catalogue()}

    assert set() == set(re.findall(r"\bsupervisor_\w+", README.read_text())) - known


def test_readme_command_makes_a_prometheusrule() -> None:
    command = re.search(
        r"^    (\{ .*?\}) \\\n +\| kubectl apply -f -$",
        README.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert command
    done = subprocess.run(
        ["sh", "-c", command[1]],
        cwd=MONITORING.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    made = yaml.safe_load(done.stdout)

    assert ("monitoring.coreos.com/v1", "PrometheusRule") == (made["apiVersion"], made["kind"])
    assert yaml.safe_load((MONITORING / "alerts.yaml").read_text()) == made["spec"]


def test_hurried_rules_have_seconds_for_minutes(tmp_path: Path) -> None:
    text = hurried((MONITORING / "alerts.yaml").read_text())
    (tmp_path / "alerts.yaml").write_text(text)
    promtool("check", "rules", "alerts.yaml", cwd=tmp_path)

    assert [] == re.findall(r"\[\d+[mh]|for: \d+m", text)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("supervisor_config_stale == 1", []),
        ("sum without (method) (rate(supervisor_reloads_total[5m])) > 0", []),
        ("supervisor_no_such_thing", ["there is no metric supervisor_no_such_thing"]),
        ("increase(supervisor_reloads[5m])", ["there is no metric supervisor_reloads"]),
        ('max(supervisor_config_hash{state="running",namespace=~"$namespace"}) or vector(0)', []),
        (
            'supervisor_config_hash{status="running"}',
            ["supervisor_config_hash has no label status"],
        ),
        ('supervisor_config_hash{state="runs"}', ["supervisor_config_hash has no state=runs"]),
        ("sum by (reason) (supervisor_config_stale)", ["nothing has the label reason"]),
    ],
)
def test_unknown_metric_or_label_is_found(expression: str, expected: list[str]) -> None:
    assert expected == faults(expression, catalogue())


def test_all_metrics_of_an_expression_are_found() -> None:
    text = (
        'count(ALERTS{a="b"}) or a_b == 1 and on (x) label_replace(c{d=~"e.*",f!="g"}[5m] > 0, "h",'
        ' "$1", "i", "(.+)")'
    )

    assert [ALERTS, "a_b", "c"] == [one.name for one in selectors(text)]
    assert (("d", "=~", "e.*"), ("f", "!=", "g")) == selectors(text)[2].matchers
