"""Orders of people about services, and updates of the plan: what follows, and each answer."""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Kill, Spawn
from config_supervisor.core.upkeep import TOO_QUICK
from config_supervisor.services import conductor
from config_supervisor.services.conductor_state import TakeRoster
from config_supervisor.services.plan import Readiness, Restart, Retries
from config_supervisor.services.service_orders import Answer, OrderResult, Verb, named
from config_supervisor.services.supervisord_states import State
from tests.unit.ensemble import HUP, TERM, Ensemble, planned, service


def running(*names: str, compatible: bool = True) -> Ensemble:
    """Services without dependencies that run."""
    world = Ensemble(*(service(name) for name in names), compatible=compatible).begin()
    world.wait(2)
    return world


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("all", ("g:a", "g:b", "web")),
        ("g:*", ("g:a", "g:b")),
        ("g:", ("g:a", "g:b")),
        ("g:a", ("g:a",)),
        ("web", ("web",)),
        ("web:web", ("web",)),
        ("web:*", ("web",)),
        ("a", ()),
        ("g", ()),
        ("nosuch:*", ()),
    ],
)
def test_words_of_a_client_name_services(word: str, names: tuple[str, ...]) -> None:
    world = Ensemble(service("a", group="g"), service("b", group="g"), service("web"))

    assert names == named(world.roster, word)


# --- start ----------------------------------------------------------------------------------------


def test_start_is_answered_once_the_service_runs() -> None:
    world = Ensemble(service("a", autostart=False), compatible=True).begin()
    world.order(Verb.START, "a")
    assert [] == world.answers

    world.wait(1)
    assert ["SUCCESS"] == world.results()


def test_start_without_waiting_is_answered_at_once() -> None:
    world = Ensemble(service("a", autostart=False), compatible=True).begin()
    world.order(Verb.START, "a", wait=False)

    assert ["SUCCESS"] == world.results()


def test_start_of_a_running_service_is_refused() -> None:
    world = running("a")
    world.order(Verb.START, "a", "nosuch")

    assert {"a": "ALREADY_STARTED", "nosuch": "BAD_NAME"} == {
        one.name: one.answer for one in world.answers[-1]
    }


@pytest.mark.parametrize(("outcome", "answer"), [("missing", "NO_FILE"), ("runs", "SPAWN_ERROR")])
def test_start_that_fails_says_so(outcome: str, answer: str) -> None:
    world = Ensemble(service("a", autostart=False), compatible=True).begin()
    world.outcomes = [outcome]
    world.order(Verb.START, "a")
    if outcome == "runs":
        world.exit("a", 3)

    assert [answer] == world.results()


def test_start_that_is_late_is_answered() -> None:
    """It may never be ready, nor what waits for it; both go on to start."""
    hang = service("hang", readiness=Readiness("tcp:80", 2.0), startsecs=0, autostart=False)
    world = Ensemble(hang, service("web", depends_on=["hang"], autostart=False)).begin()
    world.order(Verb.START, "web", "hang")
    world.wait(5)

    late = "not ready within 2s"
    assert [
        OrderResult("hang", Answer.UNREADY, late),
        OrderResult("web", Answer.UNREADY, f"waiting for hang: {late}"),
    ] == sorted(world.answers[0], key=lambda one: one.name)
    world.is_ready("hang")
    world.wait(2)
    assert {"hang", "web"} == set(world.processes)


def test_start_that_waits_for_a_crash_loop_is_answered() -> None:
    bad = service("bad", retries=Retries(tries=None))
    world = Ensemble(bad, service("web", depends_on=["bad"], autostart=False)).begin()
    world.exit("bad", 3)
    world.order(Verb.START, "web")

    assert [(OrderResult("web", Answer.UNREADY, f"waiting for bad: {TOO_QUICK}"),)] == world.answers


def test_start_of_a_program_that_ends_soon_is_a_success() -> None:
    """With startsecs = 0: it was RUNNING."""
    one = service("one", autostart=False, startsecs=0, restart=Restart.NEVER)
    world = Ensemble(one, compatible=True).begin()
    world.order(Verb.START, "one")

    assert ["SUCCESS"] == world.results()
    world.exit("one", 0)
    world.order(Verb.START, "one")
    assert ["one"] == world.running()


def test_start_brings_up_stopped_dependencies() -> None:
    world = Ensemble(
        service("db", autostart=False), service("web", autostart=False, depends_on=["db"])
    ).begin()
    world.order(Verb.START, "web")
    world.wait(0.5)
    assert ["db"] == world.running()

    world.wait(2)
    assert ["db", "web"] == world.running()
    assert ["SUCCESS"] == world.results()


