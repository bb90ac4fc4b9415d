"""Several services: stops by signals, their order and budget, leftovers, groups, daemons."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from config_supervisor.process.procfs import descendants
from tests.conftest import needs
from tests.harness import Run, children, only_process, state, until
from tests.process.services import all_told, order, section, services, supervisord


def test_three_services_need_their_second_together(run: Run, tmp_path: Path) -> None:
    """In supervisord groups of one priority stop one after the other; here they stop together."""
    names = ("a", "b", "c")
    program = supervisord(
        run, tmp_path, *(section(name, "last=1", "wait", startsecs=0) for name in names)
    )
    all_told(program.out.seen, "a up", "b up", "c up")
    program.send(signal.SIGTERM)
    began = time.monotonic()
    program.finish(0)

    assert time.monotonic() - began < 2 * 1.0
    assert sorted(f"{name} down" for name in names) == sorted(
        line for line in program.out.seen if line.endswith(" down")
    )


def test_services_that_ignore_a_stop_are_killed_in_order(run: Run, tmp_path: Path) -> None:
    program = services(
        run,
        tmp_path,
        section("web", "ignore", "sleep=1000", depends_on="db", startsecs=0, stopwaitsecs=1),
        section("db", "ignore", "sleep=1000", startsecs=0, stopwaitsecs=1),
    )
    all_told(program.out.seen, "web ignores", "db ignores")
    program.send(signal.SIGTERM)
    program.finish(0)

    killed = re.findall(r"(\w+) did not end in time: killing it", "\n".join(program.err.seen))
    assert ["web", "db"] == killed


def test_the_stop_keeps_its_budget(run: Run, tmp_path: Path) -> None:
    """Each service would have ten seconds; the budget has two for all, and a line tells who took
    them.
    """
    program = services(
        run,
        tmp_path,
        "[supervisord]\nstop_budget = 2s\n",
        section("web", "ignore", "sleep=1000", depends_on="db", startsecs=0),
        section("db", "ignore", "sleep=1000", startsecs=0),
    )
    all_told(program.out.seen, "web ignores", "db ignores")
    program.send(signal.SIGTERM)
    program.finish(0, timeout=8)

    assert "stopped within the budget of 2s: " in program.err.seen[-1]


def test_a_second_signal_changes_nothing(run: Run, tmp_path: Path) -> None:
    program = services(run, tmp_path, section("web", "last=0.3", "wait", startsecs=0))
    program.expect("web up")
    program.send(signal.SIGTERM)
    program.send(signal.SIGINT)
    program.finish(0)

    assert "web down" == program.out.seen[-1]


def test_a_stop_during_the_start(run: Run, tmp_path: Path) -> None:
    """The dependent has not begun, and does not."""
    program = services(
        run,
        tmp_path,
        section("web", "wait", depends_on="db"),
        section("db", "wait", startsecs=30),
    )
    program.expect("db up")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert ["db up", "db down"] == program.out.seen


def test_what_a_service_leaves_behind_ends_with_it(run: Run, tmp_path: Path) -> None:
    """The other service, and what that has left, live on."""
    program = services(
        run,
        tmp_path,
        section("db", "daemon", "wait", startsecs=0),
        section("web", "daemon", "child", "end=0", startsecs=0, essential="false"),
    )
    program.expect("web left")
    program.expect("web left")
    until(lambda: len(descendants(program.pid)), 2)  # db, and its daemon
    program.send(signal.SIGTERM)
    program.finish(0)

    assert [] == run.left()


def test_a_daemon_lives_on_under_supervisord(run: Run, tmp_path: Path) -> None:
    """The service ends, and what it has put into the background serves on."""
    program = supervisord(run, tmp_path, section("web", "daemon", "end=0", startsecs=0))
    program.expect(r"exited: web \(exit status 0; expected\)")
    [daemon] = children(program.pid)
    program.send(signal.SIGHUP)
    program.expect("received SIGHUP indicating restart request")
    program.expect(r"exited: web \(exit status 0; expected\)")

    assert "S" == state(daemon)
    program.send(signal.SIGTERM)
    program.finish(0)
    run.kill_left()  # an original leaves it, and so do we unless we are PID 1


def test_a_stop_reaches_the_group(run: Run, tmp_path: Path) -> None:
    program = supervisord(
        run, tmp_path, section("web", "child", "wait", startsecs=0, stopasgroup="true")
    )
    program.expect("web left")
    [web] = children(program.pid)
    [child] = children(web)
    program.send(signal.SIGTERM)
    program.finish(0)

    assert "X" == state(child)


def test_hup_starts_all_from_the_changed_file(run: Run, tmp_path: Path) -> None:
    program = supervisord(run, tmp_path, section("web", "wait", startsecs=0))
    program.expect("web up")
    supervisord_file = tmp_path / "supervisord.conf"
    text = supervisord_file.read_text()
    supervisord_file.write_text(text + section("db", "wait", startsecs=0))
    program.send(signal.SIGHUP)
    all_told(program.out.seen, "db up", "received SIGHUP indicating restart request")
    until(lambda: program.out.seen.count("web up"), 2)

    supervisord_file.write_text("[supervisord]\n[program:web]\n")
    program.send(signal.SIGHUP)
    program.expect("ERRO cannot use the changed file: .*; the services start again as before")
    until(lambda: program.out.seen.count("web up"), 3)
    program.send(signal.SIGTERM)
    program.finish(0)


def test_usr2_opens_the_log_again(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "supervisord.log"
    program = supervisord(run, tmp_path, section("web", "wait", startsecs=0))
    program.expect("web up")
    until(lambda: "web entered RUNNING" in log.read_text(), True)
    log.rename(tmp_path / "old.log")
    program.send(signal.SIGUSR2)
    program.expect("received SIGUSR2 indicating log reopen request")
    until(log.exists, True)
    program.send(signal.SIGTERM)
    program.finish(0)

    assert "stopped: web (exit status 0)" in log.read_text()


@only_process
def test_signals_reach_the_services_that_want_them(run: Run, tmp_path: Path) -> None:
    """HUP ends a program without a handler; the other service never sees it."""
    program = services(
        run,
        tmp_path,
        section("db", "wait", startsecs=0),
        section("web", "wait", startsecs=0, signals="true", restart="never"),
    )
    all_told(program.out.seen, "db up", "web up")
    program.send(signal.SIGHUP)
    program.finish(128 + signal.SIGHUP)

    assert ["db down"] == order(program.out.seen, "db down", "web down")


def test_the_pid_file_stands_while_it_runs(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "supervisord.pid"
    program = supervisord(run, tmp_path, section("web", "wait", startsecs=0))
    program.expect("INFO supervisord started with pid")
    inside = "1" if run.mode == "pid1" else str(program.pid)
    assert f"{inside}\n" == path.read_text()
    all_told(program.out.seen, "web up")
    os.kill(program.pid, signal.SIGTERM)
    program.finish(0)

    assert not path.exists()


@only_process
def test_stop_that_meets_an_exec_kills_no_program(run: Run, tmp_path: Path) -> None:
    """strace(1) delays the exec, so that the stop comes before the program runs."""
    path = tmp_path / "slow"
    path.write_text("#!/bin/sh\nexec sleep 600\n")
    path.chmod(0o755)
    slow = [needs("strace"), "-D", "-f", "-qq", "-o", "/dev/null", "-P", f"{path}"]
    slow += ["-e", "inject=execve:delay_enter=300ms"]
    program = services(run, tmp_path, section("web", command=path), prefix=slow)
    program.err.expect("services web")
    until(lambda: len(children(program.pid)), 1)
    program.send(signal.SIGTERM)
    program.finish(0)

    told = "\n".join(program.err.seen)
    assert "web was ended by SIGTERM" in told
    assert "SIGKILL" not in told


@only_process
@pytest.mark.parametrize(("exitcodes", "level"), [("0", "WARN"), ("0,7", "INFO")])
def test_end_of_a_stop_has_the_level_of_its_code(
    run: Run, tmp_path: Path, exitcodes: str, level: str
) -> None:
    """As in supervisord."""
    script = 'trap "exit 7" TERM; echo up; while :; do sleep 0.1; done'
    web = section("web", command=f"sh -c '{script}'", exitcodes=exitcodes)
    program = supervisord(run, tmp_path, web)
    program.expect("^up$")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert any(line.endswith(f"{level} stopped: web (exit status 7)") for line in program.out.seen)
