"""Several services after a failure of the rules, and of a single deed: they run on."""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from tests.harness import APPS, Program, Run, children, until
from tests.process.services import all_told, section, supervisord, written

LONGEST = 3  # seconds to stop
STANDARD = 3  # descriptors: none is left beside the standard streams


def start(run: Run, broken: str, place: Path, *sections: str) -> Program:
    """The program with rules that fail for a type of event."""
    file = written(place, sections)
    program = run.directly(sys.executable, f"{APPS}/break_rules.py", broken, "--services", file)
    all_told(program.out.seen, "db up", "web up")
    return program


def test_each_service_has_its_own_time_without_rules(run: Run, tmp_path: Path) -> None:
    """A service that ignores its stop does not have the time of the slowest."""
    program = start(
        run,
        "SignalReceived",
        tmp_path,
        section("db", "last=2", "wait", startsecs=0, stopwaitsecs=20),
        section("web", "wait", startsecs=0),
        section("deaf", "ignore", "sleep=1000", startsecs=0, stopwaitsecs=0),
    )
    all_told(program.out.seen, "deaf ignores")
    deaf = next(pid for pid in children(program.pid) if b"\0deaf\0" in _words(pid))
    program.send(signal.SIGTERM)
    until(lambda: deaf in children(program.pid), expected=False)
    assert "db down" not in program.out.seen
    program.finish(0)

    assert "db down" in program.out.seen


@pytest.mark.parametrize("broken", ["SignalReceived", "Event"])
def test_a_stop_reaches_all_without_rules(run: Run, tmp_path: Path, broken: str) -> None:
    """A service that ignores it is killed in its time."""
    program = start(
        run,
        broken,
        tmp_path,
        section("db", "wait", startsecs=0, stopwaitsecs=LONGEST),
        section("web", "wait", startsecs=0, stopwaitsecs=LONGEST),
        section("deaf", "ignore", "sleep=1000", startsecs=0, stopwaitsecs=1),
    )
    all_told(program.out.seen, "deaf ignores")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert {"db down", "web down"} <= set(program.out.seen)
    program.err.expect("cannot handle .*ArithmeticError.*all else goes on")


def test_the_end_of_an_essential_service_ends_all_without_rules(run: Run, tmp_path: Path) -> None:
    program = start(
        run,
        "Exited",
        tmp_path,
        section("db", "wait", startsecs=0),
        section("web", "sleep=0.5", "end=7", startsecs=0),
    )
    program.finish(7)

    assert "db down" == program.out.seen[-1]


def test_a_start_without_descriptors_is_tried_again(run: Run, tmp_path: Path) -> None:
    """The limit is lowered while it runs: a start fails, the other service lives on."""
    program = supervisord(
        run,
        tmp_path,
        section("db", "wait", startsecs=0),
        section("web", "wait", startsecs=0),
    )
    all_told(program.out.seen, "db up", "web up")
    _, most = before = resource.prlimit(program.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (STANDARD, most))
    web = next(pid for pid in children(program.pid) if b"\0web\0" in _words(pid))
    os.kill(web, signal.SIGKILL)
    program.expect("spawnerr: .*: too many open files")
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, before)
    program.expect("web up")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert {"db down", "web down"} <= set(program.out.seen)


def _words(pid: int) -> bytes:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
