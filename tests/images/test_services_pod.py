"""images/services in a container: four services, each with its own part of a ConfigMap, under
load.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import wait_until
from tests.images.deployed import Deployed, data_of
from tests.images.load import Load
from tests.images.web_app import LONG, PORT, WebApp
from tests.volume import swap_volume

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

POD = "images/services/pod.yaml"
CRASHED = 3  # the exit code of the worker at a job that it cannot do

Deploy = Callable[..., Deployed]


def running(deploy: Deploy) -> WebApp:
    """The pod with page one."""
    pod = deploy(POD)
    pod.start()
    app = WebApp(pod, "shop")
    app.serves('"waiting":')
    return app


def change(app: WebApp, **keys: Callable[[str], str]) -> None:
    """Change keys of the mounted ConfigMap, as a kubelet does; `nginx_conf` is nginx.conf."""
    data = dict(data_of(POD, "shop"))
    for name, edit in keys.items():
        key = re.sub(r"_(\w+)$", r".\1", name).replace("_", "-")
        edited = edit(data[key])
        assert edited != data[key]
        data[key] = edited
    swap_volume(app.pod.volume("config-in"), data)


def jobs(text: str = "") -> dict[str, Any]:
    """The queue, after a new job if there is a text."""
    client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=LONG)
    client.request("POST" if text else "GET", "/", text or None)
    found: dict[str, Any] = json.loads(client.getresponse().read())
    client.close()
    return found


def pids(app: WebApp) -> dict[str, str]:
    """The pid of each service, as supervisorctl has it."""
    names = ("nginx", "php", "worker")
    return {name: app.asked("supervisorctl", "pid", name).strip() for name in names}


def reloads(app: WebApp, service: str, count: int) -> None:
    app.counted(count, "reloads_total", service=service, method="signal")


def test_services_are_ready_in_order(deploy: Deploy) -> None:
    app = running(deploy)

    def ready() -> None:
        code, said = app.pod.exec("shop", "supervisorctl", "status")
        assert "EXITED" in said, said  # the migration
        assert 3 == said.count("RUNNING"), said
        assert 3 == code  # as supervisorctl has it beside a program that ended

    wait_until(ready, LONG)
    jobs("one")

    def done() -> None:
        assert (0, 1) == (jobs()["waiting"], jobs()["done"])

    wait_until(done, LONG)
    assert 0 == app.pod.stop("shop", 30), app.pod.story("shop")


def test_bad_nginx_file_touches_no_other_service(deploy: Deploy) -> None:
    """Under load, with no failed request; then a good one, and only nginx is reloaded."""
    app = running(deploy)
    before = pids(app)
    with Load(PORT, "/page", ["page one", "page two"]) as load:
        load.sees("page one")
        change(app, nginx_conf=lambda text: text + "\nnonsense on;\n")
        app.counted(1, "config_validations_total", service="nginx", result="rejected")
        jobs("while nginx has a bad file")
        change(app, nginx_conf=lambda text: text.replace("page one", "page two"))
        load.sees("page two")
        load.end()

    assert {} == load.failed
    assert before == pids(app)
    reloads(app, "nginx", 1)
    for service in ("php", "worker"):
        reloads(app, service, 0)


def test_change_of_a_worker_reloads_the_worker(deploy: Deploy) -> None:
    app = running(deploy)
    change(app, worker_ini=lambda text: text.replace("200", "100"))
    reloads(app, "worker", 1)
    app.says("a pause of 100 ms from now on")
    for service in ("nginx", "php"):
        reloads(app, service, 0)


def test_crash_loop_of_the_worker_ends_the_pod(deploy: Deploy) -> None:
    """The job stays in the queue, so each start ends with the same code, which is the pod's."""
    app = running(deploy)
    jobs("crash")
    container = app.pod.containers["shop"]
    container.finish(CRASHED, timeout=120)

    assert any("worker is down for good" in line for line in container.err.seen)
