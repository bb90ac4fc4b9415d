"""images/prometheus/sidecar.yaml: an unmodified Prometheus image, reloaded over HTTP by the
supervisor beside it.
"""

from __future__ import annotations

import pytest

from tests.fake_kube import FakeKube
from tests.http import get, metric
from tests.images import built
from tests.images.test_prometheus import WORDS, Deploy, Prometheus, changes, version
from tests.images.web_app import METRICS, WebApp

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

POD, OBJECT, SIDECAR = "images/prometheus/sidecar.yaml", "prometheus-sidecar", "supervisor"
QUICK = {
    "--reload-timeout=5s": ["--reload-timeout=5s", "--reload-interval=0s", "--verify-window=3s"]
}
# It stands for the vendor's image: the same entry point, the server and nothing of ours.
VENDOR = """
FROM docker.io/library/debian:trixie-slim
RUN apt-get update && apt-get install --yes --no-install-recommends prometheus \\
 && rm -rf /var/lib/apt/lists/*
USER 65534:65534
ENTRYPOINT ["/usr/bin/prometheus"]
"""


def test_an_unmodified_prometheus_is_reloaded_by_its_sidecar(api: FakeKube, deploy: Deploy) -> None:
    built.debian("trixie")
    vendor = built.derived("localhost/prometheus-alone:test", VENDOR)
    pod = deploy(POD, images={"prom/prometheus:v3.5.0": vendor}, change=QUICK)
    api.change(OBJECT, version("version-one"))
    sidecar, server = WebApp(pod, SIDECAR), Prometheus(pod)

    # A kubelet starts the server when the startup probe of the sidecar passes.
    pod.start(SIDECAR)
    sidecar.counted(2, "config_files")
    assert 200 == get(METRICS, "/readyz")[0]
    pod.start("prometheus")
    server.runs_on("version-one")
    sidecar.says("reloaded .*: it runs on configuration")

    a_change_is_taken_up_under_load(api, sidecar)

    api.change(OBJECT, version("version-three", "groups: nonsense"))
    sidecar.says("cannot reload .*: .*500.*; rolling back to configuration")
    sidecar.says("reloaded .*: it runs on configuration")
    sidecar.counted(1, "config_rollbacks_total")
    sidecar.counted(1, "config_stale")
    server.runs_on("version-two")
    server.has_rules("TargetDown", "job:up:ratio")
    api.change(OBJECT, version("version-four"))
    server.runs_on("version-four")
    sidecar.counted(0, "config_stale")

    assert "ok" in sidecar.asked("supervisorctl", "health")
    assert ({"10001"}, "0" * 16) == sidecar.runs_as()
    sidecar.keeps_to(0.8)
    server.keeps_to(0.8)
    assert 0 == pod.stop("prometheus", timeout=40)
    assert 200 == get(METRICS, "/livez")[0]
    assert 0 == pod.stop(SIDECAR, timeout=20)


def a_change_is_taken_up_under_load(api: FakeKube, sidecar: WebApp) -> None:
    before = metric(METRICS, "reloads_total", method="http")
    assert set(WORDS) == changes(api, sidecar, OBJECT, *WORDS)
    sidecar.says("reloaded .*: it runs on configuration")
    assert before is not None
    sidecar.counted(before + 1, "reloads_total", method="http")
    sidecar.counted(0, "config_stale")