def test_restart_in_the_wrong_order_is_no_failure() -> None:
    """As `supervisorctl restart web db`: stops of both, then the start of web, then that of db."""
    world = Ensemble(service("db"), service("web", depends_on=["db"])).begin()
    world.wait(3)
    for name in ("web", "db"):
        world.order(Verb.STOP, name)
    world.order(Verb.START, "web")
    world.wait(3)

    assert ["SUCCESS"] == world.results()
    assert ["db", "web"] == world.running()


def test_start_of_all_starts_them_in_order() -> None:
    world = Ensemble(
        service("db", autostart=False), service("web", autostart=False, depends_on=["db"])
    ).begin()
    world.order(Verb.START, "web", "db")
    world.wait(5)

    assert ["SUCCESS", "SUCCESS"] == world.results()
    assert ["db", "web"] == [name for _, name in world.starts]


def test_start_during_a_stop_follows_it() -> None:
    world = running("a")
    world.processes["a"].deaf = True
    world.order(Verb.STOP, "a")
    world.order(Verb.START, "a")
    world.exit("a", 0)
    world.wait(1)

    assert [["FAILED"], ["SUCCESS"]] == [[one.answer for one in all_] for all_ in world.answers]


# --- stop -----------------------------------------------------------------------------------------


def test_stop_is_answered_once_the_service_is_down() -> None:
    world = running("a")
    world.processes["a"].deaf = True
    assert [Kill(TERM, service="a")] == world.order(Verb.STOP, "a")
    assert [] == world.answers

    world.exit("a", 0)
    assert ["SUCCESS"] == world.results()
    assert State.STOPPED is world.shows("a")


def test_stop_of_a_service_that_is_down_is_refused() -> None:
    world = running("a")
    world.order(Verb.STOP, "a")
    world.order(Verb.STOP, "a")

    assert ["NOT_RUNNING"] == world.results()


def test_stop_in_the_backoff_is_a_success() -> None:
    world = Ensemble(service("a"), compatible=True).begin()
    world.exit("a", 3)
    assert State.BACKOFF is world.shows("a")
    world.order(Verb.STOP, "a")

    assert ["SUCCESS"] == world.results()
    assert State.STOPPED is world.shows("a")


def test_stop_of_one_service_leaves_its_dependents() -> None:
    world = Ensemble(service("db"), service("web", depends_on=["db"])).begin()
    world.wait(5)
    world.order(Verb.STOP, "db")

    assert ["web"] == world.running()


def test_stop_of_several_follows_the_graph() -> None:
    world = Ensemble(service("db"), service("web", depends_on=["db"])).begin()
    world.wait(5)
    orders = world.order(Verb.STOP, "db", "web")

    assert ["web", "db"] == [one.service for one in orders if isinstance(one, Kill)]


def test_stopped_essential_service_does_not_end_the_container() -> None:
    world = Ensemble(service("a", essential=True)).begin()
    world.wait(2)
    world.order(Verb.STOP, "a")

    assert (None, State.STOPPED) == (world.code, world.shows("a"))


# --- restart, signal ------------------------------------------------------------------------------


def test_restart_stops_then_starts() -> None:
    world = running("a")
    orders = world.order(Verb.RESTART, "a")
    assert [Kill(TERM, service="a"), Spawn("a")] == orders
    world.wait(1)

    assert ["SUCCESS"] == world.results()


def test_restart_of_a_service_that_is_down_starts_it() -> None:
    world = Ensemble(service("a", autostart=False)).begin()

    assert [Spawn("a")] == world.order(Verb.RESTART, "a")


def test_restart_of_all_starts_nothing_on_a_service_to_stop() -> None:
    world = Ensemble(
        service("db"),
        service("slow", depends_on=["db"]),
        service("web", depends_on=["db"]),
    ).begin()
    world.wait(5)
    world.processes["slow"].deaf = True
    world.order(Verb.RESTART, "db", "slow", "web")
    assert ["db", "slow"] == world.running()

    world.exit("slow", 0)
    world.wait(5)
    assert ["db", "slow", "web"] == world.running()
    assert ["db", "slow", "web"] == [name for _, name in world.starts[-3:]]


