"""The exit code of the container, and the restarts before it: each rule on real processes."""

from __future__ import annotations

import os
import re
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from config_supervisor.core.errors import BY_SIGNAL, NOT_EXECUTABLE, NOT_FOUND
from tests.harness import Program, Run, children, only_process, status, until, wait_until
from tests.process.services import section, services, supervisord

STARTS = 10_000
MARGIN = 1024  # KiB


@pytest.mark.parametrize(
    ("deeds", "keys", "code"),
    [
        (["end=7"], {"restart": "never"}, 7),
        (["end=0"], {"restart": "never"}, 0),
        (["end=0"], {"oneshot": "true", "startretries": 0}, 0),
        (["end=3"], {"oneshot": "true", "startretries": 0}, 3),
        (["end=0"], {"startsecs": 1, "startretries": 0}, 1),  # a failed start is no success
        (["end=7"], {"startretries": 1}, 7),
        (["die"], {"startretries": 0}, BY_SIGNAL + signal.SIGKILL),
        ([], {"command": "/nowhere/program", "startretries": 0}, NOT_FOUND),
        ([], {"command": "/etc/passwd", "startretries": 0}, NOT_EXECUTABLE),
    ],
)
def test_an_essential_service_ends_the_container(
    run: Run, tmp_path: Path, deeds: list[str], keys: dict[str, object], code: int
) -> None:
    """With its own code, once it is down for good."""
    defaults = {"startsecs": 0}
    program = services(run, tmp_path, section("web", *deeds, **{**defaults, **keys}))
    program.finish(code)


@only_process
def test_a_service_that_is_not_essential_ends_nothing(run: Run, tmp_path: Path) -> None:
    """The stop that is ordered afterwards ends with 0, or with the code of the main service."""
    lost = section("lost", "end=7", essential="false", restart="never", startsecs=0)
    program = services(run, tmp_path, lost, section("web", "wait", startsecs=0))
    program.err.expect("lost ended with code 7")
    program.send(signal.SIGTERM)
    program.finish(0)

    main = section("web", "wait", "end=9", main="true", startsecs=0)
    program = services(run, tmp_path, lost, main)
    program.expect("web up")
    program.send(signal.SIGTERM)
    program.finish(9)


@only_process
def test_supervisord_ends_by_an_essential_service_only(run: Run, tmp_path: Path) -> None:
    """A key, or CONFIG_SUPERVISOR_ESSENTIAL for all; else it runs on, and ends with 0."""
    web = {"autorestart": "false", "startsecs": 0}
    program = supervisord(run, tmp_path, section("web", "end=7", **web))
    program.expect("exited: web")
    program.send(signal.SIGTERM)
    program.finish(0)

    program = supervisord(run, tmp_path, section("web", "end=7", essential="true", **web))
    program.finish(7)

    every = {"CONFIG_SUPERVISOR_ESSENTIAL": "true"}
    program = supervisord(run, tmp_path, section("web", "end=7", **web), env=every)
    program.finish(7)


@only_process
def test_pauses_double_after_running_too(run: Run, tmp_path: Path) -> None:
    """With jitter, from three quarters to five quarters; then the service is given up, once."""
    keys = {"startsecs": 0, "startretries": 3, "restart": "always"}
    program = services(run, tmp_path, section("web", "end=7", **keys))
    pauses = [
        float(program.err.expect(r"web ended with code 7; starting it again in ([\d.]+)s")[1])
        for _ in range(3)
    ]
    program.finish(7, timeout=15)

    for pause, later in pairwise(pauses):
        assert 1.5 < later / pause < 2.5, pauses
    assert 1 == sum("web is given up" in line for line in program.err.seen)


@pytest.mark.endurance
@pytest.mark.timeout(900)
@only_process
def test_ten_thousand_restarts_leave_nothing(run: Run, tmp_path: Path) -> None:
    """Of 100 services that crash about once a second: descriptors, threads, memory."""
    names = [f"web-{number}" for number in range(100)]
    keys = {"startsecs": 0, "restart": "always", "startretries": STARTS}
    crashing = [section(name, command="sh -c 'exit 1'", **keys) for name in names]
    program = supervisord(run, tmp_path, *crashing, section("db", "wait", startsecs=0))
    _ends(program, STARTS // 10)
    before = _held(program)
    _ends(program, STARTS)

    def no_more() -> None:
        files, threads, memory = _held(program)
        assert (files, threads) <= before[:2]
        assert memory < before[2] + MARGIN

    wait_until(no_more)
    program.send(signal.SIGTERM)
    program.finish(0)


def _ends(program: Program, times: int) -> None:
    for _ in range(times):
        program.expect("exited: web-")


def _held(program: Program) -> tuple[int, int, int]:
    """Descriptors and threads while one service runs, and KiB of anonymous memory."""
    until(lambda: len(children(program.pid)), 1)
    memory = re.match(r"\d+", status(program.pid)["RssAnon"])
    assert memory is not None
    folder = f"/proc/{program.pid}"
    return len(os.listdir(f"{folder}/fd")), len(os.listdir(f"{folder}/task")), int(memory[0])
