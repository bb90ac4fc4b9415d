"""A source that asks for a pause, in all pods of a fleet at once."""

from __future__ import annotations

from config_supervisor.core import events as ev
from tests.unit.fleet_group import Group, canary_of, settled


def pause(group: Group, *, paused: bool) -> None:
    for pod in group.pods:
        pod.tell(ev.SourceRead(0, present=True, paused=paused))


def test_paused_pods_claim_no_trial() -> None:
    """A canary that has to wait would count as lost, and three of them as a verdict."""
    group = settled(3)
    pause(group, paused=True)
    group.offer("b")
    group.until(2000.0)

    assert [("held", "a")] * 3 == group.seen()
    assert {"paused"} == {pod.fleet.reason for pod in group.pods}
    assert ("", ()) == (group.lease.ledger.trial, group.lease.ledger.bad)

    pause(group, paused=False)
    group.until(2001.0)

    assert ("canary", "b") == canary_of(group, "b").seen
