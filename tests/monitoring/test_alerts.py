"""The alert rules: Prometheus' own tests of them, and that they agree with the program and with the
runbooks.
"""

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
    """Run promtool, which must be content."""
    done = subprocess.run(
        [needs("promtool"), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr


def test_prometheus_accepts_the_rules() -> None:
    promtool("check", "rules", "alerts.yaml")


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", "alerts_test.yaml")


def test_every_alert_is_expected_somewhere_in_these_tests() -> None:
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
def test_an_alert_asks_for_what_the_program_has(rule: dict[str, str]) -> None:
    assert [] == faults(rule["expr"], catalogue())


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on(
    rule: dict[str, dict[str, str]],
) -> None:
    assert {"severity"} == set(rule["labels"])
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert {"summary", "description", "runbook"} == set(rule["annotations"])
    assert f"monitoring/README.md#{str(rule['alert']).lower()}" == rule["annotations"]["runbook"]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    headings = re.findall(r"^### (Supervisor\w+)$", README.read_text(), re.MULTILINE)

    assert [rule["alert"] for rule in rules()] == headings


def test_a_runbook_names_only_metrics_that_there_are() -> None:
    known = {re.sub(r"_(bucket|sum|count)$", "", name) for name in catalogue()}

    assert set() == set(re.findall(r"\bsupervisor_\w+", README.read_text())) - known


def test_the_rules_become_a_prometheusrule_as_the_readme_shows() -> None:
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


def test_hurried_rules_are_the_same_in_seconds(tmp_path: Path) -> None:
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
def test_what_the_program_does_not_have_is_found(expression: str, expected: list[str]) -> None:
    assert expected == faults(expression, catalogue())


def test_every_metric_in_an_expression_is_seen() -> None:
    text = (
        'count(ALERTS{a="b"}) or a_b == 1 and on (x) label_replace(c{d=~"e.*",f!="g"}[5m] > 0, "h",'
        ' "$1", "i", "(.+)")'
    )

    assert [ALERTS, "a_b", "c"] == [one.name for one in selectors(text)]
    assert (("d", "=~", "e.*"), ("f", "!=", "g")) == selectors(text)[2].matchers
