"""Metrics and probes of an app without a configuration."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.conftest import needs
from tests.harness import Run, app, only_pid1, until, wait_until
from tests.http import get, metric, port_of, request, status

LISTEN = ("--listen", "127.0.0.1:0")
MANY = 100  # processes below the app
WORKERS = f"for i in $(seq {MANY}); do sleep 60 & done; echo ready; wait"


def test_probes_of_a_running_app_are_ok(run: Run) -> None:
    program = run(*app("print_signals.py"), options=LISTEN)
    port = port_of(program)

    assert (200, "ok: running\n") == get(port, "/livez")
    assert (200, "ok: running\n") == get(port, "/healthz")
    assert (200, "ok: running\n") == get(port, "/readyz?verbose")


def test_app_between_two_starts_is_alive_and_not_ready(run: Run) -> None:
    program = run("sh", "-c", "exit 3", options=[*LISTEN, "--restart", "always"])
    port = port_of(program)

    def backing_off() -> None:
        assert (200, "ok: backoff\n") == get(port, "/livez")
        assert (503, "not ok: backoff\n") == get(port, "/readyz")

    wait_until(backing_off)
    assert metric(port, "app_last_exit_code") == 3
    assert metric(port, "app_exits_total", kind="exit")


def test_status_shows_the_app_and_no_secret(run: Run) -> None:
    program = run(*app("print_signals.py"), options=LISTEN)
    shown = status(port_of(program))

    assert ("running", 1, 0, None) == tuple(
        shown["app"][key] for key in ("phase", "starts", "exits", "last_exit_code")
    )
    if run.mode == "process":  # in a namespace of its own the app has another number than here
        assert program.app == shown["app"]["pid"]


def test_other_paths_are_not_found_and_methods_refused(run: Run) -> None:
    port = port_of(run(*app("print_signals.py"), options=LISTEN))

    assert (404, 200) == (get(port, "/nothing")[0], get(port, "/")[0])
    assert 404 == get(port, "/metrics/../etc/passwd")[0]
    assert (405, "GET, HEAD") == (
        request(port, "/metrics", "POST")[0],
        request(port, "/livez", "DELETE")[2]["allow"],
    )
    code, body, headers = request(port, "/livez", "HEAD")
    assert (200, "", "12") == (code, body, headers["content-length"])


def test_events_before_the_metrics_are_imported_are_counted(run: Run) -> None:
    program = run("sh", "-c", "(sh -c 'true &' &); echo ready; exec sleep 60", options=LISTEN)
    port = port_of(program)
    program.expect("ready")

    def counted() -> None:
        assert metric(port, "app_starts_total") == 1
        assert (metric(port, "orphans_reaped_total") or 0) >= 1
        assert metric(port, "app_up") == 1

    wait_until(counted)
    assert (metric(port, "process_resident_memory_bytes") or 0) > 1_000_000


def test_process_tree_is_measured_as_by_psutil(run: Run) -> None:
    program = run("sh", "-c", "sleep 60 & echo ready; wait", options=LISTEN)
    port = port_of(program)
    program.expect("ready")

    def both() -> None:
        assert metric(port, "app_processes") == 2

    wait_until(both)
    tree = [psutil.Process(program.app), *psutil.Process(program.app).children()]
    assert metric(port, "app_threads") == sum(one.num_threads() for one in tree) == 2
    assert metric(port, "app_open_fds") == sum(one.num_fds() for one in tree) >= 6
    assert metric(port, "app_resident_memory_bytes") == sum(one.memory_info().rss for one in tree)
    assert metric(port, "app_cpu_seconds_total") == sum(sum(one.cpu_times()[:2]) for one in tree)


@only_pid1
def test_a_scrape_reads_little_of_each_process(run: Run, tmp_path: Path) -> None:
    """`stat` and `statm` by three system calls each, and the number of descriptors by another one.

    As PID 1, so that /proc shows the app's processes only.
    """
    program = run("sh", "-c", WORKERS, options=LISTEN)
    port = port_of(program)
    program.expect("ready")
    until(lambda: metric(port, "app_processes"), MANY + 1)
    get(port, "/metrics")

    seen = tmp_path / "calls"
    command = [needs("strace"), "-f", "-o", str(seen), "-p", str(program.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()
        get(port, "/metrics")
        strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=10)

    calls = [
        line for line in seen.read_text(encoding="utf-8").splitlines() if "resumed>" not in line
    ]
    assert MANY < sum("/statm" in call for call in calls)
    assert len(calls) < 7 * MANY + 150


def test_signals_are_counted_by_name(run: Run) -> None:
    program = run(*app("print_signals.py"), options=LISTEN)
    port = port_of(program)
    program.expect("ready")
    assert metric(port, "signals_forwarded_total", signal="SIGUSR1") == 0
    program.send(signal.SIGUSR1)
    program.expect("10")
    program.send(signal.SIGRTMIN + 2)
    program.expect("36")

    assert metric(port, "signals_forwarded_total", signal="SIGUSR1") == 1
    assert metric(port, "signals_forwarded_total", signal="SIGRTMIN+2") == 1


@pytest.mark.parametrize("kind", ["bare", "configured"])
def test_promtool_accepts_the_metrics(run: Run, kind: str, tmp_path: object) -> None:
    promtool = needs("promtool")
    more = ["--config-dir", str(tmp_path)] if kind == "configured" else []
    port = port_of(run(*app("print_signals.py"), options=[*LISTEN, *more]))
    page = get(port, "/metrics")[1]

    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (0, "") == (checked.returncode, checked.stdout + checked.stderr)


def test_taken_port_is_a_warning_and_the_app_runs_on(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = run(*app("print_signals.py"), options=["--listen", f"127.0.0.1:{port}"])
        program.err.expect(f"cannot listen on 127.0.0.1:{port}: .*in use.*everything else goes on")
        program.expect("ready")
        program.send(signal.SIGUSR1)
        program.expect("10")


def test_second_supervisor_of_a_pod_takes_the_next_port(run: Run) -> None:
    """Containers of a pod share their ports, and both have the same default."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        options = ["--listen", f"127.0.0.1:{taken}", "--listen-next"]
        port = port_of(run(*app("print_signals.py"), options=options))

        assert taken < port <= taken + 9
        assert 200 == get(port, "/livez")[0]


