"""The alert rules in a real Prometheus that scrapes the real program."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import needs
from tests.harness import Run, only_process, wait_until
from tests.http import get
from tests.monitoring.promql import MONITORING, hurried, rules
from tests.servers import free_port, server
from tests.sync.reloading import Reloading

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [alerts.yaml]
scrape_configs:
- job_name: web
  static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{pod: web-0}}}}]
"""
PATIENCE = 60  # seconds: a busy machine misses scrapes


class Prometheus:
    """A client of a Prometheus on loopback."""

    def __init__(self, port: int) -> None:
        self.port = port

    def _ask(self, path: str) -> Any:
        try:
            code, body = get(self.port, path)
        except OSError as error:
            raise AssertionError(f"Prometheus does not answer: {error}") from error
        assert 200 == code, body
        return json.loads(body)["data"]

    def value(self, query: str) -> list[str]:
        """The values of an instant query."""
        result = self._ask(f"/api/v1/query?query={urllib.parse.quote(query)}")["result"]
        return [sample["value"][1] for sample in result]

    def firing(self) -> dict[str, dict[str, Any]]:
        """The firing alerts by name."""
        alerts = self._ask("/api/v1/alerts")["alerts"]
        return {
            alert["labels"]["alertname"]: alert for alert in alerts if alert["state"] == "firing"
        }

    def until_fires(self, name: str) -> dict[str, Any]:
        """Wait until an alert fires; returns it."""

        def fires() -> None:
            assert name in self.firing()

        wait_until(fires, PATIENCE)
        return self.firing()[name]

    def until_quiet(self, *names: str) -> None:
        """Wait until none of these alerts fires."""

        def quiet() -> None:
            assert [] == [name for name in names if name in self.firing()]

        wait_until(quiet, PATIENCE)

    def until_scraped(self) -> None:
        """Wait until the counters stand at 0, and every rule was evaluated without an error."""
        expected = sorted((rule["alert"], "ok") for rule in rules())

        def scraped() -> None:
            assert ["0"] == self.value('supervisor_config_validations_total{result="rejected"}')
            seen = [
                rule for group in self._ask("/api/v1/rules")["groups"] for rule in group["rules"]
            ]
            assert expected == sorted((rule["name"], rule["health"]) for rule in seen)

        wait_until(scraped, PATIENCE)


@only_process
@pytest.mark.timeout(4 * PATIENCE)
def test_rejected_configuration_raises_alerts_until_corrected(run: Run, tmp_path: Path) -> None:
    """One mode is enough: Prometheus sees a port and no pids."""
    program = needs("prometheus")
    subject = Reloading(run, tmp_path)
    subject.running(subject.validate())
    (tmp_path / "alerts.yaml").write_text(hurried((MONITORING / "alerts.yaml").read_text()))
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=subject.port))
    prometheus = Prometheus(free_port())
    argv = [
        program,
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
    ]
    with server([*argv, f"--web.listen-address=127.0.0.1:{prometheus.port}"], tmp_path / "log"):
        prometheus.until_scraped()
        assert set() == {"SupervisorConfigStale", "SupervisorConfigRefused"} & set(
            prometheus.firing()
        )
        subject.change("bad")
        refused = prometheus.until_fires("SupervisorConfigRefused")
        stale = prometheus.until_fires("SupervisorConfigStale")
        subject.change("two")
        prometheus.until_quiet("SupervisorConfigStale", "SupervisorConfigRefused")

    assert ("web-0", "validate") == (refused["labels"]["pod"], refused["labels"]["reason"])
    assert (
        "web-0 cannot apply its new configuration (validate)" == refused["annotations"]["summary"]
    )
    assert "web-0 does not run on its newest configuration" == stale["annotations"]["summary"]
