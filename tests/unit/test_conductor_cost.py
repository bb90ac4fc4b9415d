"""The cost of an event to several services, in calls of functions: no load bends them."""

from __future__ import annotations

import sys
from types import FrameType

import pytest

from config_supervisor.core import events as ev
from config_supervisor.services import conductor
from config_supervisor.services.conductor_state import Services
from tests.unit.ensemble import HUP, TERM, Ensemble, service

MOST = 65  # calls of an event of one service, and of the next deadline


def running(count: int) -> Ensemble:
    """Services that run, each with a dependency in front of it."""
    some = [service("s0")]
    some.extend(
        service(f"s{at}", depends_on=[f"s{at - 1}"] if at % 2 else []) for at in range(1, count)
    )
    world = Ensemble(*some, compatible=True).begin()
    world.wait(5)
    return world


def calls(services: Services, event: ev.Event, now: float) -> int:
    """The functions called, in Python, for an event and for the next deadline."""
    count = 0

    def note(_frame: FrameType, kind: str, _: object) -> None:
        nonlocal count
        count += kind == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        after, _ = conductor.step(services, event, now)
        conductor.wake_at(after)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("kind", ["exit", "start", "deadline", "signal", "stranger"])
def test_event_costs_the_same_with_100_services(kind: str) -> None:
    found = []
    for count in (4, 100):
        world = running(count)
        if kind == "start":
            world.outcomes = ["slow"]
            world.exit("s1", 1)
        event: ev.Event = {
            "exit": ev.Exited(world.processes["s1"].pid, 0, service="s1"),
            "start": ev.Started(world.processes["s1"].pid, service="s1"),
            "deadline": ev.DeadlinePassed(),
            "signal": ev.AppSuspended(world.processes["s1"].pid, 20, service="s1"),
            "stranger": ev.OrphanReaped(3),
        }[kind]
        found.append(calls(world.state, event, world.now))

    assert found[0] == found[1] <= MOST


def test_state_of_other_services_is_shared() -> None:
    world = running(100)
    before = world.state.members
    world.exit("s1", 0)

    assert ["s1"] == [name for name, one in world.state.members.items() if one is not before[name]]


@pytest.mark.parametrize("signum", [TERM, HUP])
def test_stop_of_all_costs_little_for_each(signum: int) -> None:
    """Not the square of their number."""
    each = []
    for count in (20, 100):
        world = running(count)
        total = calls(world.state, ev.SignalReceived(signum), world.now)
        each.append(total / count)

    assert each[1] <= 1.5 * each[0]
