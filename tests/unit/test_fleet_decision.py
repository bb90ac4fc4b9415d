"""Histories of a fleet's decision: the normal way of a good and of a bad version."""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.fleet import orders as deeds
from config_supervisor.fleet.lease import Condemned
from config_supervisor.fleet.policy import Role, place
from tests.unit.fleet_group import Group, canary_of, settled


def followers(group: Group, version: str) -> list[str]:
    return [pod.name for pod in group.pods if version not in pod.applied]


def test_new_version_is_applied_by_one_pod_first() -> None:
    group = settled(7)
    group.offer("b")
    assert [] == [pod.name for pod in group.pods if pod.applied]
    group.until(1020.0)

    canary = canary_of(group, "b")
    assert ("canary", "b") == canary.seen
    first = min(group.pods, key=lambda pod: place(pod.name, "b"))
    assert (first, 6) == (canary, len(followers(group, "b")))
    assert [("waiting", "a")] * 6 == [pod.seen for pod in group.pods if pod is not canary]


def test_pod_of_the_canary_role_goes_first() -> None:
    group = settled(5)
    last = max(group.pods, key=lambda pod: place(pod.name, "e"))
    rules = last.rules.replace(policy=last.rules.policy.replace(role=Role.CANARY))
    last.policy = last.policy.replace(fleet=rules)
    group.offer("e")
    group.until(1001.0)

    assert last is canary_of(group, "e")


def test_good_version_is_followed_within_the_spread() -> None:
    group = settled(7)
    group.offer("b")
    group.until(1020.0)
    canary = canary_of(group, "b")
    since = canary.fleet.since
    group.until(since + 29.9)
    assert 6 == len(followers(group, "b"))
    group.until(since + 30.0)
    assert (("b", "a"), "", "") == (
        group.lease.ledger.good,
        group.lease.ledger.trial,
        group.lease.ledger.holder,
    )

    others = [pod for pod in group.pods if pod is not canary]
    for pod in sorted(others, key=lambda pod: place(pod.name, "b")):
        due = since + 30.0 + place(pod.name, "b") * 60.0 - place(canary.name, "b") * 20.0
        group.until(due - 0.01)
        assert ("due", "a") == pod.seen
        group.until(due + 0.01)
        assert ("due", "b") == pod.seen

    group.until(since + 90.0)
    assert [("settled", "b")] * 7 == group.seen()
    assert [] == group.lease.followers
    assert 2 == group.lease.writes


@pytest.mark.parametrize(("bake", "spread"), [(30.0, 60.0), (2.0, 60.0), (2.0, 20.0), (0.5, 30.0)])
def test_all_follow_within_bake_and_spread_of_the_change(bake: float, spread: float) -> None:
    """The canary's place costs no time, nor does a look that comes after the verdict."""
    group = settled(3, bake=bake, spread=spread)
    for number in range(40):
        version = f"v{number}"
        began = group.now
        group.offer(version)
        group.until(began + bake + spread + 0.1)
        assert [version] * 3 == [pod.rollout.runs_on for pod in group.pods]
        group.until(began + 1000.0)


def test_bad_version_hurts_one_pod_alone() -> None:
    group = settled(5)
    group.fates["b"] = "verify"
    group.offer("b")
    group.until(1030.0)

    (bad,) = group.lease.ledger.bad
    assert ("b", "verify") == (bad.version, bad.reason)
    assert 4 == len(followers(group, "b"))
    assert [("condemned", "a")] * 5 == group.seen()
    group.until(5000.0)
    assert 4 == len(followers(group, "b"))


def test_condemned_version_is_applied_by_no_pod() -> None:
    group = settled(3)
    group.lease.write(bad=(Condemned("b", "verify", "other"),))
    group.offer("b")
    group.until(3000.0)

    assert [("condemned", "a")] * 3 == group.seen()
    assert ["verify"] * 3 == [pod.fleet.reason for pod in group.pods]
    assert 3 == len(followers(group, "b"))
    assert 0 == group.lease.writes


