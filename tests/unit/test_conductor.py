"""Histories of several services: order, dependencies, the ends that end all, the stop of all."""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Kill
from config_supervisor.services.conductor_state import ReadPlan, ReopenLogs
from config_supervisor.services.plan import Condition, Pace, Readiness, Restart, Retries
from config_supervisor.services.service_orders import Verb
from config_supervisor.services.supervisord_states import State
from tests.unit.ensemble import (
    HUP,
    INT,
    QUIT,
    TERM,
    USR1,
    USR2,
    Ensemble,
    killed,
    service,
    spawned,
)

# --- starts ---------------------------------------------------------------------------------------


def test_services_start_in_the_order_of_the_plan() -> None:
    world = Ensemble(service("a"), service("b"), service("c"), priorities={"c": 1})

    assert ["c", "a", "b"] == spawned(world.tell(ev.Began()))


def test_service_without_autostart_waits_for_an_order() -> None:
    world = Ensemble(service("a"), service("tool", autostart=False)).begin()

    assert ["a"] == world.running()
    assert State.STOPPED is world.shows("tool")


@pytest.mark.parametrize(("condition", "at"), [(Condition.STARTED, 0.0), (Condition.READY, 1.0)])
def test_service_starts_at_its_condition(condition: Condition, at: float) -> None:
    world = Ensemble(service("db"), service("web", depends_on=[("db", condition)])).begin()
    world.wait(5)

    assert [(0.0, "db"), (at, "web")] == world.starts


def test_service_starts_once_the_readiness_check_passed() -> None:
    world = Ensemble(
        service("db", readiness=Readiness("tcp:5432")), service("web", depends_on=["db"])
    ).begin()
    world.wait(20)
    assert ["db"] == world.running()

    world.is_ready("db")
    assert ["db", "web"] == world.running()


def test_service_starts_once_a_oneshot_is_completed() -> None:
    """`ready` means completed for a oneshot."""
    migrate = service("migrate", startsecs=0, oneshot=True, restart=Restart.NEVER)
    for condition in (Condition.COMPLETED, Condition.READY):
        world = Ensemble(migrate, service("web", depends_on=[("migrate", condition)]))
        world.begin()
        world.exit("migrate", 0)
        assert ["web"] == world.running()


def test_service_starts_once_another_was_tried() -> None:
    """Ready, completed, or down for good: a start that failed does not hold it."""
    for code in (0, 3):
        setup = service("setup", startsecs=0, oneshot=True, restart=Restart.NEVER)
        world = Ensemble(setup, service("web", depends_on=[("setup", Condition.TRIED)])).begin()
        assert ["setup"] == world.running()
        world.exit("setup", code)
        assert ["web"] == world.running()


def test_restart_of_a_dependency_restarts_no_dependent() -> None:
    world = Ensemble(service("db"), service("web", depends_on=["db"])).begin()
    world.wait(5)
    world.exit("db", 1)
    world.wait(5)

    assert ["db", "web", "db"] == [name for _, name in world.starts]


def test_restart_waits_for_its_dependencies() -> None:
    world = Ensemble(service("db", retries=Retries(9)), service("web", depends_on=["db"])).begin()
    world.wait(5)
    world.exit("db", 1)
    world.exit("db", 1)  # too quickly
    world.exit("web", 1)
    assert [] == world.running()

    world.wait(1)
    assert ["db"] == world.running()
    world.wait(1)
    assert ["db", "web"] == world.running()


def test_dependents_of_a_fatal_service_are_fatal() -> None:
    world = Ensemble(
        service("db", retries=Retries(0)),
        service("api", depends_on=["db"]),
        service("web", depends_on=["api"]),
        compatible=True,
    ).begin()
    world.exit("db", 3)

    assert {State.FATAL} == set(world.states().values())
    assert "depends on db, which is FATAL" == world.state.members["api"].refused
    assert "depends on api, which is FATAL" == world.state.members["web"].refused


def test_dependents_of_a_failed_oneshot_are_fatal() -> None:
    job = service("job", oneshot=True, restart=Restart.NEVER, startsecs=0)
    world = Ensemble(job, service("web", depends_on=["job"]), compatible=True).begin()
    world.exit("job", 4)

    assert (State.EXITED, State.FATAL) == (world.shows("job"), world.shows("web"))
    assert "depends on job, which is EXITED" == world.state.members["web"].refused


def test_start_of_a_fatal_dependency_starts_its_dependents() -> None:
    world = Ensemble(
        service("db", retries=Retries(0)), service("web", depends_on=["db"]), compatible=True
    ).begin()
    world.exit("db", 3)
    world.order(Verb.START, "db")
    world.wait(1)
    assert ["db", "web"] == world.running()


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 3])
def test_end_of_an_essential_service_ends_all_with_its_code(code: int) -> None:
    web = service("web", essential=True, restart=Restart.NEVER)
    world = Ensemble(service("log"), web).begin()
    world.wait(2)
    world.exit("web", code)

    assert code == world.code
    assert [] == world.running()


def test_fatal_start_of_an_essential_service_is_the_code() -> None:
    world = Ensemble(service("log"), service("web", essential=True, retries=Retries(0)))
    world.outcomes = ["runs", "missing"]
    world.begin()

    assert 127 == world.code