def test_own_end_before_an_ordered_stop_counts_as_the_stop() -> None:
    """It waits for a dependent that takes its time, and is essential."""
    world = Ensemble(
        service("db", essential=True, restart=Restart.NEVER), service("web", depends_on=["db"])
    ).begin()
    world.wait(5)
    world.processes["web"].deaf = True
    world.order(Verb.STOP, "db", "web")
    world.exit("db", 3)

    assert (None, State.STOPPED) == (world.code, world.shows("db"))
    world.exit("web", 0)
    assert ["SUCCESS", "SUCCESS"] == world.results()


def test_signal_reaches_a_service_that_runs() -> None:
    world = Ensemble(service("a"), service("b", autostart=False)).begin()

    assert Kill(HUP, service="a") in world.order(Verb.SIGNAL, "a", "b", signum=HUP)
    assert ["SUCCESS", "NOT_RUNNING"] == world.results()


# --- during and after the end ---------------------------------------------------------------------


def test_orders_during_a_shutdown_are_refused() -> None:
    world = running("a")
    world.processes["a"].deaf = True
    world.tell(ev.SignalReceived(TERM))
    world.order(Verb.START, "a")

    assert ["SHUTDOWN_STATE"] == world.results()


def test_open_orders_are_answered_by_a_shutdown() -> None:
    world = Ensemble(service("a", autostart=False)).begin()
    world.order(Verb.START, "a")
    world.tell(ev.SignalReceived(TERM))

    assert (0, ["FAILED"]) == (world.code, world.results())
    world.order(Verb.START, "a")
    assert ["SHUTDOWN_STATE"] == world.results()


@pytest.mark.parametrize("restart", [True, False])
def test_all_stop_by_order(restart: bool) -> None:
    world = running("a")
    world.stop_all(restart=restart)

    assert (["a"] if restart else []) == world.running()
    assert (None if restart else 0) == world.code


# --- updates --------------------------------------------------------------------------------------


def test_update_touches_only_groups_that_differ() -> None:
    world = running("kept", "changed", "removed")
    world.update(
        planned(
            service("kept"), service("changed", command="new"), service("added"), compatible=True
        )
    )

    assert {"removed": "REMOVED", "changed": "UPDATED", "added": "ADDED"} == {
        one.name: one.answer for one in world.answers[-1]
    }
    assert ["added", "changed", "kept"] == world.running()
    assert 1 == [name for _, name in world.starts].count("kept")


def test_update_stops_all_that_leaves_before_a_start() -> None:
    world = running("a", "b")
    world.processes["a"].deaf = True
    plan = planned(service("a", command="new"), service("b", command="new"), compatible=True)
    assert [] == [one for one in world.update(plan) if isinstance(one, Spawn)]
    assert [] == world.answers

    assert [Spawn("a"), Spawn("b")] == [one for one in world.exit("a", 0) if isinstance(one, Spawn)]
    assert ["UPDATED", "UPDATED"] == world.results()


@pytest.mark.parametrize("restart", [False, True])
def test_roster_is_taken_before_orders_of_new_records(restart: bool) -> None:
    """An order before it is about the old record of a service, an order after it the new one."""
    world = running("a")
    plan = planned(service("a", command="new"), compatible=True)
    orders = world.tell(ev.SignalReceived(HUP)) if restart else world.update(plan)

    kinds = [type(one) for one in orders]
    assert kinds.index(Kill) < kinds.index(TakeRoster) < kinds.index(Spawn)


def test_update_by_a_shutdown_is_answered_without_a_change() -> None:
    world = running("a")
    world.processes["a"].deaf = True
    world.update(planned(compatible=True))
    world.tell(ev.SignalReceived(TERM))

    assert [()] == world.answers


def test_update_that_removes_an_essential_service_ends_nothing() -> None:
    world = Ensemble(service("a", essential=True), service("b")).begin()
    world.wait(2)
    world.update(planned(service("b")))

    assert (None, ["b"]) == (world.code, world.running())


def test_update_starts_those_that_failed_for_the_old_plan() -> None:
    world = Ensemble(
        service("db", retries=Retries(0)), service("web", depends_on=["db"]), compatible=True
    ).begin()
    world.exit("db", 3)
    world.update(
        planned(service("db", command="new"), service("web", depends_on=["db"]), compatible=True)
    )
    world.wait(2)

    assert ["db", "web"] == world.running()


def test_deadlines_of_removed_services_are_forgotten() -> None:
    world = running("a")
    world.exit("a", 1)
    world.exit("a", 1)
    assert conductor.wake_at(world.state) is not None
    world.update(planned(compatible=True))

    assert None is conductor.wake_at(world.state)
