"""Event listeners of real programs: their events, their faults, and what these cost the others."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.bench.procfs import work
from tests.harness import Program, Run, children, only_process, until, wait_until
from tests.process.listeners import listener, names, recorded, recorder, wait_for
from tests.process.services import all_told, section, services, supervisord, written
from tests.process.test_services_footprint import _pass

# The script of many images: the container ends with the first program that is FATAL.
FATAL_SCRIPT = """\
#!/bin/bash
printf 'READY\\n'
while read line; do
    kill -SIGQUIT $PPID
done
"""
REJECTIONS_A_SECOND = 11
MODES = pytest.mark.parametrize("mode", [services, supervisord])


@MODES
def test_events_of_a_short_life(run: Run, tmp_path: Path, mode: Any) -> None:
    file = tmp_path / "events"
    program = mode(
        run,
        tmp_path,
        recorder("watch", file, events="EVENT", buffer_size=100),
        section("db", command=_ends_after(file, "STATE_CHANGE_STOPPING"), startsecs=0),
        section("once", "end=3", startsecs=0, restart="never", essential="false"),
    )
    wait_for(file, "PROCESS_STATE_EXITED", "PROCESS_STATE_RUNNING processname:db")
    program.send(signal.SIGTERM)
    program.finish(0)

    found = [f"{one['eventname']} {one['payload']}" for one in recorded(file)]
    assert [
        "PROCESS_STATE_STARTING processname:once groupname:once from_state:STOPPED tries:0",
        "PROCESS_STATE_RUNNING processname:once groupname:once from_state:STARTING pid:N",
        "PROCESS_STATE_EXITED processname:once groupname:once from_state:RUNNING expected:0 pid:N",
    ] == [re.sub(r"pid:\d+", "pid:N", one) for one in found if "processname:once" in one]
    assert "SUPERVISOR_STATE_CHANGE_RUNNING " in found
    assert "SUPERVISOR_STATE_CHANGE_STOPPING " in found
    assert {"0"} == {one["serial"] for one in recorded(file)[:1]}


def _ends_after(file: Path, event: str) -> str:
    """A program that is stopped, and with it the listener, once an event is in a file."""
    seen = f"until grep -q {event} {file}; do sleep 0.1; done; exit 0"
    return f"sh -c \"trap '{seen}' TERM; while :; do sleep 0.1; done\""


@MODES
def test_a_script_ends_the_container(run: Run, tmp_path: Path, mode: Any) -> None:
    """By `kill -SIGQUIT $PPID` at the first FATAL program."""
    script = tmp_path / "end.sh"
    script.write_text(FATAL_SCRIPT)
    script.chmod(0o755)
    program = mode(
        run,
        tmp_path,
        listener("end", str(script), events="PROCESS_STATE_FATAL"),
        section("db", "wait", startsecs=0),
        section("bad", command="/nosuch", startretries=0, essential="false"),
    )
    program.finish(0)


@MODES
def test_a_rejected_event_comes_again(run: Run, tmp_path: Path, mode: Any) -> None:
    file = tmp_path / "events"
    watch = recorder("watch", file, "FAIL", "FAIL", events="PROCESS_STATE_RUNNING")
    program = mode(run, tmp_path, watch, section("db", "wait", startsecs=0))
    found = wait_for(file, "processname:db", "processname:watch")
    program.send(signal.SIGTERM)
    program.finish(0)

    serials = [one["serial"] for one in found]
    assert [serials[0]] * 3 == serials[:3]
    assert 4 == len(found)


def test_a_listener_that_rejects_all_does_not_spin(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "events"
    watch = recorder("watch", file, *["FAIL"] * 10_000, events="PROCESS_STATE_RUNNING")
    began = time.monotonic()
    program = services(run, tmp_path, watch, section("db", "wait", startsecs=0))

    def several() -> None:
        assert len(recorded(file)) >= 5

    wait_until(several)
    most = 1 + (time.monotonic() - began) * REJECTIONS_A_SECOND
    assert len(recorded(file)) <= most
    program.send(signal.SIGTERM)
    program.finish(0)


@MODES
def test_an_event_outlives_its_listener(run: Run, tmp_path: Path, mode: Any) -> None:
    """A listener that dies in the middle of its answer gets the event again after its restart."""
    file = tmp_path / "heads"
    script = f"printf 'READY\\n'; read -r head; echo $head >> {file}; printf 'RESULT 2\\nO'"
    watch = listener("watch", _shell(script), autorestart="true", events="PROCESS_STATE_RUNNING")
    program = mode(run, tmp_path, watch, section("db", "wait", startsecs=0))

    def twice() -> None:
        heads = file.read_text().splitlines() if file.exists() else []
        assert len(heads) >= 2
        assert heads[0] == heads[1]

    wait_until(twice)
    program.send(signal.SIGTERM)
    program.finish(0)


def _shell(script: str) -> str:
    """The command of a script; a percent sign begins an expansion in the file."""
    quoted = script.replace("%", "%%").replace('"', '\\"')
    return f'bash -c "{quoted}"'


@MODES
@pytest.mark.parametrize(
    "script",
    [
        "echo hello; exec sleep 1000",
        "printf 'READY\\n'; yes hello",
        "printf 'READY\\n'; read -r head; echo RESULT many; exec sleep 1000",
    ],
    ids=["no-token", "flood", "bad-result"],
)
def test_a_broken_listener_is_told_once(run: Run, tmp_path: Path, script: str, mode: Any) -> None:
    """All others go on, with their events."""
    file = tmp_path / "events"
    program = mode(
        run,
        tmp_path,
        listener("broken", _shell(script)),
        recorder("watch", file),
        section("db", "wait", startsecs=0),
        section("bad", command="/nosuch", startretries=0, essential="false"),
    )
    wait_for(file, "PROCESS_STATE_FATAL processname:bad")
    all_told(program.out.seen, "db up")
    lines = program.err.seen if mode is services else program.out.seen
    word = "cannot send events to broken" if mode is services else "broken: has entered the UNKNOWN"

    def told() -> None:
        assert 1 == sum(word in line for line in lines), lines

    wait_until(told)
    program.send(signal.SIGTERM)
    program.finish(0)

    assert 1 == sum(word in line for line in lines), lines
    assert "db down" in program.out.seen


def test_a_listener_that_does_not_answer(run: Run, tmp_path: Path) -> None:
    """Its pool drops the oldest events, which is told once with our defaults."""
    numbered = {"process_name": "bad-%(process_num)s", "essential": "false"}
    program = services(
        run,
        tmp_path,
        listener(
            "deaf",
            _shell("printf 'READY\\n'; exec sleep 1000"),
            events="PROCESS_STATE_FATAL",
            buffer_size=1,
        ),
        section("db", "wait", startsecs=0),
        section("bad", command="/nosuch", numprocs=4, startretries=1, **numbered),
    )
    program.err.expect("cannot keep events for deaf: 1 wait already, the oldest are dropped")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert 1 == sum("cannot keep events" in line for line in program.err.seen)


def test_a_listener_without_input(run: Run, tmp_path: Path) -> None:
    """It closed its standard input: the others get their events."""
    file = tmp_path / "events"
    shut = _shell("exec 0<&-; printf 'READY\\n'; exec sleep 1000")
    program = services(
        run, tmp_path, listener("shut", shut), recorder("watch", file), section("db", "wait")
    )
    wait_for(file, "processname:db")
    program.err.expect("cannot send events to shut: its standard input is closed or full")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_ticks_come_in_time(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "events"
    program = services(
        run, tmp_path, recorder("watch", file, events="TICK_5"), section("db", "wait")
    )
    tick = wait_for(file, "TICK_5")[0]
    program.send(signal.SIGTERM)
    program.finish(0)

    assert 0 == int(tick["payload"].removeprefix("when:")) % 5


def test_listeners_start_first_and_stop_last(run: Run, tmp_path: Path) -> None:
    program = supervisord(
        run,
        tmp_path,
        section("db", "wait", startsecs=0),
        recorder("watch", tmp_path / "events"),
    )
    all_told(program.out.seen, "db up")
    wait_for(tmp_path / "events", "PROCESS_STATE_RUNNING processname:db")
    spawned = re.findall(r"spawned: '(\w+)' with pid (\d+)", "\n".join(program.out.seen))
    assert ["watch", "db"] == [name for name, _ in sorted(spawned, key=lambda one: int(one[1]))]
    program.send(signal.SIGTERM)
    program.expect("stopped: db")
    program.expect("stopped: watch")
    program.finish(0)


def test_listeners_outlive_a_restart_of_all(run: Run, tmp_path: Path) -> None:
    """HUP under supervisord: the pools begin afresh, the serials go on, as there."""
    file = tmp_path / "events"
    watch = recorder("watch", file, events="SUPERVISOR_STATE_CHANGE, PROCESS_GROUP_ADDED")
    program = supervisord(run, tmp_path, watch, section("db", "wait", startsecs=0))
    wait_for(file, "SUPERVISOR_STATE_CHANGE_RUNNING")
    written(tmp_path, ["[supervisord]\n", watch, section("web", "wait", startsecs=0)])
    program.send(signal.SIGHUP)
    wait_for(file, "groupname:web")
    until(lambda: names(file).count("SUPERVISOR_STATE_CHANGE_RUNNING"), 2)
    program.send(signal.SIGTERM)
    program.finish(0)

    serials = [int(one["serial"]) for one in recorded(file)]
    assert sorted(set(serials)) == serials


@only_process
def test_listeners_cost_a_thread_and_no_wake_ups(run: Run, tmp_path: Path) -> None:
    """The mode is of no matter."""
    file = tmp_path / "events"
    program = services(run, tmp_path, recorder("watch", file), section("db", "wait", startsecs=0))
    wait_for(file, "PROCESS_STATE_RUNNING processname:db")

    def at_rest() -> None:
        before = _switches(program)
        _pass(program, 2)
        assert before == _switches(program)

    wait_until(at_rest)
    assert 2 == len(children(program.pid))
    os.kill(program.pid, signal.SIGTERM)
    program.finish(0)


def _switches(program: Program) -> int:
    return work([program.pid]).switches


@MODES
def test_busy_listener_has_the_last_events(run: Run, tmp_path: Path, mode: Any) -> None:
    """It takes time for each event; its stop comes behind those of all others."""
    file = tmp_path / "events"
    slow = recorder("watch", file, events="PROCESS_STATE_STOPPED", environment='RECORD_PAUSE="0.1"')
    programs = [section(name, "wait", startsecs=0) for name in ("one", "two", "three")]
    program = mode(run, tmp_path, slow, *programs)
    all_told(program.out.seen, "one up", "two up", "three up")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert ["one", "three", "two"] == sorted(
        re.findall(r"processname:(\w+)", " ".join(one["payload"] for one in recorded(file)))
    )


@MODES
def test_listener_that_never_answers_delays_no_stop(run: Run, tmp_path: Path, mode: Any) -> None:
    file = tmp_path / "events"
    mute = listener(
        "mute",
        f"sh -c 'echo READY; touch {file}; exec sleep 60'",
        events="PROCESS_STATE_STOPPED",
        startsecs=0,
    )
    program = mode(run, tmp_path, mute, section("one", "wait", startsecs=0))
    all_told(program.out.seen, "one up")
    until(file.exists, expected=True)
    began = time.monotonic()
    program.send(signal.SIGTERM)
    program.finish(0)

    assert time.monotonic() - began < 5
