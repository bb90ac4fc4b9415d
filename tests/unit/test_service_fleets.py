"""The fleets of several services for a client: which one is meant, and when a wait is over."""

from __future__ import annotations

from typing import Any

import pytest

from config_supervisor.control.commands import Answer
from config_supervisor.core import events as ev
from config_supervisor.core.life_state import Phase
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.versions import Versions
from config_supervisor.fleet.state import Fleet, State
from config_supervisor.observe.metric_registry import MetricRegistry
from config_supervisor.services import fleet_orders
from config_supervisor.services.conductor_state import Services, Stopping
from config_supervisor.services.service_configuration_metrics import ConfigurationMetrics
from tests.unit.ensemble import Ensemble, service

SETTLED = Fleet(version="v1", name="v1")
WAITING = SETTLED.replace(state=State.WAITING)
CONDEMNED = SETTLED.replace(state=State.CONDEMNED, reason="verify")


def world(**fleets: Fleet | None) -> Services:
    """Services that run on v1, each with its part in a fleet."""
    state = Ensemble(*(service(name) for name in fleets)).begin().state
    for name, fleet in fleets.items():
        rollout = Rollout(versions=Versions(desired="v1", live="v1"), running="v1")
        state = changed(state, name, rollout=rollout, fleet=fleet)
    return state


def changed(state: Services, name: str, **changes: Any) -> Services:
    member = state.members[name]
    member = member.replace(service=member.service.replace(**changes))
    return state.replace(members={**state.members, name: member})


def down(state: Services, name: str, **changes: Any) -> Services:
    """A service whose life has ended."""
    life = state.members[name].life.replace(**{"phase": Phase.ENDED, "ordered": True, **changes})
    state = changed(state, name, life=life)
    member = state.members[name].replace(up=False)
    return state.replace(members={**state.members, name: member})


def code(state: Services, name: str = "") -> int | None:
    answer = fleet_orders.waited(state, name)
    return None if answer is None else answer.code


def test_order_is_for_the_only_fleet() -> None:
    assert "a" == fleet_orders.subject(world(a=SETTLED, b=None), "approve", "")


@pytest.mark.parametrize(
    ("state", "name", "code", "words"),
    [
        (world(a=SETTLED, b=WAITING), "", 2, "cannot approve: a, b are in fleets"),
        (world(a=SETTLED), "c", 1, "cannot approve: c: there is no such service"),
        (world(a=SETTLED, b=None), "b", 1, "cannot approve: b: it is in no fleet"),
        (world(a=None), "", 1, "cannot approve: no service is in a fleet"),
        (down(world(a=SETTLED), "a"), "a", 1, "a: cannot approve: it is down"),
    ],
)
def test_order_without_one_subject_is_refused(
    state: Services, name: str, code: int, words: str
) -> None:
    answer = fleet_orders.subject(state, "approve", name)

    assert isinstance(answer, Answer)
    assert (code, True) == (answer.code, answer.text.startswith(words))


def test_wait_is_for_all_that_run() -> None:
    assert 0 == code(world(a=SETTLED, b=SETTLED, c=None))
    assert None is code(world(a=SETTLED, b=WAITING))
    assert 0 == code(world(a=SETTLED, b=WAITING), "a")
    assert 0 == code(down(world(a=SETTLED, b=WAITING), "b"))


def test_wait_for_a_goal_out_of_reach_ends() -> None:
    assert 1 == code(world(a=SETTLED, b=CONDEMNED))
    assert 1 == code(down(world(a=SETTLED), "a"))
    assert 1 == code(down(world(a=SETTLED, b=SETTLED), "b", ordered=False, gave_up=True))
    assert 1 == code(world(a=SETTLED).replace(stopping=Stopping(0.0)))
    assert 1 == code(world(a=None))


def test_wait_that_is_too_long_names_the_late_ones() -> None:
    late = fleet_orders.late(world(a=SETTLED, b=WAITING), "")

    assert late.startswith("b: configuration v1 is on trial at another pod")


def test_wait_is_for_a_first_version_too() -> None:
    state = changed(world(a=Fleet()), "a", rollout=Rollout())

    assert None is code(state)


def test_service_that_comes_into_a_fleet_has_its_metrics() -> None:
    """By an update of the file; they go with the fleet."""
    alone = world(a=None)
    member = world(a=WAITING)
    registry = MetricRegistry(lambda: member.members["a"].service)
    metrics = ConfigurationMetrics(registry, lambda: member)
    begun = ev.SourceOpened(0, "configmap", "production", "web", service="a")

    def known() -> bool:
        return any(
            "fleet" in family.name and family.samples for family in registry.collectors.collect()
        )

    metrics.observe(begun, alone, alone, ())
    assert not known()
    metrics.observe(begun, alone, member, ())
    assert known()
    metrics.observe(begun, member, alone, ())
    assert not known()
