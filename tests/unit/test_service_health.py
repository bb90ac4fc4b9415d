"""/readyz and /livez of several services: which make the container unready, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core import events as ev
from config_supervisor.services import service_ends, service_health
from config_supervisor.services.plan import Condition, Kind, Pace, Readiness, Restart, Retries
from config_supervisor.services.service_orders import Verb
from tests.unit.ensemble import TERM, Ensemble, service

LONG = 100


def readiness(world: Ensemble) -> str:
    found = service_health.ready(world.state, world.now)
    return f"{'ok' if found.ok else 'not ok'}: {found.reason}"


def test_all_ready_is_ready() -> None:
    world = Ensemble(service("db"), service("web", depends_on=["db"])).begin()
    assert "not ok: db: starting; web: waiting for db" == readiness(world)

    world.wait(3)
    assert "ok: 2 services" == readiness(world)


def test_reason_names_check_and_time() -> None:
    world = Ensemble(
        service("api", readiness=Readiness("tcp:8080"), startsecs=0),
        service("migrate", oneshot=True, startsecs=0, restart=Restart.NEVER),
    ).begin()
    world.wait(12)

    assert "not ok: api: not ready for 12s (tcp:8080); migrate: running" == readiness(world)


@pytest.mark.parametrize(
    ("check", "shown"),
    [
        ("http://user:secret@[::1]:80/ready?token=1", "http://[::1]:80/ready"),
        ("pg_isready -p 5432 --password=x", "pg_isready"),
        ("notify", "notify"),
    ],
)
def test_reason_keeps_passwords(check: str, shown: str) -> None:
    world = Ensemble(service("a", readiness=Readiness(check), startsecs=0)).begin()

    assert f"not ok: a: not ready for 0s ({shown})" == readiness(world)


def test_a_job_counts_until_it_is_done() -> None:
    world = Ensemble(
        service("job", oneshot=True, startsecs=0, restart=Restart.NEVER),
        service("web", depends_on=[("job", Condition.COMPLETED)], startsecs=0),
    ).begin()
    assert "not ok: job: running; web: waiting for job" == readiness(world)

    world.exit("job", 0)
    assert "ok: 2 services" == readiness(world)


def test_a_service_without_autostart_counts_while_wanted() -> None:
    world = Ensemble(service("web", startsecs=0), service("spare", autostart=False)).begin()
    assert "ok: 2 services" == readiness(world)

    world.order(Verb.START, "spare")
    assert "not ok: spare: starting" == readiness(world)
    world.wait(2)
    world.order(Verb.STOP, "spare")
    assert "ok: 2 services" == readiness(world)


def test_a_stopped_service_with_autostart_counts() -> None:
    world = Ensemble(service("web", startsecs=0), service("job", startsecs=0)).begin()
    world.order(Verb.STOP, "job")

    assert "not ok: job: stopped" == readiness(world)


def test_a_failed_service_counts_although_not_essential() -> None:
    world = Ensemble(service("web", startsecs=0), service("bad", retries=Retries(0))).begin()
    world.exit("bad", 3)

    assert "not ok: bad: FATAL: exit status 3, after 1 start" == readiness(world)


def test_a_service_behind_a_failed_one_tells_it() -> None:
    world = Ensemble(
        service("db", retries=Retries(0)), service("web", depends_on=["db"]), compatible=True
    ).begin()
    world.exit("db", 1)

    expected = "db: FATAL: exit status 1, after 1 start; web: FATAL: depends on db, which is FATAL"
    assert f"not ok: {expected}" == readiness(world)


def test_a_pause_before_a_start_tells_the_end() -> None:
    retries = Retries(9, Pace.EXPONENTIAL)
    world = Ensemble(service("a", startsecs=0, restart=Restart.ALWAYS, retries=retries)).begin()
    for _ in range(3):
        world.exit("a", 3)
        reason = readiness(world)
        world.wait(9)

    assert "not ok: a: starting again in 2s: exit status 3" == reason
    assert "ok: 1 service" == readiness(world)


def test_a_stop_is_unready_at_once() -> None:
    world = Ensemble(service("a", startsecs=0))
    world.deaf_ones.add("a")
    world.begin()
    assert "ok: 1 service" == readiness(world)
    world.tell(ev.SignalReceived(TERM))

    assert "not ok: stopping" == readiness(world)
    assert service_health.live(world.state).ok


def test_end_of_all_is_not_live() -> None:
    world = Ensemble(service("a", essential=True, retries=Retries(0), startsecs=0)).begin()
    assert "running" == service_health.live(world.state).reason
    world.wait(LONG)
    world.tell(ev.SignalReceived(TERM))
    world.wait(LONG)

    assert not service_health.live(world.state).ok


@given(st.integers(1, 60))
def test_reason_names_few_of_many(count: int) -> None:
    world = Ensemble(*(service(f"s{number}") for number in range(count))).begin()
    reason = service_health.ready(world.state, world.now).reason

    assert min(count, 20) == reason.count(": starting")
    assert (f"; {count - 20} more" in reason) is (count > 20)


def test_a_listener_counts() -> None:
    world = Ensemble(service("a", startsecs=0), service("l", kind=Kind.LISTENER)).begin()

    assert "not ok: l: starting" == readiness(world)


@pytest.mark.parametrize(
    ("fields", "how"),
    [
        ({"readiness": Readiness("tcp:80"), "startsecs": 0}, "before it was ready"),
        ({"startsecs": 1}, "too quickly"),
    ],
)
def test_an_early_end_keeps_its_exit_code(fields: dict[str, Any], how: str) -> None:
    """A start that failed for good ends the container with 1, and the program did not."""
    job = service("job", essential=True, retries=Retries(tries=0), **fields)
    world = Ensemble(job, service("web", startsecs=0)).begin()
    world.exit("job", 0)

    assert 0 == world.state.members["job"].life.exit_code
    assert 1 == world.state.code
    assert f"FATAL: exit status 0 {how}, after 1 start" == service_health.lacking(
        world.state, "job", world.now
    )
    assert f"job is down for good: exit status 0 {how}, after 1 start; exit code 1" == (
        service_ends.sentence(world.state)
    )
