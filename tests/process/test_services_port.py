"""The port of several services: probes, /status, the page and metrics, as clients see them."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Program, Run, only_process, until, wait_until
from tests.http import BROWSER, get, metric, port_of, request, status
from tests.process.rpc_clients import served, unix_section
from tests.process.services import all_told, section, serve, supervisord, written
from tests.servers import free_port
from tests.volume import swap_volume

LISTEN = ("--listen", "127.0.0.1:0")
HOSTILE = "<script>alert(1)<script>"


def start(run: Run, place: Path, *sections: str, options: tuple[str, ...] = ()) -> Program:
    return run(options=[*LISTEN, "--services", written(place, sections), *options])


def stop(program: Program, code: int = 0) -> None:
    program.send(signal.SIGTERM)
    program.finish(code)


def ready(port: int) -> tuple[int, str]:
    code, text = get(port, "/readyz")
    return code, text.strip()


def app(port: int, name: str) -> dict[str, Any]:
    found: dict[str, Any] = status(port)["services"][name]["app"]
    return found


@pytest.fixture
def crashing(run: Run, tmp_path: Path) -> Program:
    """One service is fine, one given up, one done, one not wanted."""
    return start(
        run,
        tmp_path,
        section("web", "wait", startsecs=0),
        section("bad", "end=3", essential="false", startretries=1),
        section("job", "end=0", oneshot="true"),
        section("spare", "wait", autostart="false"),
    )


def test_readiness_is_that_of_all(run: Run, tmp_path: Path) -> None:
    port_of_app = free_port()
    program = start(
        run,
        tmp_path,
        section("api", "sleep=1", f"listen={port_of_app}", "wait", ready=f"tcp:{port_of_app}"),
        section("web", "wait", startsecs=0),
    )
    port = port_of(program)
    code, text = ready(port)

    assert (503, f"(tcp:{port_of_app})") == (code, text[-len(f"(tcp:{port_of_app})") :])
    assert text.startswith("not ok: api: not ready for ")
    until(lambda: ready(port), expected=(200, "ok: 2 services"))
    assert (200, "ok: running\n") == get(port, "/livez") == get(port, "/healthz")
    stop(program)


def test_a_failed_service_is_named_and_the_rest_is_live(crashing: Program) -> None:
    port = port_of(crashing)
    reason = "not ok: bad: FATAL: exit status 3, after 2 starts"
    until(lambda: ready(port), expected=(503, reason))

    assert (200, "ok: running\n") == get(port, "/livez")
    stop(crashing)


def test_a_stop_fails_readiness_at_once(run: Run, tmp_path: Path) -> None:
    program = start(run, tmp_path, section("web", "last=4", "wait", startsecs=0))
    port = port_of(program)
    until(lambda: ready(port), expected=(200, "ok: 1 service"))
    program.send(signal.SIGTERM)

    until(lambda: ready(port), expected=(503, "not ok: stopping"))
    assert (200, "ok: stopping\n") == get(port, "/livez")
    program.finish(0)


def test_status_has_each_service(crashing: Program) -> None:
    port = port_of(crashing)
    until(lambda: app(port, "bad")["phase"], expected="fatal")
    found = status(port)

    assert ("RUNNING", 1, False) == (found["state"], found["state_code"], found["ready"])
    bad, job, spare, web = (app(port, name) for name in ("bad", "job", "spare", "web"))
    assert ("FATAL", 200, 3, 2, 2) == (
        bad["state"],
        bad["state_code"],
        bad["last_exit_code"],
        bad["starts"],
        bad["exits"],
    )
    assert ("completed", True, "EXITED") == (job["phase"], job["ready"], job["state"])
    assert ("stopped", False, "STOPPED") == (spare["phase"], spare["required"], spare["state"])
    assert ("running", "RUNNING", True) == (web["phase"], web["state"], web["essential"])
    assert web["memory_bytes"] > 1 << 20
    assert "config" not in found["services"]["web"]
    stop(crashing)


def test_status_tells_the_next_start(run: Run, tmp_path: Path) -> None:
    program = start(
        run,
        tmp_path,
        section("bad", "end=3", startsecs=0),
        section("web", "wait", depends_on="bad"),
    )
    port = port_of(program)

    def waits() -> None:
        bad = app(port, "bad")
        assert "backoff" == bad["phase"]
        assert bad["next_start_seconds"] >= 0

    wait_until(waits)
    stop(program, 0)


def test_page_has_a_row_for_each_service(crashing: Program) -> None:
    port = port_of(crashing)
    until(lambda: app(port, "bad")["phase"], expected="fatal")
    _, page, _ = request(port, "/", accept=BROWSER)

    assert '<strong class="good">running, ready</strong>' in page
    assert '<strong class="bad">fatal, not ready</strong>' in page
    assert "bad: not ready: FATAL: exit status 3, after 2 starts" in page.replace(
        "<bdi>", ""
    ).replace("</bdi>", "")
    assert "<title>bad: fatal, job: completed" in page
    stop(crashing)


def test_hostile_names_stay_text(run: Run, tmp_path: Path) -> None:
    hostile = f"[program:{HOSTILE}]\ncommand = {serve('web', 'wait')}\n"
    program = start(run, tmp_path, hostile)
    port = port_of(program)
    _, page, _ = request(port, "/", accept=BROWSER)

    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert 'service="<script>alert(1)<script>"' in get(port, "/metrics")[1]
    stop(program)


def test_metrics_tell_the_services_apart(crashing: Program) -> None:
    port = port_of(crashing)
    until(
        lambda: metric(port, "service_state", service="bad", state="FATAL"),
        expected=1.0,
    )

    def value(name: str, service: str, **labels: str) -> float | None:
        return metric(port, f"service_{name}", service=service, **labels)

    assert (1.0, 1.0) == (value("up", "web"), value("ready", "web"))
    assert (0.0, 0.0) == (value("up", "bad"), value("ready", "bad"))
    assert 0.0 == value("state", "bad", state="RUNNING")
    assert (2.0, 2.0) == (value("starts_total", "bad"), value("exits_total", "bad", kind="exit"))
    assert 0.0 == value("exits_total", "bad", kind="signal")
    assert (3.0, 0.0, None) == tuple(
        value("last_exit_code", name) for name in ("bad", "job", "web")
    )
    memory = value("resident_memory_bytes", "web")
    assert memory is not None
    assert memory > 1 << 20
    assert 1.0 == value("processes", "web")
    stop(crashing)


def test_alerts_on_node_exporter_go_on(crashing: Program) -> None:
    port = port_of(crashing)
    until(lambda: metric(port, "node_supervisord_state", name="bad", group="bad"), expected=200.0)

    def value(name: str, service: str) -> float | None:
        return metric(port, f"node_supervisord_{name}", name=service, group=service)

    assert (1.0, 20.0) == (value("up", "web"), value("state", "web"))
    assert (0.0, 3.0, None) == tuple(
        value(name, "bad") for name in ("up", "exit_status", "start_time_seconds")
    )
    started = value("start_time_seconds", "web")
    assert started is not None
    assert abs(time.time() - started) < 30
    stop(crashing)


def test_counts_go_on_over_restarts(run: Run, tmp_path: Path) -> None:
    program = start(
        run, tmp_path, section("web", "wait", startsecs=0), section("bad", "die", startsecs=0)
    )
    port = port_of(program)

    def counted() -> None:
        ends = metric(port, "service_exits_total", service="bad", kind="signal")
        assert ends is not None
        assert ends >= 2
        starts = metric(port, "service_starts_total", service="bad")
        assert starts is not None
        assert starts >= 2

    wait_until(counted)
    assert 137.0 == metric(port, "service_last_exit_code", service="bad")
    stop(program, 0)


def test_children_count_for_their_service(run: Run, tmp_path: Path) -> None:
    program = start(
        run,
        tmp_path,
        section("web", "child", "wait", startsecs=0),
        section("db", "wait", startsecs=0),
    )
    port = port_of(program)
    all_told(program.out.seen, "web up", "db up")

    until(lambda: metric(port, "service_processes", service="web"), expected=2.0)
    assert 1.0 == metric(port, "service_processes", service="db")
    stop(program)


@only_process
def test_a_variable_opens_the_port_of_supervisord(run: Run, tmp_path: Path) -> None:
    program = supervisord(
        run,
        tmp_path,
        section("web", "wait", startsecs=0),
        env={"CONFIG_SUPERVISOR_LISTEN": "127.0.0.1:0", "CONFIG_SUPERVISOR_LOG_LEVEL": "debug"},
    )
    port = int(program.out.expect(r"metrics and probes on .*:(\d+)$")[1])

    until(lambda: ready(port), expected=(200, "ok: 1 service"))
    stop(program)


def test_metrics_of_configurations_name_the_service(run: Run, tmp_path: Path) -> None:
    """A rejected version of one service; the other has none."""
    volume = tmp_path / "volume"
    swap_volume(volume, {"app.conf": "good"})
    program = start(
        run,
        tmp_path,
        section(
            "web",
            "wait",
            config_dir=volume,
            configroot=tmp_path / "live",
            validate="sh -c '! grep -q bad {dir}/app.conf'",
            reload_interval="0s",
            startsecs=0,
        ),
        section("db", "wait", startsecs=0),
    )
    port = port_of(program)
    until(lambda: metric(port, "config_updates_total", service="web"), expected=1.0)
    swap_volume(volume, {"app.conf": "bad"})

    def failures() -> float | None:
        return metric(port, "config_apply_failures_total", service="web", reason="validate")

    until(failures, expected=1.0)
    assert 1.0 == metric(port, "config_stale", service="web")
    assert 1.0 == metric(port, "config_validations_total", service="web", result="rejected")
    assert 1.0 == metric(port, "config_files", service="web")
    assert metric(port, "config_stale", service="db") is None
    assert 'supervisor_source_present{kind="directory"' in get(port, "/metrics")[1]
    found = status(port)["services"]
    assert found["web"]["config"]["rejected"]
    assert "config" not in found["db"]
    stop(program)


def test_metrics_of_a_service_end_with_it(run: Run, tmp_path: Path) -> None:
    """A service that leaves the file by `update` leaves no series behind."""
    volume = tmp_path / "volume"
    swap_volume(volume, {"app.conf": "good"})
    keys = {"config_dir": volume, "configroot": tmp_path / "live", "startsecs": 0}
    control = tmp_path / "s.sock"
    sections = [unix_section(control), section("db", "wait", startsecs=0)]
    program = start(run, tmp_path, *sections, section("web", "wait", **keys))
    port = port_of(program)
    until(lambda: metric(port, "config_updates_total", service="web"), expected=1.0)
    until(lambda: metric(port, "service_up", service="web"), expected=1.0)
    written(tmp_path, sections)
    rpc = served(control).supervisor
    assert [[[], [], ["web"]]] == rpc.reloadConfig()
    assert rpc.stopProcess("web")
    assert rpc.removeProcessGroup("web")
    until(lambda: 'service="web"' in get(port, "/metrics")[1], expected=False)

    assert 'service="db"' in get(port, "/metrics")[1]
    stop(program, 0)


def test_status_has_the_words_of_a_notification(run: Run, tmp_path: Path) -> None:
    program = start(
        run,
        tmp_path,
        section("web", "notify=STATUS=reading pages", "wait", ready="notify"),
        section("db", "wait", startsecs=0),
    )
    port = port_of(program)
    until(lambda: app(port, "web")["status_text"], expected="reading pages")
    assert app(port, "db")["status_text"] is None
    stop(program)
