"""Histories of people's orders to a fleet, and of one pod at a time."""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.fleet import events as fe
from config_supervisor.fleet import orders as deeds
from config_supervisor.fleet.lease import Condemned, LeaseState
from config_supervisor.fleet.state import Debt, Verdict
from tests.unit.fleet_group import Group, Pod, settled


def condemned(pods: int = 3) -> Group:
    """A fleet on `a` whose newest version `b` is bad."""
    group = settled(pods)
    group.fates["b"] = "verify"
    group.offer("b")
    group.until(1200.0)
    assert [("condemned", "a")] * pods == group.seen()
    group.fates.clear()
    return group


def order(group: Group, verb: str, version: str = "", pod: int = 0) -> list[str]:
    """The answers to an order."""
    taker = group.pods[pod]
    taker.answers.clear()
    taker.tell(fe.FleetOrdered(verb, version))
    return taker.answers


def test_approval_applies_a_condemned_version_at_once() -> None:
    group = condemned()
    assert [""] == order(group, "approve")
    group.until(1201.0)

    assert ["b"] * 3 == [pod.rollout.runs_on for pod in group.pods]
    assert (("b", "a"), (), "b") == (
        group.lease.ledger.good,
        group.lease.ledger.bad,
        group.lease.ledger.hurry,
    )


def test_failure_of_an_approved_version_leaves_the_approval() -> None:
    group = condemned()
    group.pods[1].fates["b"] = "verify"
    order(group, "approve")
    group.until(1400.0)

    assert ("b", ()) == (group.lease.ledger.good[0], group.lease.ledger.bad)
    assert ["b", "a", "b"] == [pod.rollout.runs_on for pod in group.pods]


def test_clear_begins_another_trial() -> None:
    group = condemned()
    assert [""] == order(group, "clear")
    group.until(1400.0)

    assert [("settled", "b")] * 3 == group.seen()


def test_condemned_by_hand_spreads_no_further() -> None:
    group = settled(9)
    group.offer("b")
    group.until(1070.0)
    before = sum("b" in pod.applied for pod in group.pods)
    assert 1 < before < 9
    assert [""] == order(group, "condemn", pod=1)
    group.until(1400.0)

    assert before == sum("b" in pod.applied for pod in group.pods)
    assert before == sum(pod.rollout.runs_on == "b" for pod in group.pods)


def test_recall_reaches_pods_at_rest_when_a_source_is_touched() -> None:
    group = settled(4)
    group.offer("b")
    group.until(1200.0)
    assert [("settled", "b")] * 4 == group.seen()
    for pod in group.pods:
        pod.kept = ("b", "a")
    assert [""] == order(group, "recall")
    for pod in group.pods:
        pod.tell(ev.SourceRead(0, present=True, saw="modified"))
    group.until(1300.0)

    assert [("condemned", "a")] * 4 == group.seen()


def test_passed_version_without_approval_is_no_way_back() -> None:
    """Each newer version leaves its canary on a version that no person has approved."""
    group = settled(3, manual=True)
    group.offer("b")
    group.until(1060.0)
    assert "b" == group.lease.ledger.passed
    (canary,) = (pod for pod in group.pods if pod.rollout.runs_on == "b")
    group.lease.write(good=("c", "a"), passed="")
    canary.fates["c"] = "verify"
    canary.offer("c")
    group.until(1300.0)

    assert "a" == canary.rollout.runs_on
    assert ["b", "c"] == canary.applied


def test_approval_makes_a_passed_version_a_way_back() -> None:
    group = settled(3, manual=True)
    group.offer("b")
    group.until(1060.0)
    (canary,) = (pod for pod in group.pods if pod.rollout.runs_on == "b")
    canary.tell(fe.FleetOrdered("approve", "b"))
    group.until(1300.0)

    assert [("settled", "b")] * 3 == group.seen()
    assert "b" == canary.rollout.versions.good


