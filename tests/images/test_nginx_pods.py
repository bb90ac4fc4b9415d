"""images/nginx in a container: configured by the API, reloaded under load, stopped gracefully."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.harness import wait_until
from tests.http import metric
from tests.images import built
from tests.images.deployed import Deployed, data_of
from tests.images.load import Upload
from tests.images.podman import REPOSITORY
from tests.images.web_app import LONG, METRICS, PORT, WebApp, alone, serves

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

POD = "images/nginx/pod.yaml"
INJECTED = "images/nginx/pod-inject.yaml"
FLEET = "images/nginx/pod-fleet.yaml"
# Like the vendor's: no Python, nothing of ours, and a stop signal of its own.
VENDOR = """
FROM docker.io/library/debian:trixie-slim
RUN apt-get update && apt-get install --yes --no-install-recommends nginx \\
 && rm -rf /var/lib/apt/lists/*
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
"""
# Endpoints need not be waited for here, nor the time between two reloads.
QUICK = {"--stop-delay=5s": ["--stop-delay=0s", "--reload-interval=0s"]}
SITE = """
server {{
    listen 8080;
    location / {{ return 200 "page {word}"; }}
    location /upload {{ proxy_request_buffering off; proxy_pass http://127.0.0.1:{backend}; }}
    {more}
}}
"""

Deploy = Callable[..., Deployed]


def site(word: str, more: str = "", backend: int = 9) -> Mapping[str, str]:
    """The manifest's ConfigMap with another page, and without a line of log for each request of a
    load.
    """
    data = data_of(POD, "nginx")
    frame = data["nginx.conf"].replace("access_log /dev/stdout main;", "access_log off;")
    return {
        **data,
        "nginx.conf": frame,
        "site-default.conf": SITE.format(word=word, more=more, backend=backend),
    }


def running(api: FakeKube, deploy: Deploy, backend: int = 9) -> WebApp:
    """A pod with page one."""
    pod = deploy(POD, change=QUICK)
    api.change("nginx", site("one", backend=backend))
    pod.start()
    app = WebApp(pod, "nginx")
    app.serves("one")
    return app


def test_nginx_starts_once_its_configuration_is_there(api: FakeKube, deploy: Deploy) -> None:
    hold = api.hold("read")
    pod = deploy(POD, change=QUICK)
    pod.start()
    app = WebApp(pod, "nginx")
    hold.wait(60)
    app.counted(0, "app_starts_total")
    hold.release()
    app.serves("It works")

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
            lambda word: api.change("nginx", site(word)), "one", "two"
        )
        app.says("reloaded nginx: it runs on configuration")
        upload.finishes()
    app.counted(1, "reloads_total", method="signal")
    app.counted(1, "config_last_reload_successful")
    api.change("nginx", site("three", more="nonsense on;"))
    app.rejects('unknown directive "nonsense"')
    app.serves("two")
    api.change("nginx", site("four"))
    app.serves("four")
    app.counted(0, "config_stale")
    app.counted(2, "reloads_total", method="signal")


def test_fault_past_validation_is_rolled_back_and_stop_drains(
    api: FakeKube, deploy: Deploy
) -> None:
    with Upload() as upload:
        app = running(api, deploy, backend=upload.backend)
        with socket.create_server(("", 8082)):
            api.change("nginx", site("two", more="listen 8082;"))
            app.says("cannot reload nginx: .*; rolling back to configuration")
            app.counted(1, "config_rollbacks_total")
            app.counted(1, "reload_failures_total", method="signal", reason="verify")
            app.counted(1, "config_stale")
            app.serves("one")
        app.says("reloaded nginx")
        app.asked("supervisorctl", "reload")
        app.says("reloaded nginx")
        app.serves("two", port=8082)
        app.counted(0, "config_stale")
        api.change("nginx", site("three", backend=upload.backend))
        app.says("reloaded nginx")
        app.serves("three")
        app.stops_with_a_request_under_way("/upload", upload)


def test_twenty_reloads_under_load_stay_below_the_limit(api: FakeKube, deploy: Deploy) -> None:
    words = [f"number {number:02}" for number in range(20)]
    app = running(api, deploy)
    app.changes_under_load(lambda word: api.change("nginx", site(word)), "one", *words)

    app.counted(20, "reloads_total", method="signal")
    app.keeps_to(0.8)


def test_an_unmodified_image_is_supervised_by_the_bundle(api: FakeKube, deploy: Deploy) -> None:
    built.debian("trixie")
    vendor = built.derived("localhost/supervisor-tests-nginx", VENDOR)
    pod = deploy(
        INJECTED,
        images={"docker.io/library/nginx:1.28": vendor},
        change=QUICK,
    )
    pod.start()
    app = WebApp(pod, "nginx")
    app.serves("supervised by the bundle")
    original = data_of(INJECTED, "nginx-inject")["nginx.conf"]
    changed = original.replace("supervised by the bundle", "changed")
    api.change("nginx-inject", {"nginx.conf": changed})
    app.serves("changed")
    app.says("reloaded nginx: it runs on configuration")
    api.change("nginx-inject", {"nginx.conf": changed + "nonsense on;"})
    app.says('the new configuration is rejected: .*unknown directive "nonsense"')
    app.counted(1, "config_stale")
    app.serves("changed")
    wait_until(lambda: told(api, "ConfigApplied", "ReloadSucceeded", "ConfigRejected"), LONG)
    app.keeps_to(0.8)

    assert 127 == pod.exec("nginx", "python3")[0]
    assert "ok" in app.asked("/opt/supervisor/bin/supervisorctl", "health")
    assert 0 == pod.stop("nginx", timeout=40)


def test_pod_of_a_fleet_tries_versions_and_keeps_the_good_one(
    api: FakeKube, deploy: Deploy
) -> None:
    """The verification finds both versions fine; the check of the fleet asks for the page."""
    pod = deploy(
        FLEET, change={**QUICK, "--fleet=nginx-fleet": ["--fleet=nginx-fleet", "--fleet-bake=6s"]}
    )
    pod.start()
    app = WebApp(pod, "nginx")
    app.serves("It works")
    app.says("fleet nginx-fleet: this pod found configuration .* good")

    api.change("nginx-fleet", site("two"))
    app.serves("two")
    app.says("fleet nginx-fleet: this pod found configuration .* good")
    wait_until(lambda: kept(api, "page two"), LONG)

    api.change("nginx-fleet", site("three", more="location = / { return 503; }"))
    app.says("fleet nginx-fleet: this pod condemned configuration .*: check")
    app.serves("two")
    wait_until(lambda: told(api, "ConfigOnTrial", "ConfigApproved", "ConfigCondemned"), LONG)
    assert '"state": "condemned"' in app.asked("supervisorctl", "fleet", "--json")
    app.keeps_to(0.8)


def kept(api: FakeKube, word: str) -> None:
    """The content of --fleet-keep has this word."""
    found = api.store.get("configmaps", api.namespace, "nginx-fleet-keep")
    assert word in found["data"]["site-default.conf"]


def told(api: FakeKube, *reasons: str) -> None:
    """The Events on the pod, which the manifest asks for by an option."""
    assert set(reasons) <= set(api.reported.reasons())


@pytest.mark.usefixtures("api")
def test_image_alone_serves_and_follows_a_mounted_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    write(tmp_path, site("one"))
    with alone("nginx"):
        serves("nginx under the supervisor")
    with alone(
        "nginx", f"--volume={tmp_path}:/config-in:ro", "--read-only", "--tmpfs=/config"
    ) as container:
        serves("one")
        write(tmp_path, site("two"))
        serves("two")
        write(tmp_path, site("three", more="nonsense on;"))
        container.err.expect(
            'the new configuration is rejected: .*unknown directive "nonsense"', LONG
        )
        serves("two")


def write(folder: Path, data: Mapping[str, str]) -> None:
    for name, content in data.items():
        (folder / name).write_text(content)


def test_the_default_configuration_is_that_of_the_manifest() -> None:
    """But for the page."""
    data = data_of(POD, "nginx")
    folder = Path(REPOSITORY, "images/nginx/default")

    assert {name: text for name, text in data.items() if name != "index.html"} == {
        path.name: path.read_text() for path in folder.glob("*.conf")
    }
