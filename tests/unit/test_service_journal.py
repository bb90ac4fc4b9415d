"""The log lines of several services in our words: one for each start, end, failure and stop."""

from __future__ import annotations

from config_supervisor.core import events as ev
from config_supervisor.services.plan import Condition, Readiness, Restart, Retries
from tests.unit.ensemble import KILL, TERM, Ensemble, service

# The pause is half a second, with jitter from the middle of the dice.
TWICE = Retries(tries=1)


def test_lines_of_a_start_and_a_stop() -> None:
    world = Ensemble(service("db"), service("web", depends_on=["db"])).begin()
    world.wait(3)
    world.tell(ev.SignalReceived(TERM))

    assert [
        "info: started db (pid 10)",
        "info: started web (pid 11)",
        "info: got SIGTERM: stopping all services",
        "info: web was ended by SIGTERM",
        "info: db was ended by SIGTERM",
    ] == world.journal


def test_lines_of_a_crash_loop() -> None:
    world = Ensemble(service("db"), service("web", retries=TWICE, essential=True)).begin()
    world.exit("web", 3)
    world.wait(1)
    world.exit("web", 0, KILL)

    assert [
        "info: started db (pid 10)",
        "info: started web (pid 11)",
        "warning: web ended with code 3; starting it again in 1.0s",
        "info: started web (pid 12)",
        "warning: web was ended by SIGKILL",
        "error: web is given up: 2 failures in a row",
        "info: web is down for good: stopping all services, exit code 137",
        "info: db was ended by SIGTERM",
    ] == world.journal


def test_line_of_a_program_that_is_missing() -> None:
    world = Ensemble(service("web", retries=Retries(tries=0)), service("db"))
    world.outcomes = ["missing"]
    world.begin()

    assert "error: web: can't find command 'web'" in world.journal
    assert "error: web is given up: 1 failure" in world.journal


def test_line_of_a_dependent_that_can_never_start() -> None:
    db = service("db", restart=Restart.NEVER, startsecs=0)
    world = Ensemble(
        service("web", depends_on=[("db", Condition.COMPLETED)]), db, service("z")
    ).begin()
    world.exit("db", 4)

    assert "error: cannot start web: it depends on db, which is EXITED" in world.journal


def test_lines_of_a_readiness_check() -> None:
    """The words of the check stand behind its verdict."""
    web = service("web", readiness=Readiness("tcp:80", 30.0), startsecs=0)
    world = Ensemble(web).begin()
    pid = world.processes["web"].pid
    world.tell(ev.AppUnready(pid, "not ready within 30s: refused", words="so", service="web"))
    world.tell(ev.AppReady(pid, "web"))

    assert [
        f"info: started web (pid {pid})",
        "warning: web is not ready within 30s: refused: so",
        "info: web is ready",
    ] == world.journal


def test_a_late_start_is_told_once() -> None:
    """The time may be over before the check has answered."""
    web = service("web", readiness=Readiness("tcp:80", 3.0), startsecs=0)
    world = Ensemble(web).begin()
    pid = world.processes["web"].pid
    world.wait(5)
    world.tell(ev.AppUnready(pid, "not ready within 3s: sh did not end in time", service="web"))

    assert ["warning: web is not ready within 3s"] == world.journal[1:]


def test_an_early_end_is_told_as_such() -> None:
    """Code 0 before the check has passed is a failed start, and the line says so."""
    web = service("web", readiness=Readiness("tcp:80"), startsecs=0)
    world = Ensemble(web, service("db")).begin()
    world.exit("web", 0)

    assert (
        "warning: web ended with code 0 before it was ready; starting it again in 1.0s"
        in world.journal
    )


def test_a_stop_between_two_starts_gives_nothing_up() -> None:
    world = Ensemble(service("web", startsecs=0), service("bad")).begin()
    world.exit("bad", 3)
    world.tell(ev.SignalReceived(TERM))

    assert [] == [line for line in world.journal if "given up" in line]
    assert 0 == world.state.code


def test_line_of_a_service_that_does_not_end() -> None:
    world = Ensemble(service("web", stopwaitsecs=2))
    world.deaf_ones = {"web"}
    world.begin()
    world.wait(2)
    world.tell(ev.SignalReceived(TERM))
    world.wait(3)

    assert "warning: web did not end in time: killing it" in world.journal
    assert "info: web was ended by SIGKILL" == world.journal[-1]
