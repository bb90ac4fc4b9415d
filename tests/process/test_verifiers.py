"""The verifiers of nginx and HAProxy on the real servers: good and bad reloads of each kind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor.process.pid_lookup import PidLookup
from config_supervisor.reload.checks import CheckedApp, CheckFailed
from config_supervisor.reload.methods.exec import Exec
from config_supervisor.reload.methods.process import Process
from config_supervisor.reload.reloader import ReloadPlan
from config_supervisor.reload.verifiers import registry
from tests.conftest import needs
from tests.elsewhere import Elsewhere
from tests.harness import assert_state, children, wait_until
from tests.http import get
from tests.main_thread import MainThread, Reloading
from tests.servers import HUP, free_port, passes, reload_by_hup, server

# --- nginx ----------------------------------------------------------------------------------------

NGINX = """
worker_processes 2;
daemon off;
pid {folder}/pid;
error_log stderr notice;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{page}"; }} }}
}}
"""


class Site:
    """The files of nginx."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.config, self.log, self.pid_file = folder / "nginx.conf", folder / "log", folder / "pid"
        self.command = ("nginx", "-c", str(self.config), "-e", "stderr")
        self.write("one")

    def write(self, page: str, port: int = 0) -> None:
        self.config.write_text(NGINX.format(folder=self.folder, page=page, port=port or self.port))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    needs("nginx")
    return Site(tmp_path)


@pytest.fixture
def nginx(site: Site, main: MainThread) -> Iterator[int]:
    with server(site.command, site.log) as pid:
        passes(main, registry.parse("nginx", "/"), pid)
        yield pid


def test_nginx_has_new_workers_after_a_good_reload(
    main: MainThread, site: Site, nginx: int
) -> None:
    site.write("two")

    assert ("", "") == reload_by_hup(main, registry.parse("nginx", "/"), nginx, window=1)
    assert "two" == get(site.port, "/")[1]


def test_nginx_bad_reload_fails_and_next_good_reload_passes(
    main: MainThread, site: Site, nginx: int
) -> None:
    site.config.write_text("no such directive;\n")
    reason, error = reload_by_hup(main, registry.parse("nginx", "/"), nginx, window=1)
    assert ("verify", True) == (reason, "nginx has started no new worker" in error)
    assert "one" == get(site.port, "/")[1]
    site.write("three")

    assert ("", "") == reload_by_hup(main, registry.parse("nginx", "/"), nginx, window=1)


