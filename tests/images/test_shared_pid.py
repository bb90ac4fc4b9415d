"""The sidecar and its app in real containers of a pod: a shared pid namespace, a shared volume, no
capability.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.harness import APPS, wait_until
from tests.http import get
from tests.images.podman import PROGRAM, PYTHON, Container, Pod
from tests.servers import free_port

OPTIONS = (
    "--config-dir=/source",
    "--configroot=/config",
    "--reload-interval=0s",
    "--verify-window=0s",
    "--listen=off",
)
APP = (PYTHON, "-SI", os.path.join(APPS, "read_config.py"), "/config/app.conf")
NAME = os.path.basename(PYTHON)
NGINX = """
worker_processes 2; daemon off; pid /tmp/nginx.pid; error_log stderr notice;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{page}"; }} }}
}}
"""


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    pod = Pod(tmp_path)
    yield pod
    pod.close()


def sidecar(pod: Pod, *options: str, uid: int = 1001) -> Container:
    return pod.start("sidecar", PROGRAM, *OPTIONS, *options, uid=uid)


def until_written(pod: Pod, name: str, part: str) -> None:
    def written() -> None:
        assert (pod.config / name).exists()
        assert part in (pod.config / name).read_text()

    wait_until(written)


def change(pod: Pod, content: str, name: str = "app.conf") -> None:
    """In one step, as a careful editor writes."""
    (pod.source / f".{name}").write_text(content)
    (pod.source / f".{name}").rename(pod.source / name)


def test_same_uid_reloads_its_app_without_a_capability(
    pod: Pod,
) -> None:
    change(pod, "one")
    beside = sidecar(pod, f"--reload-process={NAME}")
    until_written(pod, "app.conf", "one")
    app = pod.start("app", *APP)
    app.out.expect("config: one")
    change(pod, "two")
    app.out.expect("config: two")
    pod.stop(app)
    app = pod.start("app", *APP)
    app.out.expect("config: two")
    change(pod, "three")
    app.out.expect("config: three")
    beside.err.expect("reloaded the app")
    pod.stop(beside)

    beside.finish(0)
    assert [] == [line for line in beside.err.seen if "permitted" in line]


def test_another_uid_is_told_which_one_to_run_as(pod: Pod) -> None:
    change(pod, "one")
    app = pod.start("app", *APP, uid=1002)
    app.out.expect("ready")
    beside = sidecar(pod, f"--reload-process={NAME}")
    beside.err.expect(
        rf"cannot signal {re.escape(NAME)} \(pid \d+, uid 1002\): operation not permitted; "
        r"run the sidecar as the same uid \(runAsUser: 1002\)"
    )
    until_written(pod, "app.conf", "one")
    pod.stop(app)

    assert ["config: missing", "ready"] == app.out.seen


class Site:
    """nginx in a container of its own, on our network."""

    def __init__(self, scratch: Path) -> None:
        self.nginx = needs("nginx")
        self.port = free_port()
        self.pod = Pod(scratch, network="host")

    def change(self, page: str) -> None:
        change(self.pod, NGINX.format(port=self.port, page=page), "nginx.conf")

    def serves(self, page: str) -> None:
        def served() -> None:
            try:
                actual = get(self.port, "/")
            except OSError as error:
                raise AssertionError(repr(error)) from error
            assert (200, page) == actual

        wait_until(served)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.pod.close()


def test_nginx_reloads_and_a_bad_version_is_rolled_back(site: Site) -> None:
    site.change("one")
    beside = sidecar(site.pod, "--reload-process=nginx", "--verify=nginx", "--verify-window=1s")
    until_written(site.pod, "nginx.conf", 'return 200 "one"')
    site.pod.start("nginx", site.nginx, "-p", "/tmp", "-c", "/config/nginx.conf")
    site.serves("one")
    beside.err.expect("reloaded the app")
    site.change("two")
    site.serves("two")
    beside.err.expect("reloaded the app")
    site.change('three"; nonsense "')
    beside.err.expect("cannot reload the app: .*; rolling back to configuration")
    beside.err.expect("reloaded the app")

    until_written(site.pod, "nginx.conf", 'return 200 "two"')
    site.serves("two")
