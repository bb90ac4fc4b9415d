"""Histories of the version that a fleet keeps for pods that start: the last good one, whichever way
that became good.
"""

from __future__ import annotations

from config_supervisor.fleet import events as fe
from config_supervisor.fleet import orders as deeds
from tests.unit.fleet_group import Group, Pod, settled


def kept(group: Group) -> list[tuple[str, str]]:
    """The orders to keep a version, by pod."""
    return [
        (pod.name, order.version)
        for pod in group.pods
        for order in pod.orders
        if isinstance(order, deeds.Keep)
    ]


def passed(group: Group) -> Pod:
    """The canary of version `b`, which waits for a person."""
    group.offer("b")
    group.until(1200.0)
    assert ("b", []) == (group.lease.ledger.passed, kept(group))
    return next(pod for pod in group.pods if pod.applied)


def test_canary_keeps_a_good_version() -> None:
    group = settled(keep=True)
    group.offer("b")
    group.until(1300.0)

    (canary,) = (pod for pod in group.pods if pod.fleet.judged)
    assert [(canary.name, "b")] == kept(group)


def test_canary_keeps_a_version_that_a_person_approves_by_hand() -> None:
    group = settled(keep=True, manual=True)
    canary = passed(group)
    group.lease.write(good=("b", "a"), passed="")
    group.until(1400.0)

    assert [(canary.name, "b")] == kept(group)


def test_taker_of_an_approval_keeps_the_version() -> None:
    """No canary is there any more."""
    group = settled(keep=True, manual=True)
    canary = passed(group)
    group.pods.remove(canary)
    group.pods[1].tell(fe.FleetOrdered("approve", "b"))
    group.until(1400.0)

    assert [(group.pods[1].name, "b")] == kept(group)


def test_condemned_version_is_kept_once_a_person_approves_it() -> None:
    group = settled(keep=True)
    group.fates["b"] = "verify"
    group.offer("b")
    group.until(1200.0)
    assert [] == kept(group)
    group.pods[2].tell(fe.FleetOrdered("approve"))
    group.until(1400.0)

    assert [(group.pods[2].name, "b")] == kept(group)


def test_passed_version_that_is_superseded_is_not_kept() -> None:
    group = settled(keep=True, manual=True)
    passed(group)
    group.fates["c"] = "verify"
    group.offer("c")
    group.until(1400.0)
    group.pods[0].tell(fe.FleetOrdered("approve", "b"))
    group.until(1500.0)

    assert [] == kept(group)


def test_group_without_a_keep_keeps_nothing() -> None:
    group = settled()
    group.offer("b")
    group.until(1300.0)

    assert [] == kept(group)
