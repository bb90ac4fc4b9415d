"""Histories of the stop of all: its order, its budget, and all that may happen meanwhile."""

from __future__ import annotations

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Kill
from config_supervisor.services.plan import Kind, Restart
from config_supervisor.services.service_orders import Verb
from config_supervisor.services.stop_order import report, summary
from config_supervisor.services.supervisord_states import State
from tests.unit.ensemble import HUP, KILL, TERM, Ensemble, killed, service


def chain(*, compatible: bool = False, budget: float | None = None, wait: int = 10) -> Ensemble:
    """Services a, b, c, each of which needs the one before."""
    world = Ensemble(
        service("a", startsecs=0, stopwaitsecs=wait),
        service("b", startsecs=0, stopwaitsecs=wait, depends_on=["a"]),
        service("c", startsecs=0, stopwaitsecs=wait, depends_on=["b"]),
        compatible=compatible,
        budget=budget,
    )
    return world.begin()


def test_services_stop_behind_those_that_need_them() -> None:
    world = chain()

    assert ["c", "b", "a"] == killed(world.tell(ev.SignalReceived(TERM)))


def test_stop_waits_for_dependents_at_any_distance() -> None:
    """Between a and c stands a service that is down."""
    world = chain()
    world.processes["c"].deaf = True
    world.order(Verb.STOP, "b")
    assert ["c"] == killed(world.tell(ev.SignalReceived(TERM)))
    assert ["a"] == killed(world.exit("c", 0))


def test_services_of_a_tier_stop_at_once() -> None:
    world = Ensemble(service("a"), service("b"), service("c"), compatible=True).begin()
    for process in world.processes.values():
        process.deaf = True
    world.wait(2)

    assert ["c", "b", "a"] == killed(world.tell(ev.SignalReceived(TERM)))


def test_groups_of_a_higher_priority_stop_before_in_supervisord() -> None:
    world = Ensemble(
        service("a"), service("b"), service("c"), priorities={"c": 1, "a": 2}, compatible=True
    ).begin()
    for process in world.processes.values():
        process.deaf = True
    world.wait(2)

    assert ["b"] == killed(world.tell(ev.SignalReceived(TERM)))
    assert ["a"] == killed(world.exit("b"))
    assert ["c"] == killed(world.exit("a"))


def test_listeners_stop_behind_all_others() -> None:
    world = Ensemble(service("events", kind=Kind.LISTENER), service("a", startsecs=0)).begin()
    world.processes["a"].deaf = True

    assert ["a"] == killed(world.tell(ev.SignalReceived(TERM)))
    assert ["events"] == killed(world.exit("a", 0))


def test_listener_alone_keeps_no_container() -> None:
    job = service("job", startsecs=0, restart=Restart.NEVER)
    world = Ensemble(service("events", kind=Kind.LISTENER), job).begin()
    world.exit("job", 0)

    assert 0 == world.code


def test_priority_against_the_graph_holds_nothing_up() -> None:
    """A service with a high priority that others need stops behind them."""
    world = Ensemble(
        service("a", depends_on=["b"], startsecs=0),
        service("b", startsecs=0),
        service("c", startsecs=0),
        priorities={"a": 1, "b": 3, "c": 2},
        compatible=True,
    ).begin()

    assert ["c", "a", "b"] == killed(world.tell(ev.SignalReceived(TERM)))


def test_budget_leaves_time_for_the_tiers_below() -> None:
    world = chain(budget=6.0)
    for process in world.processes.values():
        process.deaf = True
    world.tell(ev.SignalReceived(TERM))
    world.wait(100)

    kills = [
        (at, one.service) for at, one in world.done if isinstance(one, Kill) and one.signum == KILL
    ]
    assert [(3.75, "c"), (4.75, "b"), (5.75, "a")] == kills
    assert 0 == world.code
    assert ("c", 3.75) == report(world.state)[0]
    assert {"c": 3.75, "b": 1.0, "a": 1.0} == dict(report(world.state))
    assert "stopped within the budget of 6s: c took 3.8s, a took 1.0s, b took 1.0s" == summary(
        world.state
    )


def test_second_term_kills_nothing() -> None:
    world = chain()
    world.processes["c"].deaf = True
    world.tell(ev.SignalReceived(TERM))

    assert [] == world.at(1, ev.SignalReceived(TERM), ev.SignalReceived(HUP))


def test_process_that_never_ends_does_not_hold_the_budget() -> None:
    world = Ensemble(service("a", startsecs=0), budget=5.0).begin()
    world.processes["a"].deaf = True
    world.undying.add("a")
    world.tell(ev.SignalReceived(TERM))
    world.wait(6)

    assert (0, 5.0) == (world.code, world.over_at)
    assert "stopped within the budget of 5s: a did not end" == summary(world.state)


def test_crash_during_a_stop_starts_nothing() -> None:
    world = chain()
    world.processes["c"].deaf = True
    world.tell(ev.SignalReceived(TERM))
    world.exit("a", 3)

    assert State.STOPPED is world.shows("a")
    assert [] == world.wait(5)


def test_restart_of_all_beyond_its_budget_ends_all() -> None:
    world = Ensemble(service("a", startsecs=0), budget=5.0, compatible=True).begin()
    world.processes["a"].deaf = True
    world.undying.add("a")
    world.tell(ev.SignalReceived(HUP))
    world.wait(6)

    assert (0, 1) == (world.code, len(world.starts))
