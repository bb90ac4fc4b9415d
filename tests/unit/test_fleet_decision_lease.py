"""Histories of a fleet's decision with a Lease in trouble: away, forbidden, deleted, of others;
with lost and late answers; and of pods that may not begin.
"""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.fleet import events as fe
from config_supervisor.fleet import orders as deeds
from config_supervisor.fleet.lease import Condemned, LeaseState, Ledger, written
from tests.unit.fleet_group import SHAPE, Group, Pod, settled

FORBIDDEN = fe.LeaseFailed("forbidden", "leases.coordination.k8s.io is forbidden")
AWAY = fe.LeaseFailed("unreachable", "connection refused")


def applied(group: Group, version: str) -> int:
    return sum(version in pod.applied for pod in group.pods)


@pytest.mark.parametrize(("trouble", "reason"), [(FORBIDDEN, "forbidden"), (AWAY, "unreachable")])
def test_lease_that_cannot_be_read_holds(trouble: fe.LeaseFailed, reason: str) -> None:
    group = settled(2)
    for pod in group.pods:
        pod.trouble = trouble
    group.offer("b")
    group.until(5000.0)

    assert [("held", "a")] * 2 == group.seen()
    assert [reason] * 2 == [pod.fleet.reason for pod in group.pods]
    for pod in group.pods:
        pod.trouble = None
        pod.tell(fe.LeaseRead(group.lease.state))  # the watch goes on trying
    group.until(5400.0)
    assert [("settled", "b")] * 2 == group.seen()


def test_claim_without_the_right_to_write_holds() -> None:
    group = settled(1)
    (pod,) = group.pods
    pod.offer("b")
    pod.readonly = True
    group.until(3000.0)

    assert (("held", "a"), "forbidden") == (pod.seen, pod.fleet.reason)
    writes = sum(isinstance(order, deeds.WriteLease) for order in pod.orders)
    assert 10 < writes < 60
    pod.readonly = False
    group.until(3300.0)
    assert ("settled", "b") == pod.seen


def test_lost_answer_of_a_claim_is_found_in_the_lease() -> None:
    group = settled(2)
    for pod in group.pods:
        pod.deaf = True
    group.offer("b")
    group.until(1300.0)

    assert "b" == group.lease.ledger.good[0]
    assert () == group.lease.ledger.bad


def test_verdict_during_an_outage_is_told_afterwards() -> None:
    group = settled(2)
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    canary.trouble = AWAY
    canary.tell(AWAY)
    group.until(1090.0)
    assert ("canary", ("a",)) == (canary.fleet.state, group.lease.ledger.good)
    canary.trouble = None
    canary.tell(fe.LeaseRead(group.lease.state))
    group.until(1180.0)

    assert ("b", "a") == group.lease.ledger.good


def owing(trouble: fe.LeaseFailed) -> tuple[Group, Pod]:
    """A canary that could not write its verdict for a quarter of an hour."""
    group = settled(1)
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    canary.trouble = trouble
    group.until(2000.0)
    group.until(canary.fleet.retry - 14.0)
    assert canary.fleet.owed
    canary.orders.clear()
    canary.trouble = None
    return group, canary


@pytest.mark.parametrize("reason", ["unreachable", "server_error"])
@pytest.mark.parametrize("sign", [ev.WatchConnected(0), ev.SourceRead(0, present=True)])
def test_sign_of_life_lets_a_verdict_go(reason: str, sign: ev.Event) -> None:
    group, canary = owing(fe.LeaseFailed(reason, "no answer"))
    canary.tell(sign)

    assert "b" == group.lease.ledger.good[0]


def test_lease_that_is_read_again_lets_a_verdict_go() -> None:
    group, canary = owing(AWAY)
    canary.tell(AWAY)
    canary.tell(fe.LeaseRead(group.lease.state))

    assert "b" == group.lease.ledger.good[0]


def test_sign_of_life_gives_no_right_to_write() -> None:
    group, canary = owing(FORBIDDEN)
    canary.tell(ev.WatchConnected(0))

    assert [] == canary.orders
    group.until(2100.0)
    assert "b" == group.lease.ledger.good[0]


def test_signs_of_life_let_few_writes_go() -> None:
    """A server that answers reads, and fails with each write."""
    group, canary = owing(AWAY)
    canary.trouble = fe.LeaseFailed("server_error", "etcd has no leader")
    for _ in range(100):
        group.until(group.now + 0.1)
        canary.tell(ev.WatchConnected(0))

    assert 1 < sum(isinstance(order, deeds.WriteLease) for order in canary.orders) < 4


def test_late_answer_of_an_old_state_is_ignored() -> None:
    group = settled(2)
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    old = group.lease.state
    group.lease.write(trial="", holder="", bad=(Condemned("b", "manual", "x"),))
    canary.tell(fe.LeaseRead(old))

    assert ("condemned", "a") == canary.seen


def test_deleted_lease_is_made_again() -> None:
    group = settled(3)
    group.offer("b")
    group.until(1020.0)
    group.lease.delete()
    group.until(1300.0)

    assert [("settled", "b")] * 3 == group.seen()
    assert ("b", "a") == group.lease.ledger.good


def test_deleted_lease_forgets_the_condemned() -> None:
    group = settled(2)
    group.fates["b"] = "verify"
    group.offer("b")
    group.until(1100.0)
    assert [("condemned", "a")] * 2 == group.seen()
    group.fates.clear()
    group.lease.delete()
    group.until(1400.0)

    assert [("settled", "b")] * 2 == group.seen()