def test_manual_approval_waits_for_a_person() -> None:
    group = settled(3, manual=True)
    group.offer("b")
    group.until(2000.0)
    assert ("b", ("a",)) == (group.lease.ledger.passed, group.lease.ledger.good)
    assert ["passed"] * 3 == [pod.fleet.state for pod in group.pods]
    assert 1 == sum("b" in pod.applied for pod in group.pods)
    assert [""] == order(group, "approve")
    group.until(2100.0)

    assert [("settled", "b")] * 3 == group.seen()
    assert "" == group.lease.ledger.hurry


@pytest.mark.parametrize(
    ("version", "words"),
    [("zzzzzz", "no known version"), ("9f", "too short"), ("abcdef", "2 versions")],
)
def test_version_that_names_none_is_refused(version: str, words: str) -> None:
    group = settled(1)
    group.lease.write(good=("abcdef1", "abcdef2", "9f2c11", "a"))
    (answer,) = order(group, "approve", version)
    assert words in answer


def test_beginning_of_a_version_names_it() -> None:
    group = settled(1)
    group.lease.write(good=("abcdef1", "a"))
    assert [""] == order(group, "condemn", "abcdef")
    assert [Condemned("abcdef1", "manual", "web-0")] == list(group.lease.ledger.bad)


def test_status_reads_the_lease_and_writes_nothing() -> None:
    group = settled(1)
    (pod,) = group.pods
    assert [""] == order(group, "status")
    assert (1, 0) == (pod.orders.count(deeds.ReadLease()), group.lease.writes)
    assert pod.fleet.shown == group.lease.ledger


def test_order_that_cannot_be_written_is_answered() -> None:
    group = settled(1)
    (pod,) = group.pods
    pod.trouble = fe.LeaseFailed("forbidden", "no right to read")
    (answer,) = order(group, "approve")
    assert "no right to read" in answer
    pod.trouble = None
    group.lease.put(LeaseState({}, "other", 1.0))
    (answer,) = order(group, "approve")
    assert "something else" in answer
    assert "kubectl delete lease web" in answer


def in_debt(trouble: fe.LeaseFailed) -> tuple[Group, Pod]:
    """A canary that cannot write its verdict, and waits before it tries again."""
    group = settled(2)
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    canary.trouble = trouble
    if not trouble.of_write:
        canary.tell(trouble)
    group.until(1100.0)
    assert canary.fleet.owed
    canary.answers.clear()
    canary.orders.clear()
    return group, canary


FORBIDDEN = fe.LeaseFailed("forbidden", "update is missing", of_write=True)
AWAY = fe.LeaseFailed("unreachable", "connection refused")


@pytest.mark.parametrize("trouble", [FORBIDDEN, AWAY])
def test_order_waits_for_no_other_deed(trouble: fe.LeaseFailed) -> None:
    _, canary = in_debt(trouble)
    canary.tell(fe.FleetOrdered("approve"))

    (answer,) = canary.answers
    assert trouble.error in answer
    assert "the order is dropped" in answer
    assert not canary.fleet.orders


@pytest.mark.parametrize("trouble", [FORBIDDEN, AWAY])
def test_status_beside_a_failed_write_is_told(trouble: fe.LeaseFailed) -> None:
    _, canary = in_debt(trouble)
    canary.tell(fe.FleetOrdered("status"))

    assert [trouble.error] == canary.answers
    assert not canary.orders[1:]  # beside the answer: a status needs no request


def test_status_without_an_answer_comes_from_memory() -> None:
    group = settled(1)
    (pod,) = group.pods
    pod.mute = {deeds.ReadLease}
    pod.tell(fe.FleetOrdered("status"))
    assert [] == pod.answers
    group.until(1001.0)

    assert ["no answer from the API server within 1 s"] == pod.answers


def test_order_without_an_answer_is_dropped() -> None:
    group = settled(1)
    (pod,) = group.pods
    pod.mute = {deeds.ReadLease}
    pod.tell(fe.FleetOrdered("condemn"))
    group.until(1006.0)

    (answer,) = pod.answers
    assert "no answer from the API server within 6 s; the order is dropped" in answer
    pod.mute = set()
    pod.tell(fe.LeaseRead(group.lease.state))
    group.until(1100.0)
    assert () == group.lease.ledger.bad


