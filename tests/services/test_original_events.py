"""The events that listeners get: from supervisord 4.3 and from us, for the same programs."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from config_supervisor.services import event_capture
from tests.harness import PROGRAM, app, wait_until
from tests.services.oracle import environment
from tests.services.sides import end

Event = tuple[str, str]  # header, payload

EVENTS = "PROCESS_STATE, PROCESS_GROUP, SUPERVISOR_STATE_CHANGE, PROCESS_LOG, PROCESS_COMMUNICATION"
BEGIN, END = event_capture.BEGIN.decode(), event_capture.END.decode()
# The last program takes a second to end: else the original loses events of the stop under load.
CONFIGURATION = f"""\
[supervisord]
nodaemon = true
logfile = %(here)s/log
pidfile = %(here)s/pid
identifier = box
[eventlistener:watch]
command = {{listener}}
events = {EVENTS}
buffer_size = 200
[program:steady]
command = sleep 100
priority = 7
[program:quick]
command = sh -c "exit 3"
startsecs = 5
startretries = 1
priority = 2
[program:missing]
command = /nosuch/program
startretries = 1
priority = 3
[program:once]
command = sleep 1.5
startsecs = 0
autorestart = false
priority = 4
[program:lived]
command = sh -c "sleep 1.5; exit 5"
autorestart = false
priority = 5
[program:killed]
command = sh -c "sleep 1.5; kill -9 $$"
autorestart = false
priority = 6
[program:again]
command = sh -c "sleep 1.5; exit 0"
autorestart = true
priority = 9
[program:talker]
command = sh -c "echo hello; echo wörld >&2; exec sleep 100"
stdout_events_enabled = true
stderr_events_enabled = true
priority = 8
[program:captured]
command = sh -c "echo '{BEGIN}hello{END}rest of a line'; exec sleep 100"
stdout_capture_maxbytes = 1MB
priority = 8
[program:last]
command = bash -c "trap 'sleep 1; exit' TERM; while :; do sleep 0.1; done"
priority = 1
[program:many]
command = sleep 100
process_name = %(program_name)s-%(process_num)s
numprocs = 2
priority = 8
"""
QUIET = (
    "steady",
    "quick",
    "missing",
    "once",
    "lived",
    "killed",
    "many-0",
    "many-1",
    "talker",
    "captured",
)


def recorded(place: Path, start: Callable[[Path], list[str]], configuration: str) -> list[Event]:
    """The events until all programs have settled, and of a stop."""
    file = place / "events"
    config = place / "supervisord.conf"
    listener = " ".join(app("record_events.py", file))
    config.write_text(configuration.replace("{listener}", listener))
    log = (place / "output").open("wb")
    running = subprocess.Popen(start(config), cwd=place, stdout=log, stderr=log)

    def settled() -> None:
        text = file.read_text() if file.exists() else ""
        assert text.count("PROCESS_STATE_FATAL") >= 2, (place / "output").read_text()
        for name in ("once", "lived", "killed"):
            assert f"processname:{name} groupname:{name} from_state:RUNNING" in text
        for name in ("steady", "many-0", "many-1"):
            assert text.count(f"processname:{name} ") == 2
        assert text.count("processname:captured ") == 3
        assert text.count("processname:talker ") == 4

    try:
        wait_until(settled, timeout=20)
    finally:
        end(running)
        log.close()
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()]


def plain(event: Event) -> Event:
    """An event without numbers that differ from run to run."""
    head, payload = event
    payload = re.sub(r"pid:[1-9]\d*", "pid:N", payload)
    return re.sub(r"serial:\d+|len:\d+", "", head), payload


def about(events: list[Event], name: str) -> list[Event]:
    """The events of a program: the states in order, and then the others."""
    found = [plain(one) for one in events if f"processname:{name} " in one[1]]
    states = [one for one in found if "PROCESS_STATE" in one[0]]
    return states + sorted(one for one in found if one not in states)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], list[Event]]:
    """The events of the original, and ours."""
    python = environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
    theirs = recorded(
        tmp_path_factory.mktemp("original"),
        lambda config: [str(python), "-m", "supervisor.supervisord", "-c", str(config)],
        CONFIGURATION,
    )
    place = tmp_path_factory.mktemp("ours")
    link = place / "supervisord"
    link.symlink_to(PROGRAM[0])
    ours = recorded(place, lambda config: [str(link), "-n", "-c", str(config)], CONFIGURATION)
    return theirs, ours


@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", QUIET)
def test_events_of_a_program(both: tuple[list[Event], list[Event]], name: str) -> None:
    theirs, ours = both

    assert about(theirs, name)
    assert about(theirs, name) == about(ours, name)


@pytest.mark.timeout(90)
def test_events_of_groups_and_of_all(both: tuple[list[Event], list[Event]]) -> None:
    theirs, ours = (
        [plain(one) for one in events if "processname:" not in one[1]] for events in both
    )

    assert len(theirs) > 10
    assert theirs == ours


@pytest.mark.timeout(90)
def test_serials_and_lengths(both: tuple[list[Event], list[Event]]) -> None:
    """They count from 0, for all pools and for each."""
    for events in both:
        numbers = [re.findall(r"serial:(\d+)", head) for head, _ in events]
        assert [[str(at), str(at)] for at in range(len(events))] == numbers
        assert all(f" len:{len(payload)}\n" in head for head, payload in events)
