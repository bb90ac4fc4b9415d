"""A real Prometheus scrapes a supervised container: reloads, and the alerts of monitoring/."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.fake_kube import FakeKube
from tests.harness import wait_until
from tests.images.deployed import Deployed
from tests.images.test_prometheus import NAME, POD, PORT, QUICK, version
from tests.images.web_app import LONG
from tests.monitoring import test_alerts_for_real
from tests.monitoring.promql import MONITORING, hurried

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

RULES = hurried((MONITORING / "alerts.yaml").read_text())
BROKEN = RULES + "- nonsense"


def often(word: str, rules: str = RULES, rule_file: str = "rules.yml") -> Mapping[str, str]:
    """The pod's configuration, with the alerts for rules, scraping itself and its supervisor every
    second.
    """
    data = version(word, rules, rule_file)
    return {
        **data,
        "prometheus.yml": data["prometheus.yml"].replace("interval: 30s", "interval: 1s"),
    }


def test_prometheus_sees_reloads_and_alerts_fire_and_clear(
    api: FakeKube, deploy: Callable[..., Deployed]
) -> None:
    """Prometheus scrapes its own supervisor, as in the manifest."""
    pod = deploy(POD, env=QUICK)
    api.change(NAME, often("version-one"))
    pod.start()
    prometheus = test_alerts_for_real.Prometheus(PORT)

    def reloads(number: int) -> None:
        assert [str(number)] == prometheus.value('supervisor_reloads_total{method="signal"}'), (
            pod.story(NAME)
        )

    prometheus.until_scraped()
    reloads(0)
    api.change(NAME, often("version-two"))
    # A version that comes during this verification would make it reload again.
    pod.containers[NAME].err.expect("reloaded prometheus: it runs on configuration", LONG)
    wait_until(lambda: reloads(1), LONG)
    assert ["1"] == prometheus.value("supervisor_config_last_reload_successful")
    assert {} == prometheus.firing()

    api.change(NAME, often("version-three", BROKEN))
    assert "validate" == prometheus.until_fires("SupervisorConfigRefused")["labels"]["reason"]
    prometheus.until_fires("SupervisorConfigStale")
    reloads(1)
    api.change(NAME, often("version-four"))
    prometheus.until_quiet("SupervisorConfigRefused", "SupervisorConfigStale")

    api.change(NAME, often("version-five", BROKEN, "/config/rules.yml"))
    prometheus.until_fires("SupervisorConfigRolledBack")
    assert ["1"] == prometheus.value("supervisor_config_rollbacks_total")
    api.change(NAME, often("version-six"))
    prometheus.until_quiet("SupervisorConfigRolledBack")
