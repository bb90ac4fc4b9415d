"""Changes of the plan while its services run: what is read, ordered, and known meanwhile."""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Spawn
from config_supervisor.core.errors import UsageError
from config_supervisor.services import conductor, service_journal
from config_supervisor.services.conductor_state import (
    AnswerOrder,
    Out,
    Services,
    UpdateOrdered,
)
from config_supervisor.services.plan import Plan
from config_supervisor.services.plan_changes import PlanChanges
from config_supervisor.services.running_plan import RunningPlan
from config_supervisor.services.service_orders import OrderResult, ServiceOrder, Verb
from tests.unit.ensemble import planned, service


class World:
    """A plan, the file that it comes from, and the conductor that takes changes up."""

    def __init__(self, plan: Plan) -> None:
        self.file: Plan | None = plan
        self.running = RunningPlan(plan, self._read, lambda: None)
        self.state: Services = conductor.fresh(self.running.roster)
        self.journal: list[str] = []
        self.sent: list[ev.Event] = []
        self.answers: list[list[str]] = []
        self.changes = PlanChanges(self.running, self.sent.append, lambda: self.state)
        self.tell(ev.Began())

    def _read(self) -> Plan:
        if self.file is None:
            raise UsageError("FILE:1 [program:a] command: it is missing")
        return self.file

    def tell(self, event: ev.Event) -> Out:
        before = self.state
        self.state, orders = conductor.step(before, event, 1.0)
        lines = service_journal.lines(event, before, self.state, orders, 1.0)
        self.journal += [message for _, message, _ in lines]
        for order in orders:
            if isinstance(order, AnswerOrder):
                order.reply(order.results)
        return orders

    def take(self) -> Out:
        """Let the conductor have all that was sent."""
        orders: Out = ()
        for event in self.sent:
            assert isinstance(event, UpdateOrdered)
            assert self.running.takes(event.roster)
            orders = (*orders, *self.tell(event))
        self.sent.clear()
        return orders

    def heard(self, results: tuple[OrderResult, ...]) -> None:
        self.answers.append([f"{one.name}: {one.answer}" for one in results])


A, B = service("a"), service("b")


def test_reread_tells_the_difference_and_changes_nothing() -> None:
    world = World(planned(A, B))
    world.file = planned(A.replace(startsecs=7), service("c"))
    found = world.changes.reread()

    assert ["c"] == [group.name for group in found.added]
    assert ["a"] == [group.name for group in found.changed]
    assert ("b",) == found.removed
    assert ["a", "b"] == [*world.state.roster.places]
    assert ["a", "c"] == [group.name for group in world.changes.configured.groups]
    assert ["a", "b"] == [group.name for group in world.changes.active.groups]


def test_a_refused_file_changes_nothing() -> None:
    world = World(planned(A))
    world.file = None
    with pytest.raises(UsageError, match=r"FILE:1 \[program:a\] command"):
        world.changes.reread()

    assert ["a"] == [group.name for group in world.changes.configured.groups]


def test_add_starts_the_new_group_only() -> None:
    world = World(planned(A))
    world.file = planned(A, B)
    assert "BAD_NAME" == world.changes.add("b", world.heard)
    world.changes.reread()
    assert None is world.changes.add("b", world.heard)

    assert [Spawn("b")] == [one for one in world.take() if isinstance(one, Spawn)]
    assert [["b: ADDED"]] == world.answers
    assert "the plan is changed: b added" == world.journal[-1]
    assert "ALREADY_ADDED" == world.changes.add("b", world.heard)


def test_remove_refuses_a_group_that_runs() -> None:
    world = World(planned(A, B))
    assert "STILL_RUNNING" == world.changes.remove("a", world.heard)
    assert "BAD_NAME" == world.changes.remove("c", world.heard)

    world.tell(ServiceOrder(Verb.STOP, ("a",)))
    world.tell(ev.StartFailed(127, "not there", service="a"))
    assert None is world.changes.remove("a", world.heard)
    world.take()
    assert [["a: REMOVED"]] == world.answers
    assert ["b"] == [*world.state.roster.places]


def test_both_commands_are_known_until_the_next_change() -> None:
    world = World(planned(A, B))
    world.file = planned(A, service("c", command="new"))
    world.changes.reread()
    world.changes.update(None, world.heard)

    assert ["a", "b", "new"] == [world.running.word(name) for name in ("a", "b", "c")]
    world.file = planned(A)
    world.changes.reread()
    world.changes.update(None, world.heard)
    assert ["a", "", "new"] == [world.running.word(name) for name in ("a", "b", "c")]


def test_a_service_that_stays_keeps_its_command() -> None:
    world = World(planned(A, B))
    kept = world.running.command("a")
    world.file = planned(A, B.replace(environment={"NEW": "1"}))
    world.changes.reread()
    world.changes.update(None, world.heard)

    assert kept is world.running.command("a")
    assert "1" == world.running.command("b").env.get("NEW")


def test_a_start_during_an_update_is_refused() -> None:
    """The update waits for the end of the old process; nothing starts it again."""
    world = World(planned(A, compatible=True))
    world.tell(ev.Forked(pid=7, service="a"))
    world.tell(ev.Started(pid=7, service="a"))
    world.file = planned(A.replace(startsecs=0), compatible=True)
    world.changes.reread()
    world.changes.update(("a",), world.heard)
    world.take()
    assert [] == world.answers
    world.tell(ServiceOrder(Verb.START, ("a",), world.heard))
    assert [["a: FAILED"]] == world.answers

    out = world.tell(ev.Exited(7, 0, service="a"))
    assert [Spawn("a")] == [one for one in out if isinstance(one, Spawn)]
    assert ["a: UPDATED"] == world.answers[-1]


def test_changes_before_a_new_reading_are_dropped() -> None:
    """HUP starts all services again from the file; an older order cannot bring the past back."""
    world = World(planned(A))
    world.file = planned(A, B)
    world.changes.reread()
    world.changes.add("b", world.heard)
    world.running.read_again()

    [event] = world.sent
    assert isinstance(event, UpdateOrdered)
    assert not world.running.takes(event.roster)


def test_the_answer_leaves_other_changes_out() -> None:
    world = World(planned(A))
    world.file = planned(A, B, service("c"))
    world.changes.reread()
    world.changes.add("b", world.heard)
    world.changes.add("c", world.heard)
    world.take()

    assert [["b: ADDED"], ["c: ADDED"]] == world.answers
