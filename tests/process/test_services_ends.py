"""Ends of services where people look: the file of a kubelet, and those for lack of memory."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path

import pytest

from config_supervisor.runtime import termination_message
from tests.harness import Run, only_process, until
from tests.http import get, metric, port_of
from tests.memory_group import MemoryGroup
from tests.process.services import all_told, section, services, written

# It begins once the file of its argument is there.
EATS = 'until test -e "$0"; do sleep 0.01; done; exec "$1" -c "bytearray(1 << 30)"'
LONG = 30  # seconds: the kernel looks for memory before it kills


@pytest.fixture
def message(tmp_path: Path) -> Path:
    """An empty file, as from a kubelet."""
    path = tmp_path / "termination-log"
    path.touch()
    return path


def environment(message: Path) -> dict[str, str]:
    return {termination_message.VARIABLE: str(message)}


def test_an_end_by_policy_is_explained(run: Run, tmp_path: Path, message: Path) -> None:
    program = services(
        run,
        tmp_path,
        section("web", "wait", startsecs=0),
        section("bad", "end=3", startretries=1),
        env=environment(message),
    )
    program.finish(3)

    expected = "bad is down for good: exit status 3, after 2 starts; exit code 3"
    assert message.read_text().startswith(expected)


def test_the_last_lines_stand_in_the_message(run: Run, tmp_path: Path, message: Path) -> None:
    """Whole characters, within the bytes that a kubelet reads."""
    script = "import sys\nfor n in range(900): print(chr(233) * 10, n)\nsys.exit(3)"
    command = shlex.join([sys.executable, write(tmp_path, script)])
    program = services(
        run,
        tmp_path,
        section("bad", command=command, startretries=0, stdout_logfile="AUTO"),
        env=environment(message),
    )
    program.finish(3)
    lines = message.read_text(encoding="utf-8").splitlines()

    assert "bad is down for good: exit status 3, after 1 start; exit code 3" == lines[0]
    assert "\u00e9" * 10 + " 899" == lines[-1]
    assert message.stat().st_size <= termination_message.LIMIT


def write(place: Path, script: str) -> str:
    path = place / "script.py"
    path.write_text(script)
    return str(path)


def test_an_ordered_stop_leaves_the_file(run: Run, tmp_path: Path, message: Path) -> None:
    program = services(run, tmp_path, section("web", "wait", startsecs=0), env=environment(message))
    program.expect("web up")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert "" == message.read_text()


def test_a_refused_file_is_explained(run: Run, tmp_path: Path, message: Path) -> None:
    program = services(run, tmp_path, "[program:x]\n", env=environment(message))
    program.finish(2)

    assert "[program:x] command: it is missing" in message.read_text()


@only_process
def test_events_need_a_pod(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path, [section("web", "wait")])
    program = run(options=["--events", "--services", file], env={"POD_NAME": ""})
    program.finish(125)

    assert "--events needs POD_NAME" in program.story()


@only_process
def test_lack_of_memory_is_told_from_a_kill(
    memory_group: MemoryGroup, run: Run, tmp_path: Path
) -> None:
    """A person kills a service, and the kernel another later: of two ends at once, the counter
    does not tell which was the kernel's.
    """
    hunger = tmp_path / "hunger"
    hungry = shlex.join(["sh", "-c", EATS, str(hunger), sys.executable])
    file = written(
        tmp_path,
        [
            section("web", "wait", startsecs=0),
            section("hungry", command=hungry, essential="false", startretries=0),
            section("killed", "die", essential="false", startretries=0),
        ],
    )
    program = run(options=["--listen=127.0.0.1:0", "--services", file], prefix=memory_group.enter)
    port = port_of(program)
    all_told(program.err.seen, "killed is given up: 1 failure")
    hunger.touch()
    told = "the kernel killed hungry: out of memory; give the container more memory"
    until(lambda: any(told in line for line in program.err.seen), True, timeout=LONG)

    until(lambda: metric(port, "service_oom_kills_total", service="hungry"), expected=1.0)
    assert 0.0 == metric(port, "service_oom_kills_total", service="killed")
    assert "hungry: FATAL: terminated by SIGKILL" in get(port, "/readyz")[1]
    assert not any("killed killed" in line for line in program.err.seen)
    program.send(signal.SIGTERM)
    program.finish(0)
