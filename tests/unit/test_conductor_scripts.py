"""Histories of services with scripts among others: undoing in reverse order, the start budget."""

from __future__ import annotations

from typing import Any

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Spawn
from config_supervisor.core.upkeep_state import RunScript, Script, ScriptEnded
from config_supervisor.services import conductor
from config_supervisor.services.conductor_state import Over
from config_supervisor.services.plan import Condition, Dependency, Main, Plan, Restart, Service
from config_supervisor.services.roster import roster
from config_supervisor.services.service_orders import ServiceOrder, Verb
from tests.unit.ensemble import TERM, planned, service


class World:
    """Services and the orders about each, without processes."""

    def __init__(self, *services: Service, start_budget: float | None = None) -> None:
        plan: Plan = planned(*services).replace(main=Main(start_budget=start_budget))
        self.state = conductor.fresh(roster(plan.replace(spares_leftovers=True)))
        self.pid = 1
        self.at(0, ev.Began())

    def at(self, now: float, event: ev.Event) -> list[Any]:
        self.state, orders = conductor.step(self.state, event, now)
        return list(orders)

    def runs(self, name: str, now: float = 0) -> None:
        self.pid += 1
        self.at(now, ev.Forked(self.pid, service=name))
        self.at(now, ev.Started(self.pid, service=name))

    def ends(self, name: str, now: float = 0, code: int = 0) -> list[Any]:
        pid = self.state.members[name].life.pid
        return self.at(now, ev.Exited(pid, code, service=name))

    def undone(self, name: str, now: float = 0) -> list[Any]:
        return self.at(now, ScriptEnded(Script.DOWN, 0, service=name))


def job(name: str, *needs: str, **fields: Any) -> Service:
    """A oneshot with something to undo, which waits for others that completed."""
    depends_on = tuple(Dependency(need, Condition.COMPLETED) for need in needs)
    one = service(name, restart=Restart.NEVER, oneshot=True, startsecs=0, essential=False)
    return one.replace(depends_on=depends_on, down=("undo", name), **fields)


def undo(name: str) -> RunScript:
    return RunScript(Script.DOWN, 0, 0, name)


def test_completed_jobs_are_undone_in_reverse_order() -> None:
    world = World(job("a"), job("b", "a"), service("web"))
    world.runs("a")
    assert [Spawn("b")] == world.ends("a")
    world.runs("b")
    world.ends("b")
    world.runs("web")
    world.at(1, ServiceOrder(Verb.STOP, ("web",)))
    world.ends("web", 1)

    assert [undo("b")] == world.at(2, ev.SignalReceived(TERM))
    assert [undo("a")] == world.undone("b", 2)
    assert Over(0) in world.undone("a", 2)


def test_job_that_failed_is_not_undone() -> None:
    world = World(job("a"), job("b"), service("web"))
    world.runs("a")
    world.runs("b")
    world.ends("a", code=3)
    world.ends("b")
    world.at(1, ServiceOrder(Verb.STOP, ("web",)))

    assert [undo("b")] == world.at(2, ev.SignalReceived(TERM))


def test_restart_undoes_a_job_and_does_it_again() -> None:
    world = World(job("a"), service("web"))
    world.runs("a")
    world.ends("a")

    assert undo("a") in world.at(1, ServiceOrder(Verb.RESTART, ("a",)))
    assert Spawn("a") in world.undone("a", 2)


def test_job_without_a_program_completes_at_once() -> None:
    world = World(job("a", command="", words=()), job("b", "a"), service("web"))

    assert world.state.members["b"].begun
    assert not world.state.members["a"].down


def test_services_that_wait_are_given_up_after_the_start_budget() -> None:
    main = service("main").replace(main=True, depends_on=(Dependency("b", Condition.TRIED),))
    world = World(job("a"), job("b", "a"), main, start_budget=5.0)
    world.runs("a")

    assert 5.0 == conductor.wake_at(world.state)
    assert [Spawn("main")] == world.at(5, ev.DeadlinePassed())
    assert "waits for a, and the 5s for all are over" == world.state.members["b"].refused
    assert conductor.wake_at(world.state) is None