def test_warning_of_a_taken_port_names_the_remedy(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        program = run(*app("print_signals.py"), options=["--listen", f"127.0.0.1:{taken}"])

        program.err.expect("containers of a pod share their ports: choose another with --listen")


def test_silent_clients_do_not_delay_a_probe(run: Run) -> None:
    port = port_of(run(*app("print_signals.py"), options=LISTEN))
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    try:
        assert 200 == get(port, "/livez")[0]
    finally:
        for one in silent:
            one.close()


def test_both_address_families_are_served(run: Run) -> None:
    port = port_of(run(*app("print_signals.py"), options=["--listen", ":0"]))

    assert 200 == get(port, "/livez")[0]
    if socket.has_dualstack_ipv6():
        with socket.create_connection(("::1", port), timeout=5) as connection:
            connection.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            assert b" 200 " in connection.recv(100)


def test_app_whose_name_is_not_utf8_has_metrics(run: Run, tmp_path: Path) -> None:
    """The name of a directory is a label, and must be UTF-8 on the page."""
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    (tmp_path / os.fsdecode(folder) / "app.conf").write_text("first")
    options = ["--config-dir", os.fsdecode(folder), *LISTEN]
    program = run(*app("print_signals.py"), options=options)
    port = port_of(program)
    program.expect("ready")

    labels = {"kind": "directory", "namespace": "", "name": rf"{tmp_path}/caf\\xe9"}
    # The events before the port was there are counted at the next turn of the loop.
    until(lambda: metric(port, "source_present", **labels), 1.0)
    assert r"caf\\xe9" in get(port, "/status")[1]
