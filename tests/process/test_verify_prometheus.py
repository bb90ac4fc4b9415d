"""The verifier of Prometheus on the real server, reloaded by signal and by request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor.reload import checks, http_request, url
from config_supervisor.reload.checks import CheckedApp, CheckFailed
from config_supervisor.reload.http_request import HttpRequest
from config_supervisor.reload.methods.http import Http
from config_supervisor.reload.reloader import ReloadPlan
from config_supervisor.reload.verifiers import registry
from tests.answering import Answering, answer
from tests.conftest import needs
from tests.http import get
from tests.main_thread import MainThread, Reloading
from tests.servers import free_port, passes, reload_by_hup, server

CONFIG = """
global: {{ scrape_interval: {interval} }}
rule_files: [{folder}/rules.yml]
"""
NAMES = (
    "prometheus_config_last_reload_successful",
    "prometheus_config_last_reload_success_timestamp_seconds",
)


class Monitor:
    """The files and the URL of Prometheus, with a prefix as behind an ingress."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.config, self.log = folder / "prometheus.yml", folder / "log"
        self.url = f"http://127.0.0.1:{self.port}/prom"
        self.check = registry.parse(f"prometheus:{self.url}", "/")
        self.write("15s")

    def write(self, interval: str, rules: str = "groups: []\n") -> None:
        self.config.write_text(CONFIG.format(interval=interval, folder=self.folder))
        (self.folder / "rules.yml").write_text(rules)


@pytest.fixture
def monitor(tmp_path: Path, main: MainThread) -> Iterator[Monitor]:
    program = needs("prometheus")
    monitor = Monitor(tmp_path)
    argv = [
        program,
        f"--config.file={monitor.config}",
        f"--web.listen-address=127.0.0.1:{monitor.port}",
    ]
    argv += [
        f"--storage.tsdb.path={tmp_path}/data",
        "--web.route-prefix=/prom",
        "--web.enable-lifecycle",
    ]
    with server(argv, monitor.log) as pid:
        main.app = pid
        passes(main, checks.parse(f"{monitor.url}/-/ready", "/"), pid)
        yield monitor


def test_prometheus_good_reload_of_unchanged_file_passes(
    main: MainThread, monitor: Monitor
) -> None:
    assert ("", "") == reload_by_hup(main, monitor.check, main.app, window=1)
    monitor.write("16s")
    assert ("", "") == reload_by_hup(main, monitor.check, main.app, window=1)
    assert "scrape_interval: 16s" in get(monitor.port, "/prom/api/v1/status/config")[1]


def test_prometheus_bad_reload_fails_and_next_good_passes(
    main: MainThread, monitor: Monitor
) -> None:
    monitor.config.write_text("no_such_key: 1\n")
    reason, error = reload_by_hup(main, monitor.check, main.app, window=1)
    assert ("verify", True) == (reason, "Prometheus says that its last reload failed" in error)
    assert (
        "verify" == Reloading(main, ReloadPlan(None, monitor.check), main.app, told=True).end()[0]
    )
    monitor.write("17s")

    assert ("", "") == reload_by_hup(main, monitor.check, main.app, window=1)
    assert ("", "") == Reloading(main, ReloadPlan(None, monitor.check), main.app, told=True).end()


def test_prometheus_bad_rule_file_fails_though_half_live(
    main: MainThread, monitor: Monitor
) -> None:
    monitor.write("18s", rules="groups: 1\n")

    assert "verify" == reload_by_hup(main, monitor.check, main.app, window=1)[0]
    assert "scrape_interval: 18s" in get(monitor.port, "/prom/api/v1/status/config")[1]


def test_prometheus_without_a_reload_fails(main: MainThread, monitor: Monitor) -> None:
    expected = "verify", "the verification did not pass: Prometheus has not reloaded"

    assert expected == Reloading(main, ReloadPlan(None, monitor.check, 0.3), main.app).end()


def test_prometheus_reload_by_request_reports_the_error(main: MainThread, monitor: Monitor) -> None:
    method = Http(
        HttpRequest("POST", url.parse(f"{monitor.url}/-/reload")),
        http_request.status_ranges("200-299"),
    )
    assert ("", "") == Reloading(main, ReloadPlan(method, monitor.check, 1), main.app).end()
    monitor.config.write_text("no_such_key: 1\n")
    reason, error = Reloading(main, ReloadPlan(method, monitor.check, 1, timeout=1), main.app).end()

    assert "http_status" == reason
    assert error.startswith(f"POST {monitor.url}/-/reload: 500 Internal Server Error (tried ")
    assert ": failed to reload config: " in error
    assert "field no_such_key not found" in error


def test_prometheus_url_of_another_server_is_reported(main: MainThread) -> None:
    with Answering(
        answer("404 Not Found", "nothing here"), answer("200 OK", f"{NAMES[0]} 1\n{NAMES[1]} x\n")
    ) as other:
        check = registry.parse(f"prometheus:{other.url('/p/', 'u:hunter22@')}", "/")
        with pytest.raises(CheckFailed) as caught:
            check.once(CheckedApp(0, main.runner), 2)
        with pytest.raises(CheckFailed, match=NAMES[0]):
            check.before(CheckedApp(0, main.runner), 2)
        assert ["GET /p/metrics HTTP/1.1"] * 2 == other.heads()

    assert (
        f"GET http://127.0.0.1:{other.port}/p/metrics: there is no {NAMES[0]} in the answer: 404"
        " Not Found" in str(caught.value)
    )


@pytest.mark.parametrize(
    "text", ["prometheus:", "prometheus:9090", "prometheus:http://a/?b", "prometheus:ftp://a"]
)
def test_malformed_prometheus_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"URL|query"):
        registry.parse(text, "/")
