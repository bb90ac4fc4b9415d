"""nginx itself on a configuration that changes under load."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Callable

import pytest

from tests.conftest import needs
from tests.fake_kube import FakeKube
from tests.harness import Program, Run, children, wait_until
from tests.http import get, metric, port_of, status
from tests.real_kube import RealKube
from tests.volume import swap_volume

CONFIG = """
worker_processes 2;
pid {scratch}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {scratch}/body; proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi; scgi_temp_path {scratch}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{page}"; }} }}
}}
"""


QUICK = ("--listen=127.0.0.1:0", "--verify-window=200ms")


class Load:
    """Requests without a pause, each on its own connection; counts the answers without a page."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pages: dict[str, int] = {}
        self.failures: list[str] = []
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        while not self._ends.is_set():
            try:
                page = get(self.port, "/")[1]
                self.pages[page] = self.pages.get(page, 0) + 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))

    def end(self) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()


class Site:
    """nginx's configuration, and the page that it serves."""

    def __init__(self, scratch: str) -> None:
        self.scratch = scratch
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]

    def config(self, page: str) -> str:
        return CONFIG.format(scratch=self.scratch, port=self.port, page=page)

    def serves(self, page: str) -> None:
        def served() -> None:
            try:
                actual = get(self.port, "/")[1]
            except OSError as error:
                raise AssertionError(repr(error)) from error
            assert page == actual

        wait_until(served)


@pytest.fixture
def site(tmp_path: os.PathLike[str]) -> Site:
    scratch = os.path.join(tmp_path, "scratch")
    os.mkdir(scratch)
    return Site(scratch)


def change_under_load(program: Program, site: Site, change: Callable[[], object]) -> None:
    """The page changes by a single reload of the same master, and no request fails."""
    metrics = port_of(program)
    site.serves("one")
    (master,) = [pid for pid in children(program.pid) if b"nginx: master" in _command_line(pid)]
    load = Load(site.port)
    try:
        wait_until(lambda: _at_least(load, "one", 50))
        change()
        site.serves("two")
        wait_until(lambda: _at_least(load, "two", 50))
    finally:
        load.end()

    assert [] == load.failures
    assert master in children(program.pid)
    program.err.expect("reloaded nginx")
    assert metric(metrics, "reloads_total", method="signal") == 1
    assert metric(metrics, "config_stale") == 0
    assert (200, "ok: running\n") == get(metrics, "/readyz")
    shown = status(metrics)["config"]
    assert shown["desired"] == shown["running"]
    program.send(3)  # QUIT: nginx ends gracefully, with code 0
    program.finish(0)


def _at_least(load: Load, page: str, number: int) -> None:
    assert load.pages.get(page, 0) >= number, load.failures


def _is_page(port: int, path: str) -> None:
    assert (200, "two") == get(port, path)


def _command_line(pid: int) -> bytes:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().replace(b"\0", b" ")


@pytest.fixture
def nginx() -> list[str]:
    needs("nginx")
    if os.geteuid() != 0:
        pytest.skip("needs root: nginx keeps its compiled-in error log in /var/log/nginx")
    return ["nginx", "-g", "daemon off;"]


def test_a_changed_configmap_changes_the_page_that_nginx_serves(
    run: Run, kube: FakeKube | RealKube, site: Site, nginx: list[str], tmp_path: os.PathLike[str]
) -> None:
    kube.create("nginx", {"nginx.conf": site.config("one")})
    root = os.path.join(tmp_path, "live")
    options = [f"--configmap={kube.namespace}/nginx", f"--configroot={root}", *QUICK]
    program = run(
        *nginx, "-c", f"{root}/nginx.conf", options=[*options, f"--kubeconfig={kube.kubeconfig}"]
    )

    change_under_load(
        program, site, lambda: kube.change("nginx", {"nginx.conf": site.config("two")})
    )


def test_a_file_that_goes_away_is_not_included_any_more(
    run: Run, kube: FakeKube | RealKube, site: Site, nginx: list[str], tmp_path: os.PathLike[str]
) -> None:
    """Its link must be gone before the reload: `include` fails on a dangling link."""
    root = os.path.join(tmp_path, "live")
    config = site.config("{page}").replace(
        "location / ", f"include {root}/more-*.conf; location / "
    )
    more = {
        "more-a.conf": "location /a { return 204; }",
        "more-b.conf": "location /b { return 204; }",
    }
    kube.create("nginx", {"nginx.conf": config.replace("{page}", "one"), **more})
    options = [
        f"--configmap={kube.namespace}/nginx",
        f"--configroot={root}",
        f"--kubeconfig={kube.kubeconfig}",
    ]
    program = run(*nginx, "-c", f"{root}/nginx.conf", options=[*options, *QUICK])
    site.serves("one")
    kube.change(
        "nginx", {"nginx.conf": config.replace("{page}", "two"), "more-a.conf": more["more-a.conf"]}
    )
    site.serves("two")

    assert (204, "") == get(site.port, "/a")
    wait_until(lambda: _is_page(site.port, "/b"))  # the old workers take connections for a moment
    program.send(3)
    program.finish(0)


def test_a_swapped_volume_changes_the_page_that_nginx_serves(
    run: Run, site: Site, nginx: list[str], tmp_path: os.PathLike[str]
) -> None:
    volume = os.path.join(tmp_path, "volume")
    swap_volume(volume, {"nginx.conf": site.config("one")})
    options = ["--config-dir", volume, *QUICK]
    program = run(*nginx, "-c", f"{volume}/nginx.conf", options=options)

    change_under_load(
        program, site, lambda: swap_volume(volume, {"nginx.conf": site.config("two")})
    )