def test_lease_of_others_is_left_alone() -> None:
    group = settled(2)
    group.lease.put(LeaseState({}, "kube-scheduler", 15.0))
    group.offer("b")
    group.until(3000.0)

    assert [("held", "a")] * 2 == group.seen()
    assert (["foreign"] * 2, 0) == (
        [pod.fleet.reason for pod in group.pods],
        group.lease.writes,
    )


def test_pod_of_another_shape_holds() -> None:
    group = settled(2)
    group.lease.write(shape="other")
    group.offer("b")
    group.until(3000.0)

    assert (["shape"] * 2, 0) == (
        [pod.fleet.reason for pod in group.pods],
        group.lease.writes,
    )


def test_version_without_a_name_is_held() -> None:
    group = settled(2)
    for pod in group.pods:
        pod.offer("b", "")
    group.until(3000.0)

    assert [("held", "a")] * 2 == group.seen()
    assert ["unnamed"] * 2 == [pod.fleet.reason for pod in group.pods]


def test_names_of_secrets_are_shared_in_place_of_digests() -> None:
    group = settled(3)
    for pod in group.pods:
        pod.offer("b", "name1")
    group.until(1200.0)

    assert [("settled", "b")] * 3 == group.seen()
    assert "name1" == group.lease.ledger.good[0]


# --- roles, windows -------------------------------------------------------------------------------


def test_followers_alone_hold() -> None:
    group = settled(2, role="follower")
    group.offer("b")
    group.until(3000.0)

    assert [("held", "a")] * 2 == group.seen()
    assert ["no_canary"] * 2 == [pod.fleet.reason for pod in group.pods]


def test_pods_wait_for_the_reload_window() -> None:
    group = settled(4, windows=True)
    group.offer("b")
    group.until(3599.0)
    assert [("held", "window")] * 4 == [(p.fleet.state, p.fleet.reason) for p in group.pods]
    assert 0 == group.lease.writes
    group.until(3620.0)
    assert 1 == applied(group, "b")
    group.until(3800.0)

    assert [("settled", "b")] * 4 == group.seen()


def test_pause_at_the_source_holds_the_claim() -> None:
    group = settled(2)
    for pod in group.pods:
        pod.tell(ev.SourceRead(0, present=True, paused=True))
    group.offer("b")
    group.until(2000.0)
    assert ["paused"] * 2 == [pod.fleet.reason for pod in group.pods]
    for pod in group.pods:
        pod.tell(ev.SourceRead(0, present=True, paused=False))
    group.until(2200.0)

    assert [("settled", "b")] * 2 == group.seen()


@pytest.mark.parametrize("between", ["other shape", "condemned", "foreign", "at rest"])
def test_same_trial_again_has_its_whole_time_again(between: str) -> None:
    """A trial that comes again as it was, after an end, is another one."""
    group = settled()
    trial = {"trial": "b", "tries": 1, "holder": "web-9", "duration": 100.0}
    group.lease.write(**trial)
    group.offer("b")
    group.until(1090.0)
    ended = {"trial": "", "tries": 0, "holder": "", "duration": 0.0}
    match between:
        case "other shape":
            group.lease.write(**ended, shape="cafe")
        case "condemned":
            group.lease.write(**ended, bad=(Condemned("b", "verify", "web-9"),))
        case "foreign":
            group.lease.put(LeaseState({"config-supervisor/format": "2"}))
        case "at rest":
            group.offer("a")
            group.until(1095.0)
            assert [] == group.lease.followers
            group.offer("b")
    group.lease.put(written(Ledger(shape=SHAPE, good=("a",)).replace(**trial)))
    again = group.now
    group.until(again + 99.0)
    assert (0, 1) == (applied(group, "b"), group.lease.ledger.tries)
    group.until(again + 130.0)

    assert (1, 2) == (applied(group, "b"), group.lease.ledger.tries)


def test_lack_of_threads_is_waited_out() -> None:
    """No thread follows the Lease then: the pod asks for one again and again, and says so."""
    group = settled(1)
    (pod,) = group.pods
    pod.trouble = fe.LeaseFailed("shortage", "cannot watch lease a/web: no thread")
    group.offer("b")
    group.until(1060.0)
    assert ("held", "shortage") == (pod.fleet.state, pod.fleet.reason)
    assert 8 <= sum(isinstance(order, deeds.FollowLease) for order in pod.orders) <= 14

    pod.trouble = None
    group.until(1300.0)
    assert ("settled", "b") == pod.seen
    assert [] == group.lease.followers


@pytest.mark.parametrize("manual", [False, True])
@pytest.mark.parametrize("verified", [True, False])
def test_trial_begins_again_after_its_lease_is_deleted(verified: bool, manual: bool) -> None:
    group = settled(manual=manual)
    group.fates["b"] = "" if verified else "wait"
    group.offer("b")
    group.until(1015.0)
    (canary,) = (pod for pod in group.pods if pod.applied)
    group.lease.delete()
    group.fates["b"] = ""
    for pod in group.pods:
        pod.tell(ev.DeadlinePassed())
    if not verified:
        canary.tell(ev.ReloadFinished(canary.rollout.reloads.number, "", ""))
    group.until(1075.0)

    ledger = group.lease.ledger
    assert "b" == (ledger.passed if manual else ledger.good[0])
    assert ["b"] == canary.applied