def test_completed_oneshot_ends_nothing() -> None:
    job = service("job", essential=True, oneshot=True, restart=Restart.NEVER, startsecs=0)
    world = Ensemble(job, service("web", essential=True)).begin()
    world.exit("job", 0)

    assert (None, ["web"]) == (world.code, world.running())


def test_failed_oneshot_ends_all() -> None:
    job = service("job", essential=True, oneshot=True, restart=Restart.NEVER, startsecs=0)
    world = Ensemble(job, service("web", depends_on=["job"], essential=True)).begin()
    world.exit("job", 4)

    assert (4, []) == (world.code, [name for _, name in world.starts if name == "web"])


def test_refused_essential_service_ends_with_the_code_behind() -> None:
    world = Ensemble(
        service("db", retries=Retries(0)), service("web", depends_on=["db"], essential=True)
    )
    world.outcomes = ["missing"]
    world.begin()

    assert 127 == world.code


def test_first_essential_end_is_the_code() -> None:
    one = service("one", essential=True, restart=Restart.NEVER)
    world = Ensemble(one, service("two", essential=True, restart=Restart.NEVER)).begin()
    world.deaf_ones.add("two")
    world.processes["two"].deaf = True
    world.wait(2)
    world.exit("one", 5)
    world.exit("two", 6)

    assert 5 == world.code


def test_all_down_ends_a_container_of_services() -> None:
    job = service("job", restart=Restart.NEVER, startsecs=0)
    world = Ensemble(job, service("other", restart=Restart.NEVER, startsecs=0)).begin()
    world.exit("job", 3)
    world.exit("other", 0)

    assert 3 == world.code


def test_all_down_ends_nothing_in_the_compatible_mode() -> None:
    world = Ensemble(service("a", retries=Retries(0)), compatible=True).begin()
    world.exit("a", 3)
    world.wait(100)

    assert (None, State.FATAL) == (world.code, world.shows("a"))


@pytest.mark.parametrize("signum", [TERM, INT, QUIT])
@pytest.mark.parametrize("compatible", [True, False])
def test_ordered_stop_ends_with_0(signum: int, compatible: bool) -> None:
    world = Ensemble(service("a", essential=True), compatible=compatible).begin()
    world.wait(2)
    world.tell(ev.SignalReceived(signum))

    assert 0 == world.code


def test_ordered_stop_ends_with_the_code_of_main() -> None:
    world = Ensemble(service("a"), service("web", main=True)).begin()
    world.wait(2)
    world.tell(ev.SignalReceived(TERM))

    assert 143 == world.code


def test_term_before_the_start_starts_nothing() -> None:
    world = Ensemble(service("a"))
    world.tell(ev.SignalReceived(TERM))

    assert (0, []) == (world.code, world.begin().starts)


# --- signals --------------------------------------------------------------------------------------


def test_hangup_restarts_all_from_the_plan_in_supervisord() -> None:
    world = Ensemble(service("a"), service("b"), compatible=True).begin()
    world.wait(2)
    orders = world.tell(ev.SignalReceived(HUP))

    assert ["b", "a"] == killed(orders)
    assert ReadPlan() in orders
    assert ["a", "b"] == spawned(orders)
    assert None is world.code


def test_term_during_a_restart_ends_all() -> None:
    world = Ensemble(service("a"), compatible=True).begin()
    world.processes["a"].deaf = True
    world.wait(2)
    world.tell(ev.SignalReceived(HUP), ev.SignalReceived(TERM))
    world.exit("a", 0)

    assert 0 == world.code


def test_usr2_reopens_the_logs_in_supervisord() -> None:
    world = Ensemble(service("a"), compatible=True).begin()

    assert [ReopenLogs()] == world.tell(ev.SignalReceived(USR2))


@pytest.mark.parametrize("signum", [HUP, USR1, USR2])
def test_other_signals_go_to_services_that_want_them(signum: int) -> None:
    world = Ensemble(service("a"), service("web", signals=True)).begin()

    assert [Kill(signum, service="web")] == world.tell(ev.SignalReceived(signum))


# --- what supervisord does ------------------------------------------------------------------------


def test_program_that_lives_for_1_2s_starts_again_at_once() -> None:
    world = Ensemble(service("a", restart=Restart.ALWAYS), compatible=True).begin()
    world.wait(1.2)
    world.exit("a", 0)

    assert [0.0, 1.2] == [at for at, _ in world.starts]


def test_program_that_goes_into_the_background_is_exited() -> None:
    """Its daemon serves on: no leftovers are ended."""
    world = Ensemble(service("a", startsecs=0), compatible=True).begin()
    orders = world.exit("a", 0)

    assert ([], State.EXITED) == (orders, world.shows("a"))


def test_services_restart_with_pauses_then_fail_for_good() -> None:
    crash = service(
        "a", startsecs=0, restart=Restart.ALWAYS, retries=Retries(2, Pace.EXPONENTIAL, 600.0)
    )
    world = Ensemble(crash, service("b")).begin()
    for _ in range(3):
        world.exit("a", 3)
        world.wait(5)

    assert State.FATAL is world.shows("a")
    assert [0.0, 0.5, 6.0] == [at for at, name in world.starts if name == "a"]