def test_nginx_with_taken_port_fails(main: MainThread, site: Site, nginx: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site.write("two", taken.getsockname()[1])
        subprocess.run(
            [*site.command, "-t"], check=True, capture_output=True
        )  # it does not see that
        assert "verify" == reload_by_hup(main, registry.parse("nginx", "/"), nginx, window=4)[0]

    assert "still could not bind()" in site.log.read_text()
    assert "one" == get(site.port, "/")[1]


def test_nginx_workers_that_shut_down_do_not_count(
    main: MainThread, site: Site, nginx: int
) -> None:
    check = registry.parse("nginx", "/")
    with socket.create_connection(("127.0.0.1", site.port)) as busy:
        busy.sendall(b"GET / HTTP/1.1\r\n")  # half a request keeps its worker
        assert ("", "") == reload_by_hup(main, check, nginx, window=0.5)

        def shutting_down() -> None:
            assert [1] == [titles(nginx).count("nginx: worker process is shutting down")]

        wait_until(shutting_down)
        # An old worker is not taken for a new one.
        site.config.write_text("no such directive;\n")
        assert "verify" == reload_by_hup(main, check, nginx, window=0.5)[0]


def titles(master: int) -> list[str]:
    found = []
    for pid in children(master):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            found.append(file.read().rstrip("\0"))
    return found


def test_nginx_in_another_container_is_verified(main: MainThread, site: Site) -> None:
    elsewhere = Elsewhere()
    try:
        pid = elsewhere.start(*site.command)
        target = PidLookup(str(site.pid_file))
        check = registry.parse("nginx", "/", target=target)
        passes(main, check)
        site.write("two")
        assert ("", "") == Reloading(main, ReloadPlan(Process(target, HUP), check, 1)).end()
        assert [(pid, HUP)] == main.signals
        site.config.write_text("no such directive;\n")
        assert "verify" == Reloading(main, ReloadPlan(Process(target, HUP), check, 0.5)).end()[0]
    finally:
        elsewhere.close()


def test_started_nginx_needs_no_new_workers(main: MainThread, nginx: int) -> None:
    plan = ReloadPlan(None, registry.parse("nginx", "/"), 0.3)

    assert ("", "") == Reloading(main, plan, nginx, told=True).end()
    os.kill(nginx, signal.SIGSTOP)  # it would start other workers
    for pid in children(nginx):
        os.kill(pid, signal.SIGKILL)
        assert_state(pid, "Z")
    reason, error = Reloading(main, plan, nginx, told=True).end()
    assert ("verify", True) == (reason, f"nginx (pid {nginx}) has no worker" in error)


def test_nginx_that_shuts_down_fails(main: MainThread, site: Site, nginx: int) -> None:
    check = registry.parse("nginx", "/")
    with socket.create_connection(("127.0.0.1", site.port)) as busy:
        busy.sendall(b"GET / HTTP/1.1\r\n")
        passes(main, check, nginx)
        os.kill(nginx, signal.SIGQUIT)

        def ending() -> None:
            assert ["nginx: worker process is shutting down"] == titles(nginx)

        wait_until(ending)
        with pytest.raises(CheckFailed, match="has no worker"):
            check.once(CheckedApp(nginx, main.runner), 1)


def test_nginx_reload_by_its_command_is_verified(main: MainThread, site: Site, nginx: int) -> None:
    command = Exec([*site.command, "-s", "reload"], "/")
    site.write("two")

    assert ("", "") == Reloading(
        main, ReloadPlan(command, registry.parse("nginx", "/"), 1), nginx
    ).end()
    site.config.write_text(
        site.config.read_text().replace("worker_connections 64", "worker_connections 0")
    )
    result = Reloading(main, ReloadPlan(command, registry.parse("nginx", "/"), 1), nginx).end()
    assert result[0] in ("exec", "verify")  # the command may refuse the configuration itself


# --- haproxy --------------------------------------------------------------------------------------

HAPROXY = """
global
    log stdout format raw local0
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 1s
frontend site
    bind 127.0.0.1:{port}
    http-request return status 200 content-type text/plain string "{page}"
"""


class Proxy:
    """The files of HAProxy."""

    def __init__(self, folder: Path) -> None:
        self.port, self.config, self.log = free_port(), folder / "haproxy.cfg", folder / "log"
        self.socket = folder / "m.sock"
        self.command = (
            "haproxy",
            "-W",
            "-db",
            "-S",
            f"{self.socket},mode,600",
            "-f",
            str(self.config),
        )
        self.check = registry.parse(f"haproxy:{self.socket}", "/")
        self.write("one")

    def write(self, page: str, port: int = 0) -> None:
        self.config.write_text(HAPROXY.format(page=page, port=port or self.port))


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    needs("haproxy")
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket must be short
        yield Proxy(Path(folder))


@pytest.fixture
def haproxy(proxy: Proxy, main: MainThread) -> Iterator[int]:
    with server(proxy.command, proxy.log) as pid:
        passes(main, proxy.check, pid)
        yield pid


def test_haproxy_has_a_new_worker_after_a_good_reload(
    main: MainThread, proxy: Proxy, haproxy: int
) -> None:
    proxy.write("two")

    assert ("", "") == reload_by_hup(main, proxy.check, haproxy, window=1)
    assert "two" == get(proxy.port, "/")[1]


def test_haproxy_bad_reload_fails_and_next_good_reload_passes(
    main: MainThread, proxy: Proxy, haproxy: int
) -> None:
    proxy.config.write_text("no such section\n")
    reason, error = reload_by_hup(main, proxy.check, haproxy, window=1)
    assert ("verify", True) == (
        reason,
        "haproxy says that it could not load its configuration" in error,
    )
    assert "one" == get(proxy.port, "/")[1]
    # The worker of the old configuration does not pass a trial.
    assert "verify" == Reloading(main, ReloadPlan(None, proxy.check), haproxy, told=True).end()[0]
    proxy.write("three")

    assert ("", "") == reload_by_hup(main, proxy.check, haproxy, window=1)
    assert ("", "") == Reloading(main, ReloadPlan(None, proxy.check), haproxy, told=True).end()


def test_haproxy_with_taken_port_fails(main: MainThread, proxy: Proxy, haproxy: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        proxy.write("two", taken.getsockname()[1])
        subprocess.run(
            ["haproxy", "-c", "-q", "-f", str(proxy.config)], check=True
        )  # it does not see that
        assert "verify" == reload_by_hup(main, proxy.check, haproxy, window=4)[0]

    assert "one" == get(proxy.port, "/")[1]


def test_haproxy_may_have_years_of_time(main: MainThread, proxy: Proxy, haproxy: int) -> None:
    proxy.check.once(CheckedApp(haproxy, main.runner), 1e8)


def test_haproxy_without_a_reload_fails(main: MainThread, proxy: Proxy, haproxy: int) -> None:
    reason, error = Reloading(main, ReloadPlan(None, proxy.check, 0.3), haproxy).end()

    assert ("verify", "the verification did not pass: haproxy has started no new worker") == (
        reason,
        error,
    )


def test_haproxy_without_master_socket_is_reported(main: MainThread, proxy: Proxy) -> None:
    reason, error = Reloading(main, ReloadPlan(None, proxy.check, timeout=0.1)).end()

    assert "verify" == reason
    assert (
        f"so it was not reloaded: cannot ask haproxy at {proxy.socket}: no such file or directory"
        in error
    )


def test_haproxy_silent_master_times_out(main: MainThread, proxy: Proxy) -> None:
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(proxy.socket))
        mute.listen()
        with pytest.raises(CheckFailed, match="timed out"):
            proxy.check.once(CheckedApp(0, main.runner), 0.3)

    assert 0.3 <= time.monotonic() - began < 2


def test_cancel_ends_wait_for_haproxy_master(main: MainThread, proxy: Proxy) -> None:
    app = CheckedApp(0, main.runner)
    failures: list[str] = []

    def ask() -> None:
        with pytest.raises(CheckFailed) as caught:
            proxy.check.once(app, 30)
        failures.append(str(caught.value))

    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(proxy.socket))
        mute.listen()
        thread = threading.Thread(target=ask)
        thread.start()
        connection, _ = mute.accept()
        with connection:
            assert b"show proc\n" == connection.recv(64)
            app.cancelled.set()
            thread.join(5)

    assert ["haproxy has started no new worker"] == failures


def test_haproxy_master_with_full_backlog_fails_at_once(main: MainThread, proxy: Proxy) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket(socket.AF_UNIX))
        full.bind(str(proxy.socket))
        full.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(str(proxy.socket))
        with pytest.raises(CheckFailed, match="temporarily unavailable"):
            proxy.check.once(CheckedApp(0, main.runner), 5)