def test_order_with_a_lost_answer_may_stand() -> None:
    group = settled(1)
    (pod,) = group.pods
    pod.offer("b")
    group.until(1020.0)
    pod.deaf = True
    pod.mute = {deeds.ReadLease}
    pod.tell(fe.FleetOrdered("condemn", "a"))
    group.until(1026.0)

    assert "a" == group.lease.ledger.bad[0].version
    (answer,) = pod.answers
    assert "the order may stand all the same" in answer


def test_failed_read_is_no_failure_of_a_write() -> None:
    """The watch may break while a write is on its way."""
    group = settled(1)
    (pod,) = group.pods
    pod.offer("b")
    pod.mute = {deeds.WriteLease}
    group.until(1020.0)
    writing = pod.fleet.writing
    assert writing is not None
    pod.tell(AWAY)

    assert writing is pod.fleet.writing


def test_verdicts_are_counted_once() -> None:
    group = condemned()
    given = [one for pod in group.pods for one in pod.fleet.verdicts]
    assert [Debt(Verdict.BAD, "b", "verify")] == given
    assert 1 == sum(pod.fleet.judged for pod in group.pods)


def test_failure_after_an_approval_is_no_verdict() -> None:
    group = settled(2)
    group.fates["b"] = "verify"
    group.offer("b")
    person = group.pods[0]
    person.tell(fe.FleetOrdered("approve", "", lambda _: None))
    group.until(1300.0)

    assert [("condemned", "a")] * 2 == group.seen()
    assert [()] * 2 == [pod.fleet.verdicts for pod in group.pods]
    assert () == group.lease.ledger.bad


def test_lifted_condemnation_leaves_no_reason() -> None:
    group = settled(1)
    pod = group.pods[0]
    pod.offer("b")
    group.until(1055.0)
    assert ("due", "b") == pod.seen
    pod.tell(fe.FleetOrdered("condemn", "", lambda _: None))
    group.until(1200.0)
    assert (("settled", "b"), "manual") == (pod.seen, pod.fleet.reason)
    pod.tell(fe.FleetOrdered("approve", "", lambda _: None))
    group.until(1300.0)

    assert (("settled", "b"), "") == (pod.seen, pod.fleet.reason)


# --- one pod at a time ----------------------------------------------------------------------------


def next_busy(group: Group) -> list[Pod]:
    """The pods that reload, as soon as there is one."""
    for _ in range(60):
        group.until(group.now + 1.0)
        busy = [pod for pod in group.pods if pod.rollout.reloads.active]
        if busy:
            return busy
    return []


def test_serial_pods_take_a_version_one_by_one() -> None:
    group = settled(5, serial=True)
    group.offer("b")
    for pod in group.pods:
        pod.fates["b"] = "wait"
    for _ in range(5):
        (busy,) = next_busy(group)
        assert busy.name == group.lease.ledger.holder
        busy.tell(ev.ReloadFinished(busy.rollout.reloads.number))
    group.until(group.now + 200.0)

    assert [("settled", "b")] * 5 == group.seen()
    assert "" == group.lease.ledger.holder


def test_serial_turn_of_a_lost_pod_goes_on() -> None:
    group = settled(2, serial=True)
    group.lease.write(good=("b", "a"), holder="gone", duration=100.0)
    group.offer("b")
    group.until(1099.0)
    assert "gone" == group.lease.ledger.holder
    group.until(1400.0)

    assert [("settled", "b")] * 2 == group.seen()


def test_serial_failure_gives_the_turn_on_and_stops_the_others() -> None:
    group = settled(4, serial=True)
    group.lease.write(good=("b", "a"))
    group.fates["b"] = "verify"
    group.offer("b")
    group.until(1400.0)

    assert 1 == sum("b" in pod.applied for pod in group.pods)
    assert ("", "verify") == (group.lease.ledger.holder, group.lease.ledger.bad[0].reason)
