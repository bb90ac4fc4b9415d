"""supervisorctl beside the whole program: status, health and generations."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness import (
    Run,
    only_pid1,
    only_process,
    wait_until,
)
from tests.http import get, port_of
from tests.process.controlled import SUPERVISORCTL, Subject
from tests.servers import free_port


@pytest.fixture
def subject(run: Run, tmp_path: Path) -> Subject:
    return Subject(run, tmp_path)


def ages_left_out(shown: dict[str, Any]) -> dict[str, Any]:
    """A status without the values of the clock, and of a window that may end meanwhile."""
    moving = ("_ago", "_at", "last_outcome", "last_duration_seconds", "good", "marks")

    def still(part: Any) -> Any:
        if isinstance(part, list):
            return [still(entry) for entry in part]
        if isinstance(part, dict):
            return {key: still(one) for key, one in part.items() if not key.endswith(moving)}
        return part

    return {name: still(part) for name, part in shown.items()}


def test_status_is_a_table_or_the_page_of_the_port(subject: Subject) -> None:
    program = subject.running("one")
    shown = subject.done("status")

    code, page = get(port_of(program), "/status")
    told = json.loads(subject.done("status", "--json"))
    for section in (told["config"], told["reloads"]):
        assert section.pop("last_error_output") is None  # for the control socket alone
    assert (200, ages_left_out(told)) == (code, ages_left_out(json.loads(page)))
    digest = told["config"]["running"]
    rows = [line.split() for line in shown.splitlines()]
    assert ["app", "phase", "running"] in rows
    assert ["running", digest[:8]] in rows
    assert ["stale", "no"] in rows
    assert ["versions", digest[:8], "marks:", "newest,", "live,", "running,"] in [
        row[:6] for row in rows
    ]


def test_health_exits_with_0(subject: Subject) -> None:
    subject.running("one")

    assert (0, "ok: running\n", "") == subject.ctl("health")


ASK = ["sh", "-c", f"{SUPERVISORCTL} health; echo code $?"]


@only_pid1
def test_first_process_that_serves_nothing_is_healthy(run: Run) -> None:
    """As PID 1: others are not looked up."""
    program = run(*ASK)
    program.expect("ok: this supervisor serves nothing, and ends with its app")
    program.expect("code 0")


@only_pid1
def test_first_process_started_as_a_module_is_known(run: Run) -> None:
    """Without pip's launcher, which obeys PYTHONHOME."""
    program = run.directly(sys.executable, "-I", "-m", "config_supervisor", "--", *ASK)
    program.expect("ok: this supervisor serves nothing, and ends with its app")


@only_pid1
def test_health_finds_the_port_of_the_first_process(run: Run) -> None:
    """As PID 1: others are not looked up."""
    patient = [
        "sh",
        "-c",
        f"until {SUPERVISORCTL} health; do :; done",
    ]  # the app starts before the server
    run(*patient, options=[f"--listen=127.0.0.1:{free_port()}"]).expect("ok: running")


@only_process
def test_health_fails_without_a_supervisor(run: Run) -> None:
    """The tests' own process 1 is none of ours; one of another test may have the default port."""
    nowhere = f"CONFIG_SUPERVISOR_LISTEN=127.0.0.1:{free_port()}"
    run("env", nowhere, *ASK).expect("code 4")


@only_process
def test_stopped_supervisor_is_not_healthy(subject: Subject) -> None:
    """The same as PID 1, and it takes the five seconds."""
    program = subject.running("one")
    program.send(signal.SIGSTOP)
    code, out, err = subject.ctl("health")
    program.send(signal.SIGCONT)
    assert (1, "") == (code, out)
    assert "supervisorctl: no answer within 5s: the supervisor may be stopped or stuck\n" == err
    assert (0, "ok: running\n", "") == subject.ctl("health")


def test_app_between_starts_is_healthy_but_not_ready(subject: Subject) -> None:
    subject.write("one")
    subject.start("--restart=always", command=["false"])

    def backing_off() -> None:
        assert (0, "ok: backoff\n", "") == subject.ctl("health")
        assert (1, "", "supervisorctl: not ready within 0s: backoff\n") == subject.ctl(
            "wait", "--ready", "--timeout=0"
        )

    wait_until(backing_off)


def test_generations_are_listed_newest_first(subject: Subject) -> None:
    subject.running("one", "two", "three")
    header, *rows = subject.done("generations").splitlines()

    assert ["number", "time", "(UTC)", "digest", "files", "bytes"] == header.split()
    assert [("0", "1", "5"), ("1", "1", "3"), ("2", "1", "3")] == [
        (row.split()[0], *row.split()[4:6]) for row in rows
    ]
    assert [["live,", "running,", "good"], ["good"]] == [row.split()[6:] for row in rows[:2]]
