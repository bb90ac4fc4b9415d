"""images/haproxy in a container: configured by the API, reloaded under load, stopped gracefully."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.http import get, metric
from tests.images.deployed import Deployed, data_of
from tests.images.load import Upload
from tests.images.web_app import LONG, METRICS, PORT, WebApp, alone, serves

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

POD = "images/haproxy/pod.yaml"
# Endpoints need no wait here, so the delay of the image is enough, and so is the time between two
# reloads.
QUICK = {"--stop-delay=5s": ["--reload-interval=0s"]}
FRONT = """
frontend http
    bind :8080
    {more}
    acl upload path /upload
    http-request return status 200 content-type text/plain string "page {word}" unless upload
    default_backend upload

backend upload
    server ours 127.0.0.1:{backend}
"""

Deploy = Callable[..., Deployed]


def proxy(word: str, more: str = "", backend: int = 9) -> Mapping[str, str]:
    """The manifest's general part with a page of our own, and without a line of log for each
    request of a load.
    """
    general = data_of(POD, "haproxy")["haproxy.cfg"].partition("# Names are looked up")[0]
    general = general.replace("    log global\n", "")
    return {"haproxy.cfg": general + FRONT.format(word=word, more=more, backend=backend)}


def running(api: FakeKube, deploy: Deploy, backend: int = 9) -> WebApp:
    """A pod with page one."""
    pod = deploy(POD, change=QUICK)
    api.change("haproxy", proxy("one", backend=backend))
    pod.start()
    app = WebApp(pod, "haproxy")
    app.serves("one")
    return app


def test_haproxy_starts_once_its_configuration_is_there(api: FakeKube, deploy: Deploy) -> None:
    hold = api.hold("read")
    pod = deploy(POD, change=QUICK)
    pod.start()
    app = WebApp(pod, "haproxy")
    hold.wait(60)
    app.counted(0, "app_starts_total")
    hold.release()
    app.counted(1, "app_up")
    app.serves("503 Service Unavailable")  # its backend is in a cluster

    assert (200, "1") == get(PORT, "/version")
    assert 0 == metric(METRICS, "reloads_total", method="signal")
    assert "running" in app.asked("supervisorctl", "status")
    assert "ok" in app.asked("supervisorctl", "health")
    assert ({"10001"}, "0" * 16) == app.runs_as()
    app.reaps_orphans()


def test_change_fails_no_request_and_a_bad_version_is_rejected(
    api: FakeKube, deploy: Deploy
) -> None:
    with Upload() as upload:
        app = running(api, deploy, backend=upload.backend)
        upload.begin(PORT, "/upload")
        assert {"one", "two"} == app.changes_under_load(
            lambda word: api.change("haproxy", proxy(word)), "one", "two"
        )
        app.says("reloaded haproxy: it runs on configuration")
        upload.finishes()
    app.counted(1, "reloads_total", method="signal")
    app.counted(1, "config_last_reload_successful")
    api.change("haproxy", proxy("three", more="nonsense on"))
    app.rejects("unknown keyword 'nonsense'")
    app.serves("two")
    api.change("haproxy", proxy("four"))
    app.serves("four")
    app.counted(0, "config_stale")
    app.counted(2, "reloads_total", method="signal")


def test_fault_past_validation_is_rolled_back_and_stop_drains(
    api: FakeKube, deploy: Deploy
) -> None:
    with Upload() as upload:
        app = running(api, deploy)
        with socket.create_server(("", 8082)):
            api.change("haproxy", proxy("two", more="bind :8082"))
            app.says("cannot reload haproxy: .*; rolling back to configuration")
            app.counted(1, "config_rollbacks_total")
            app.counted(1, "reload_failures_total", method="signal", reason="verify")
            app.counted(1, "config_stale")
            app.serves("one")
        app.says("reloaded haproxy")
        app.asked("supervisorctl", "reload")
        app.says("reloaded haproxy")
        app.serves("two")
        assert "page two" == get(8082, "/")[1]
        app.counted(0, "config_stale")
        api.change("haproxy", proxy("three", backend=upload.backend))
        app.says("reloaded haproxy")
        app.serves("three")
        app.stops_with_a_request_under_way("/upload", upload)


def test_twenty_reloads_under_load_stay_below_the_limit(api: FakeKube, deploy: Deploy) -> None:
    words = [f"number {number:02}" for number in range(20)]
    app = running(api, deploy)
    app.changes_under_load(lambda word: api.change("haproxy", proxy(word)), "one", *words)

    app.counted(20, "reloads_total", method="signal")
    app.keeps_to(0.8)


@pytest.mark.usefixtures("api")
def test_image_alone_serves_and_follows_a_mounted_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "haproxy.cfg").write_text(proxy("one")["haproxy.cfg"])
    with alone("haproxy"):
        serves("HAProxy runs under the supervisor")
    with alone(
        "haproxy", f"--volume={tmp_path}:/config-in:ro", "--read-only", "--tmpfs=/config"
    ) as container:
        serves("one")
        (tmp_path / "haproxy.cfg").write_text(proxy("two")["haproxy.cfg"])
        serves("two")
        (tmp_path / "haproxy.cfg").write_text(proxy("three", more="nonsense on")["haproxy.cfg"])
        container.err.expect(
            "the new configuration is rejected: .*unknown keyword 'nonsense'", LONG
        )
        serves("two")