def test_bad_beats_good() -> None:
    group = settled(2)
    group.lease.write(good=("b", "a"), bad=(Condemned("b", "verify", "other"),))
    group.offer("b")
    group.until(3000.0)

    assert [("condemned", "a")] * 2 == group.seen()


def test_known_good_version_needs_no_trial() -> None:
    group = settled(3)
    group.lease.write(good=("a", "z"))
    group.offer("z")
    group.until(1000.0 + 20.0 + 60.0)

    assert 0 == group.lease.writes
    assert ["z"] * 3 == [pod.rollout.runs_on for pod in group.pods]
    group.until(1200.0)
    assert [("settled", "z")] * 3 == group.seen()


def test_app_that_ends_while_it_bakes_condemns() -> None:
    group = settled(3)
    group.offer("b")
    group.until(1020.0)
    canary = canary_of(group, "b")
    canary.tell(ev.Exited(7, 3))

    (bad,) = group.lease.ledger.bad
    assert ("child_exited", canary.name) == (bad.reason, bad.pod)
    assert "a" == canary.rollout.versions.live
    assert 2 == len(followers(group, "b"))


def test_check_that_fails_thrice_condemns() -> None:
    group = settled(3, check=True)
    group.offer("b")
    group.until(1020.0)
    canary = canary_of(group, "b")
    group.checks = False
    group.until(1040.0)

    (bad,) = group.lease.ledger.bad
    assert ("check", canary.name) == (bad.reason, bad.pod)
    assert 3 <= sum(isinstance(order, deeds.CheckTrial) for order in canary.orders)
    assert "a" == canary.rollout.versions.live


def test_check_that_fails_twice_is_no_verdict() -> None:
    group = settled(1, check=True)
    group.checks = False
    group.offer("b")
    canary = group.pods[0]
    group.until(1000.0 + place("web-0", "b") * 20.0 + 6.0)
    assert 2 == canary.fleet.trial.failures if canary.fleet.trial else False
    group.checks = True
    group.until(1200.0)

    assert ("settled", "b") == canary.seen


def test_check_that_cannot_be_asked_is_no_verdict() -> None:
    """The canary says so, and gives the trial away; it tries again after the time of a trial."""
    group = settled(1, check=True)
    (pod,) = group.pods
    group.unasked = "curl cannot run"
    group.offer("b")
    group.until(1100.0)
    assert ("held", "unchecked") == (pod.fleet.state, pod.fleet.reason)
    assert "its trial ended without a verdict: curl cannot run" == pod.fleet.error
    assert () == group.lease.ledger.bad

    group.unasked = ""
    group.until(1400.0)
    assert ("settled", "b") == pod.seen
    assert "b" in group.lease.ledger.good


def test_check_that_is_asked_again_goes_on() -> None:
    group = settled(1, check=True)
    group.unasked = "no thread"
    group.offer("b")
    group.until(1000.0 + place("web-0", "b") * 20.0 + 20.0)
    group.unasked = ""
    group.until(1200.0)

    assert ("settled", "b") == group.pods[0].seen
    assert [("good", "b")] == [(one.verdict, one.version) for one in group.pods[0].fleet.verdicts]


def test_pods_at_rest_ask_for_nothing() -> None:
    group = settled(3)
    before = group.pods[0].state
    for pod in group.pods:
        pod.tell(ev.DeadlinePassed())
        pod.tell(ev.SourceContacted(0))
    group.until(100_000.0)

    assert [[]] * 3 == [pod.orders for pod in group.pods]
    assert before.fleet is group.pods[0].fleet


@pytest.mark.parametrize("pods", [1, 2, 50])
def test_group_of_any_size_converges(pods: int) -> None:
    group = settled(pods)
    for number, version in enumerate("bcd"):
        group.offer(version)
        group.until(1200.0 + 200.0 * number)
        assert [("settled", version)] * pods == group.seen()
    assert 6 == group.lease.writes
