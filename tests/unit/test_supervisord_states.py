"""Services as supervisord shows them: states, fields, descriptions, and the lines of its log."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.errors import IS_DIRECTORY, NO_INTERPRETER
from config_supervisor.services.conductor_state import Member
from config_supervisor.services.plan import Pace, Readiness, Restart, Retries
from config_supervisor.services.service_orders import Verb
from config_supervisor.services.supervisord_states import (
    CODES,
    Shown,
    State,
    passed,
    shown,
    start_error,
    state_of,
    supervisor_state,
)
from tests.unit.ensemble import HUP, KILL, TERM, Ensemble, service

EPOCH = 1_800_000_000.0
SETTLED = "process has stayed up for > than 1 seconds (startsecs)"


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def show(world: Ensemble, name: str = "a") -> Shown:
    return shown(world.state, name, world.now, EPOCH + world.now)


def local(seconds: float) -> str:
    return time.strftime("%b %d %I:%M %p", time.localtime(EPOCH + seconds))


# --- states ---------------------------------------------------------------------------------------


def test_states_have_the_codes_of_supervisord() -> None:
    assert [0, 10, 20, 30, 40, 100, 200, 1000] == [CODES[state] for state in State]


def test_service_passes_through_the_states_of_supervisord() -> None:
    world = Ensemble(service("a", autostart=False), compatible=True).begin()
    assert ("STOPPED", "Not started") == (show(world).statename, show(world).description)

    world.order(Verb.START, "a")
    assert ("STARTING", "") == (show(world).statename, show(world).description)
    world.wait(14)
    assert ("RUNNING", "pid 10, uptime 0:00:14") == (show(world).statename, show(world).description)
    world.processes["a"].deaf = True
    world.order(Verb.STOP, "a")
    assert ("STOPPING", "") == (show(world).statename, show(world).description)
    world.exit("a", 0)
    assert ("STOPPED", local(14)) == (show(world).statename, show(world).description)


def test_fields_of_a_service_that_runs() -> None:
    world = Ensemble(service("a", group="g"), compatible=True)
    world.now = 5.0
    world.begin()
    world.wait(3)

    assert Shown(
        name="a",
        group="g",
        start=int(EPOCH) + 5,
        stop=0,
        now=int(EPOCH) + 8,
        state=20,
        statename=State.RUNNING,
        spawnerr="",
        exitstatus=0,
        pid=10,
        description="pid 10, uptime 0:00:03",
    ) == show(world, "g:a")


def test_failed_start_shows_its_error() -> None:
    world = Ensemble(service("a", retries=Retries(1)), compatible=True).begin()
    world.exit("a", 3)
    error = "Exited too quickly (process log may have details)"
    assert ("BACKOFF", error) == (show(world).statename, show(world).description)

    world.wait(1)
    world.exit("a", 3)
    assert ("FATAL", error, error) == (
        show(world).statename,
        show(world).description,
        show(world).spawnerr,
    )


@pytest.mark.parametrize(
    ("code", "signum", "status", "error"),
    [(0, 0, 0, ""), (5, 0, 5, "Bad exit code 5"), (0, KILL, -1, "Bad exit code -1")],
)
def test_end_by_itself_shows_its_code(code: int, signum: int, status: int, error: str) -> None:
    world = Ensemble(service("a", restart=Restart.NEVER), compatible=True).begin()
    world.wait(2)
    world.exit("a", code, signum)

    of_it = show(world)
    assert (State.EXITED, status, error, 0) == (
        of_it.statename,
        of_it.exitstatus,
        of_it.spawnerr,
        of_it.pid,
    )
    assert local(2) == of_it.description


def test_waiting_service_says_for_what() -> None:
    world = Ensemble(
        service("db", readiness=Readiness("tcp:1")), service("web", depends_on=["db"])
    ).begin()

    assert ("STARTING", "not ready yet") == (
        show(world, "db").statename,
        show(world, "db").description,
    )
    assert ("STARTING", "waiting for db") == (
        show(world, "web").statename,
        show(world, "web").description,
    )


def test_pause_after_running_says_when_it_ends() -> None:
    retries = Retries(9, Pace.EXPONENTIAL, 600.0)
    crash = service("a", startsecs=0, restart=Restart.ALWAYS, retries=retries)
    world = Ensemble(crash, service("b")).begin()
    for pause in (0.5, 1, 2):
        world.exit("a", 3)
        world.wait(pause)
    world.exit("a", 3)

    assert State.BACKOFF is show(world).statename
    assert "exit status 3; starting again in 4s" == show(world).description


def test_service_without_a_cause_to_start_shows_the_reason() -> None:
    world = Ensemble(
        service("db", retries=Retries(0)), service("web", depends_on=["db"]), compatible=True
    ).begin()
    world.exit("db", 3)

    assert "depends on db, which is FATAL" == show(world, "web").description


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59, "0:00:59"), (3661, "1:01:01"), (93784, "1 day, 2:03:04"), (172801, "2 days, 0:00:01")],
)
def test_uptime_reads_as_in_supervisord(seconds: int, text: str) -> None:
    world = Ensemble(service("a"), compatible=True).begin()
    world.wait(2)
    world.wait(seconds - 2)

    assert f"pid 10, uptime {text}" == show(world).description


@pytest.mark.parametrize(
    ("before", "after", "states"),
    [
        (State.STARTING, State.FATAL, (State.BACKOFF, State.FATAL)),
        (State.RUNNING, State.STARTING, (State.EXITED, State.STARTING)),
        (State.STOPPING, State.STARTING, (State.STOPPED, State.STARTING)),
        (State.STARTING, State.RUNNING, (State.RUNNING,)),
        (State.RUNNING, State.RUNNING, ()),
    ],
)
def test_states_between_are_told_too(
    before: State, after: State, states: tuple[State, ...]
) -> None:
    assert states == passed(before, after)


def test_supervisor_has_a_state_of_its_own() -> None:
    world = Ensemble(service("a"), compatible=True).begin()
    assert ("RUNNING", 1) == supervisor_state(world.state)
    world.processes["a"].deaf = True

    world.tell(ev.SignalReceived(HUP))
    assert ("RESTARTING", 0) == supervisor_state(world.state)
    world.tell(ev.SignalReceived(TERM))
    assert ("SHUTDOWN", -1) == supervisor_state(world.state)


def test_pending_start_at_a_shutdown_is_fatal() -> None:
    world = Ensemble(service("a"), compatible=True).begin()
    world.exit("a", 3)
    world.tell(ev.SignalReceived(TERM))

    assert State.FATAL is world.shows("a")


def test_every_member_has_a_state() -> None:
    world = Ensemble(service("a"))
    member: Member = world.state.members["a"]

    assert State.STOPPED is state_of(member)


@pytest.mark.parametrize(
    ("code", "words", "shown"),
    [
        (127, "no such file", "can't find command '/x'"),
        (127, NO_INTERPRETER, f"cannot start /x: {NO_INTERPRETER}"),
        (126, "permission denied", "command at '/x' is not executable"),
        (126, f"permission denied; {IS_DIRECTORY}", "command at '/x' is a directory"),
        (125, "cannot fork", "cannot start /x: cannot fork"),
    ],
)
def test_errors_of_starts_have_the_words_of_supervisord(code: int, words: str, shown: str) -> None:
    """Where these tell the truth: of a missing interpreter the original tells nothing."""
    assert shown == start_error(code, "/x", f"cannot start /x: {words}")


# --- lines ----------------------------------------------------------------------------------------


def test_lines_of_a_start_and_a_stop() -> None:
    world = Ensemble(service("a"), compatible=True).begin()
    world.wait(2)
    world.tell(ev.SignalReceived(TERM))

    assert [
        "INFO spawned: 'a' with pid 10",
        f"INFO success: a entered RUNNING state, {SETTLED}",
        "WARN received SIGTERM indicating exit request",
        "INFO waiting for a to die",
        "WARN stopped: a (terminated by SIGTERM)",
    ] == world.log


def test_lines_of_failed_starts() -> None:
    world = Ensemble(service("a", retries=Retries(1)), compatible=True)
    world.outcomes = ["runs", "missing"]
    world.begin()
    world.exit("a", 3)
    world.wait(1)

    assert [
        "INFO spawned: 'a' with pid 10",
        "WARN exited: a (exit status 3; not expected)",
        "INFO spawnerr: can't find command 'a'",
        "INFO gave up: a entered FATAL state, too many start retries too quickly",
    ] == world.log


@pytest.mark.parametrize(
    ("code", "signum", "line"),
    [
        (0, 0, "INFO exited: a (exit status 0; expected)"),
        (2, 0, "INFO exited: a (exit status 2; expected)"),
        (5, 0, "WARN exited: a (exit status 5; not expected)"),
        (0, KILL, "WARN exited: a (terminated by SIGKILL; not expected)"),
    ],
)
def test_line_of_an_end(code: int, signum: int, line: str) -> None:
    one = service("a", exitcodes=(0, 2), restart=Restart.NEVER)
    world = Ensemble(one, compatible=True).begin()
    world.wait(2)
    world.exit("a", code, signum)

    assert line == world.log[-1]


def test_lines_of_a_stop_that_needs_kill() -> None:
    world = Ensemble(service("a", stopwaitsecs=2), compatible=True).begin()
    world.processes["a"].deaf = True
    world.wait(2)
    world.order(Verb.STOP, "a")
    world.wait(2)

    assert [
        "INFO waiting for a to stop",
        "WARN killing 'a' (10) with SIGKILL",
        "WARN stopped: a (terminated by SIGKILL)",
    ] == world.log[-3:]


def test_lines_of_signals_during_a_shutdown() -> None:
    world = Ensemble(service("a"), compatible=True).begin()
    world.processes["a"].deaf = True
    world.tell(ev.SignalReceived(TERM), ev.SignalReceived(HUP), ev.SignalReceived(TERM))

    assert [
        "WARN received SIGTERM indicating exit request",
        "INFO waiting for a to die",
        "WARN ignored SIGHUP indicating restart request (shutdown in progress)",
        "WARN received SIGTERM indicating exit request",
    ] == world.log[-4:]
