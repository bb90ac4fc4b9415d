"""Readiness that services report: sd_notify(3) by `ready = notify`, a newline by `ready = fd:N`."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
from pathlib import Path

from tests.conftest import needs, needs_open_interpreter, needs_root
from tests.harness import Program, Run, app, only_process, wait_until
from tests.process.controlled import ctl
from tests.process.services import all_told, section, services, supervisord, written
from tests.volume import swap_volume

FLOOD = 300  # datagrams


def end(program: Program) -> None:
    program.send(signal.SIGTERM)
    program.finish(0)


def test_a_notified_service_is_ready(run: Run, tmp_path: Path) -> None:
    """Its dependent starts then, and not before."""
    program = services(
        run,
        tmp_path,
        section("db", "sleep=0.3", "notify=READY=1", "wait", ready="notify", startsecs=0),
        section("web", "wait", depends_on="db", startsecs=0),
    )
    all_told(program.out.seen, "db up", "web up")
    assert program.err.expect("db is ready")
    end(program)


def test_a_service_without_a_report_holds_its_dependents(run: Run, tmp_path: Path) -> None:
    """It is told once its time is over, with its last words; a late report counts."""
    program = services(
        run,
        tmp_path,
        section(
            "db",
            "notify=STATUS=reading \x1b[1mpages",
            "sleep=1.5",
            "notify=READY=1",
            "wait",
            ready="notify",
            ready_timeout="1s",
            startsecs=0,
        ),
        section("web", "wait", depends_on="db", startsecs=0),
    )
    program.err.expect(r"db is not ready within 1s: reading \[1mpages$")
    assert "web up" not in program.out.seen
    program.expect("web up")
    end(program)


def test_a_service_asks_for_more_time(run: Run, tmp_path: Path) -> None:
    program = services(
        run,
        tmp_path,
        section(
            "db",
            "notify=EXTEND_TIMEOUT_USEC=60000000",
            "sleep=1.5",
            "notify=READY=1",
            "wait",
            ready="notify",
            ready_timeout="1s",
            startsecs=0,
        ),
    )
    program.err.expect("db is ready")
    end(program)

    assert not [line for line in program.err.seen if "not ready" in line]


@only_process
def test_an_order_to_start_ends_with_a_late_start(run: Run, tmp_path: Path) -> None:
    """Neither it nor what waits for it may ever be ready: a client is told, and both go on."""
    socket = f"--socket={tmp_path}/c.sock"
    late = section("db", "wait", ready="sleep 100", ready_timeout="1s", autostart="false")
    web = section("web", "wait", depends_on="db", autostart="false")
    file = written(tmp_path, [late, web, section("other", "wait")])
    program = run(options=["--services", file, f"--control={tmp_path}/c.sock"])
    program.expect("other up")

    why = "not ready within 1s"
    assert (7, f"db: ERROR ({why})\n", "") == ctl(socket, "start", "db")
    assert (7, f"web: ERROR (waiting for db: {why})\n", "") == ctl(socket, "start", "web")
    assert (0, "", "") == ctl(socket, "start", "all")
    end(program)


def test_systemd_notify_is_understood(run: Run, tmp_path: Path) -> None:
    """It passes a descriptor, and waits until that is closed here (BARRIER=1)."""
    notify = needs("systemd-notify")
    script = f"{notify} --status='warming up' && {notify} --ready && echo told && exec sleep 1000"
    program = services(
        run,
        tmp_path,
        section(
            "db", command=f"sh -c '{script.replace(chr(39), chr(34))}'", ready="notify", startsecs=0
        ),
    )
    program.err.expect("db is ready")
    program.expect("told")
    end(program)


@only_process
def test_a_service_of_another_user_reports(run: Run, common: Path) -> None:
    """The name of the socket is abstract: no directory is in the way. The mode is of no matter."""
    needs_root()
    needs_open_interpreter()
    keys = {"ready": "notify", "startsecs": 0, "user": "nobody"}
    program = services(run, common, section("db", "notify=READY=1", "wait", **keys))
    program.err.expect("db is ready")
    end(program)


@only_process
def test_garbage_in_datagrams_is_harmless(run: Run, tmp_path: Path) -> None:
    """Also a flood of it, and a datagram that is too long."""
    keys = {"ready": "notify", "startsecs": 0}
    program = services(run, tmp_path, section("db", "tell", "wait", environment="MINE=1", **keys))
    place = notify_socket(program)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for text in (b"", b"\0", b"READY", b"READY=2", b"=\n=\n", b"\xff=\xff", b"x" * 100_000):
            sender.sendto(text, place)
        for number in range(FLOOD):
            sender.sendto(b"STATUS=%d" % number, place)
        assert not [line for line in program.err.seen if "db is ready" in line]
        sender.sendto(b"STATUS=at last\nREADY=1", place)
    program.err.expect("db is ready")
    end(program)


def test_a_report_of_another_container_does_not_count(run: Run, tmp_path: Path) -> None:
    """The containers of a pod share the abstract names, but not the processes."""
    keys = {"ready": "notify", "ready_timeout": "2s", "startsecs": 0}
    program = services(run, tmp_path, section("db", "wait", **keys))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"READY=1", notify_socket(program))
    if program.mode == "pid1":  # which has a pid namespace of its own
        program.err.expect("db is not ready within 2s")
    else:
        program.err.expect("db is ready")
    end(program)


def notify_socket(program: Program) -> bytes:
    """The address in the environment of the only service."""
    program.expect("db up")
    data = Path(f"/proc/{program.app}/environ").read_bytes()
    found = re.search(rb"NOTIFY_SOCKET=@([^\0]+)", data)
    assert found is not None
    return b"\0" + found[1]


def test_a_newline_on_a_descriptor_is_ready(run: Run, tmp_path: Path) -> None:
    """As s6 has it; the descriptor may have any number."""
    program = supervisord(
        run,
        tmp_path,
        section("low", "newline=3", "wait", ready="fd:3", startsecs=0),
        section("high", "newline=250", "wait", ready="fd:250", startsecs=0, depends_on="low"),
        section("last", "wait", startsecs=0, depends_on="high"),
    )
    program.expect("last up")
    end(program)


def test_a_oneshot_may_write_to_its_descriptor(run: Run, tmp_path: Path) -> None:
    """It runs once, and is ready once it is completed."""
    program = services(
        run,
        tmp_path,
        section("job", "newline=5", "sleep=0.2", "end=0", ready="fd:5", oneshot="true"),
        section("web", "wait", depends_on="job", startsecs=0),
    )
    program.expect("job up")
    program.expect("web up")
    end(program)

    assert 1 == program.story().count("job up")
    assert any("job ended with code 0" in line for line in program.err.seen)


def test_a_descriptor_that_is_closed_is_not_ready(run: Run, tmp_path: Path) -> None:
    """The service lives on, without its end of the pipe."""
    command = "sh -c 'exec 3>&-; exec sleep 1000'"
    keys = {"ready": "fd:3", "ready_timeout": "1s", "startsecs": 0}
    program = services(run, tmp_path, section("db", command=command, **keys))
    program.err.expect("db is not ready within 1s")
    end(program)


def test_restarts_leave_no_descriptor(run: Run, tmp_path: Path) -> None:
    """Sockets and pipes of starts are closed with them."""
    keys = {"command": "true", "startsecs": 0, "startretries": 100}
    program = supervisord(
        run,
        tmp_path,
        *(section(f"n{number}", ready="notify", **keys) for number in range(10)),
        *(section(f"f{number}", ready="fd:3", **keys) for number in range(10)),
        section("db", "wait", startsecs=0),
    )
    _failures(program, 20)
    before = _held(program)
    _failures(program, 60)
    wait_until(lambda: _no_more(program, before))
    end(program)


def _failures(program: Program, times: int) -> None:
    for _ in range(times):
        program.expect("exited: [nf]")


def _held(program: Program) -> int:
    return len(os.listdir(f"/proc/{program.pid}/fd"))


def _no_more(program: Program, before: int) -> None:
    assert _held(program) <= before


def test_a_service_reports_the_end_of_its_reload(run: Run, tmp_path: Path) -> None:
    """A reload without its report has failed: the last version is put back."""
    swap_volume(tmp_path / "volume", {"app.conf": "one"})
    live = tmp_path / "live"
    command = shlex.join(app("report_reloads.py", live / "app.conf"))
    program = services(
        run,
        tmp_path,
        section(
            "web",
            command=command,
            ready="notify",
            reload_notify="true",
            reload_timeout="1s",
            reload_interval="0s",
            verify_window="0s",
            config_dir=tmp_path / "volume",
            configroot=live,
            startsecs=0,
        ),
    )
    program.err.expect("web is ready")
    swap_volume(tmp_path / "volume", {"app.conf": "two"})
    program.err.expect("reloaded web")
    swap_volume(tmp_path / "volume", {"app.conf": "stuck"})
    program.err.expect("web: it has not reported the end of the reload")
    program.err.expect("is back in place")
    program.expect("config: two")
    program.send(signal.SIGTERM)
    program.finish(0)


@only_process
def test_a_number_that_cannot_be_is_refused(run: Run, tmp_path: Path) -> None:
    program = services(run, tmp_path, section("db", "wait", ready="fd:1"))
    program.finish(2)

    assert "[program:db] ready: 'fd:1' is not fd:N with N from 3 to 255" in program.err.seen[0]
