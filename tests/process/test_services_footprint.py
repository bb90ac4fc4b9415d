"""The costs of several services do not grow unseen: modules, threads, descriptors, wake-ups."""

from __future__ import annotations

import os
import re
import select
import signal
from pathlib import Path

import pytest

from tests.bench.procfs import work
from tests.harness import Program, Run, app, only_process, wait_until
from tests.installed import Installed
from tests.process.services import all_told, section, services, supervisord, written
from tests.process.test_footprint import ROOT

NAMES = ("db", "web", "worker")
# Each is milliseconds and hundreds of kilobytes; none serves a role without sockets and checks.
TOO_MUCH = re.compile(
    r"(asyncio|dataclasses|email|hashlib|http|inspect|json|logging|pathlib|queue|random|selectors"
    r"|signal|socket|ssl|subprocess|tempfile|threading|typing|urllib|xmlrpc)\b"
    r"|config_supervisor\.(control|fleet|http_server|reload|sources|store)\b"
)
MOST_LIBRARY = 50  # modules of the standard library, with Python 3.11
THREADS = 2  # main thread and log
# Standard streams, the directory of our start, the reserve, and the input of each service.
FILES = 3 + 1 + 4 + len(NAMES)


@only_process
def test_a_start_imports_little(run: Run, tmp_path: Path) -> None:
    """Before the first service; the mode is of no matter."""
    file = written(tmp_path, [section("web", "wait")])
    program = run.directly(*app("tell_modules.py", ROOT), "--services", file)
    modules = program.err.expect("^imported before (.*)")[1].split()
    foreign = [name for name in modules if not name.startswith("config_supervisor")]

    assert [] == [name for name in modules if TOO_MUCH.match(name)]
    assert len(foreign) <= MOST_LIBRARY, foreign
    assert "config_supervisor.services.supervisord_lines" not in modules
    assert [] == [name for name in modules if re.search(r"\.(listener_|event_(?!names))", name)]
    program.send(signal.SIGTERM)
    program.finish(0)


@pytest.mark.parametrize("mode", [services, supervisord])
def test_threads_descriptors_and_wake_ups_at_rest(run: Run, tmp_path: Path, mode: object) -> None:
    assert callable(mode)
    program = mode(run, tmp_path, *(section(name, "wait") for name in NAMES))
    all_told(program.out.seen, *(f"{name} up" for name in NAMES))
    # supervisord's log file is one more.
    files = FILES + (mode is supervisord)

    def at_rest() -> None:
        before = _work(program)
        assert (THREADS, files) == (len(_listed(program, "task")), len(_listed(program, "fd")))
        _pass(program, 3)
        assert before == _work(program)

    wait_until(at_rest)
    program.send(signal.SIGTERM)
    program.finish(0)


@only_process
def test_a_control_socket_costs_little_at_rest(run: Run, tmp_path: Path) -> None:
    """A thread that sleeps, a descriptor, and the modules that list the places."""
    file = written(tmp_path, [section(name, "wait") for name in NAMES])
    chosen = {"CONFIG_SUPERVISOR_CONTROL": f"{tmp_path}/c.sock"}
    program = run.directly(*app("tell_modules.py", ROOT), "--services", file, env=chosen)
    modules = program.err.expect("^imported before (.*)")[1].split()
    more = {name for name in modules if TOO_MUCH.match(name)}
    assert {"config_supervisor.control", "config_supervisor.control.socket_path"} == more
    all_told(program.out.seen, *(f"{name} up" for name in NAMES))

    def at_rest() -> None:
        before = _work(program)
        assert (THREADS + 1) == len(_listed(program, "task"))
        _pass(program, 3)
        assert before == _work(program)

    wait_until(at_rest)
    program.send(signal.SIGTERM)
    program.finish(0)


def _listed(program: Program, name: str) -> list[str]:
    return os.listdir(f"/proc/{program.pid}/{name}")


def _work(program: Program) -> int:
    """Context switches of all threads."""
    return work([program.pid]).switches


def _pass(program: Program, seconds: float) -> None:
    """Let time pass; the program must live on."""
    end = os.pidfd_open(program.pid)
    try:
        assert [] == select.select([end], [], [], seconds)[0]
    finally:
        os.close(end)


def test_a_start_reads_one_file_of_code_objects(tmp_path: Path) -> None:
    """As an image has it; the modules that another role has in its file are few."""
    installed = Installed(tmp_path / "home")
    installed.compile("--unchecked")
    file = written(tmp_path, [section("once", command="true", oneshot="true")])
    command = [installed.command()[0], "--services", file, f"--control={tmp_path}/c.sock"]
    opened = installed.opened(command, tmp_path)

    assert "start/services.code" in opened
    single = {Path(path).name.partition(".")[0] for path in opened if path.endswith(".pyc")}
    elsewhere = {"backoff", "service_journal", "turn_backlog"}
    assert single <= {"__init__", "__main__", "start_code", *elsewhere}
