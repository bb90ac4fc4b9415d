"""Histories of pods that start while a version is good, on trial, bad, or unknown."""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.life_state import Ended
from config_supervisor.core.versions import Marks
from config_supervisor.fleet import events as fe
from config_supervisor.fleet import orders as deeds
from config_supervisor.fleet.lease import Condemned
from tests.unit.fleet_group import SHAPE, Group, Pod, settled


def group_of(good: tuple[str, ...] = ("a",), **options: object) -> Group:
    """A fleet without pods."""
    return Group(0, good, **options)


def started(group: Group, version: str, *kept: str) -> Pod:
    """A pod that starts with these good versions on its disk."""
    pod = Pod(group, "web-new")
    pod.kept = kept
    group.pods.append(pod)
    pod.offer(version)
    return pod


def test_start_on_a_good_version_is_settled_at_once() -> None:
    group = group_of(("b", "a"))
    pod = started(group, "b", "a")

    assert ("settled", "b") == pod.seen
    requests = [order for order in pod.orders if type(order).__module__ == deeds.__name__]
    assert [deeds.ReadLease()] == requests


@pytest.mark.parametrize("state", ["trial", "bad", "unknown"])
def test_start_without_a_good_verdict_is_on_the_last_good(state: str) -> None:
    group = group_of()
    if state == "trial":
        group.lease.write(trial="b", tries=1, holder="other", duration=100.0)
    if state == "bad":
        group.lease.write(bad=(Condemned("b", "verify", "other"),))
    pod = started(group, "b", "b", "a") if state != "unknown" else started(group, "b", "a")

    assert ("a", []) == (pod.rollout.runs_on, pod.applied)


def test_start_without_a_version_on_disk_takes_the_kept_one() -> None:
    group = group_of(keep=True)
    group.keep = "a"
    group.lease.write(trial="b", tries=1, holder="other", duration=100.0)
    pod = started(group, "b")

    assert deeds.FetchKept(("a",)) in pod.orders
    assert "a" == pod.rollout.runs_on


def test_start_takes_a_kept_version_that_was_good_before() -> None:
    """The keep may be behind, as after a write that was refused."""
    group = group_of(keep=True)
    group.keep = "a"
    group.lease.write(good=("c", "a"), bad=(Condemned("b", "verify", "other"),))
    pod = started(group, "b")

    assert "a" == pod.rollout.runs_on


def test_start_with_nothing_else_takes_the_newest() -> None:
    group = group_of(keep=True)
    group.lease.write(trial="b", tries=1, holder="other", duration=100.0)
    pod = started(group, "b")

    assert ("waiting", "b") == pod.seen
    group.lease.write(trial="", holder="", good=("b", "a"))
    group.until(200.0)
    assert ("settled", "b") == pod.seen


def test_start_with_nothing_but_a_bad_version_ends() -> None:
    group = group_of()
    group.lease.write(bad=(Condemned("b", "verify", "other"),))
    pod = started(group, "b")
    assert ("condemned", "", []) == (*pod.seen, pod.applied)
    group.until(61.0)

    assert [125] == [order.code for order in pod.orders if isinstance(order, Ended)]


@pytest.mark.parametrize(("on_disk", "runs_on"), [("a", "a"), ("x", "")])
def test_start_is_on_a_version_good_to_the_fleet_alone(on_disk: str, runs_on: str) -> None:
    """An init container has no app, so none of its versions is marked on its disk."""
    group = group_of()
    group.lease.write(bad=(Condemned("b", "verify", "other"),))
    pod = Pod(group, "web-new")
    pod.unmarked = (on_disk,)
    group.pods.append(pod)
    pod.offer("b")

    assert (runs_on, []) == (pod.rollout.runs_on, pod.applied)


def test_approval_releases_a_start() -> None:
    group = group_of()
    group.lease.write(bad=(Condemned("b", "verify", "other"),))
    pod = started(group, "b")
    group.until(25.0)
    group.lease.write(bad=(), good=("b",))

    assert ["b"] == pod.applied


def test_approval_releases_a_start_on_a_version_that_failed_here() -> None:
    group = group_of(("b", "a"))
    pod = Pod(group, "web-new")
    pod.remembered = Marks(failed=(("b", "killed twice"),))
    group.pods.append(pod)
    pod.offer("b")
    assert ("condemned", "") == pod.seen
    group.until(25.0)
    group.lease.write(bad=(), good=("b",), hurry="b")

    assert "b" == pod.rollout.runs_on


def test_forgotten_verdict_starts_a_trial_by_a_single_pod() -> None:
    """A person deletes the Lease while pods wait for a version that is not bad."""
    group = group_of()
    group.lease.write(bad=(Condemned("b", "verify", "other"),))
    pods = [Pod(group, f"web-{number}") for number in range(3)]
    group.pods += pods
    group.offer("b")
    group.until(25.0)
    group.lease.delete()
    group.until(26.0)

    assert ["canary", "waiting", "waiting"] == sorted(pod.fleet.state for pod in pods)
    assert ["b"] == [digest for pod in pods for digest in pod.applied]


def test_start_asks_for_the_lease_again_once_the_sources_answer() -> None:
    group = group_of()
    group.lease.write(bad=(Condemned("b", "verify", "other"),))
    pod = Pod(group, "web-new")
    group.pods.append(pod)
    pod.trouble = fe.LeaseFailed("unreachable", "no")
    pod.begin()
    group.until(40.0)
    pod.trouble = None
    pod.offer("b")

    assert (("condemned", ""), []) == (pod.seen, pod.applied)


def test_new_group_starts_at_once_and_tries_one_pod() -> None:
    group = Group(5)
    group.offer("a")
    assert ["a"] * 5 == [pod.rollout.runs_on for pod in group.pods]
    group.until(200.0)

    assert [("settled", "a")] * 5 == group.seen()
    assert (("a",), SHAPE) == (group.lease.ledger.good, group.lease.ledger.shape)
    assert 2 == group.lease.writes


@pytest.mark.parametrize(("reason", "wait"), [("forbidden", 0.0), ("unreachable", 20.0)])
def test_start_does_not_wait_long_for_the_lease(reason: str, wait: float) -> None:
    group = group_of()
    pod = Pod(group, "web-new")
    group.pods.append(pod)
    pod.trouble = fe.LeaseFailed(reason, "no")
    pod.kept = ("a",)
    pod.begin()
    pod.offer("b")
    group.until(wait - 0.1)
    assert ("a" if not wait else "") == pod.rollout.runs_on
    group.until(wait)

    assert "a" == pod.rollout.runs_on
    group.until(200.0)
    assert (("held", "a"), reason) == (pod.seen, pod.fleet.reason)


def test_own_failure_of_earlier_runs_counts_at_a_start() -> None:
    group = group_of(("b", "a"))
    pod = Pod(group, "web-new")
    pod.kept = ("a",)
    pod.remembered = Marks(good=("a",), failed=(("b", "killed twice"),))
    group.pods.append(pod)
    pod.offer("b")

    assert "a" == pod.rollout.runs_on
    assert ["b"] == [one.version for one in group.lease.ledger.bad]


def test_orderly_restart_of_a_canary_condemns_nothing() -> None:
    group = settled(2)
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    canary.tell(ev.SignalReceived(15))
    canary.tell(ev.Exited(7, 143))
    group.lease.followers.remove(canary)
    canary.begin()
    canary.offer("b")
    group.until(1400.0)

    assert () == group.lease.ledger.bad
    assert [("settled", "b")] * 2 == group.seen()
