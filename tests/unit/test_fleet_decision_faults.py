"""Histories of a fleet's decision in trouble: lost canaries, versions without a verdict, newer
versions meanwhile, failures after the verdict.
"""

from __future__ import annotations

import pytest

from config_supervisor.core import actions as act
from config_supervisor.core import events as ev
from config_supervisor.core.actions import RollBack
from config_supervisor.core.rollout_state import RolloutPolicy
from config_supervisor.fleet.lease import Condemned
from config_supervisor.fleet.policy import place
from config_supervisor.fleet.publication import farewell
from config_supervisor.fleet.state import Debt, Trouble, Verdict
from tests.unit.fleet_group import Group, canary_of, settled


def applied(group: Group, version: str) -> int:
    return sum(version in pod.applied for pod in group.pods)


# --- lost canaries --------------------------------------------------------------------------------


def test_trial_of_a_lost_canary_goes_to_another_pod() -> None:
    group = settled(4)
    group.offer("b")
    group.until(1020.0)
    lost = canary_of(group, "b")
    group.pods.remove(lost)
    group.lease.followers.remove(lost)
    group.until(1099.0)
    assert lost.name == group.lease.ledger.holder
    group.until(1160.0)

    assert ("b", 0) == (group.lease.ledger.good[0], group.lease.ledger.tries)
    group.until(1400.0)
    assert [("settled", "b")] * 3 == group.seen()


def test_third_lost_canary_condemns() -> None:
    group = settled(2)
    group.lease.write(trial="b", tries=3, holder="gone", duration=100.0)
    group.offer("b")
    group.until(1100.0)
    assert not group.lease.ledger.bad
    group.until(1160.0)

    (bad,) = group.lease.ledger.bad
    assert ("b", "lost") == (bad.version, bad.reason)
    assert 0 == applied(group, "b")


def test_timer_begins_again_with_each_canary() -> None:
    group = settled(1)
    group.lease.write(trial="b", tries=1, holder="gone", duration=100.0)
    group.offer("b")
    group.until(1090.0)
    group.lease.write(trial="b", tries=2, holder="other", duration=100.0)
    group.until(1185.0)

    assert "other" == group.lease.ledger.holder


def test_slow_canary_whose_trial_was_taken_follows() -> None:
    group = settled(2)
    group.fates["b"] = "wait"
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    group.lease.write(trial="b", tries=2, holder="other")
    assert "waiting" == canary.fleet.state
    canary.tell(ev.ReloadFinished(canary.rollout.reloads.number, "verify", "500"))

    (bad,) = group.lease.ledger.bad
    assert ("verify", canary.name) == (bad.reason, bad.pod)


@pytest.mark.parametrize("how", ["taken", "deleted", "cleared"])
def test_canary_that_lost_its_trial_has_no_way_back_to_it(how: str) -> None:
    group = settled(1)
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    assert "b" == canary.rollout.versions.good
    if how == "taken":
        group.lease.write(trial="b", tries=2, holder="other")
    elif how == "deleted":
        group.lease.delete()
    else:
        group.lease.write(trial="", tries=0, holder="")
    canary.fates["c"] = "verify"
    group.lease.write(trial="c", tries=1, holder=canary.name)
    group.offer("c")
    canary.tell(ev.VersionCleared("c"))

    assert "a" == canary.rollout.versions.good


def test_canary_that_lost_its_trial_leaves_the_condemned() -> None:
    group = settled(2)
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    group.lease.write(trial="b", tries=2, holder="other")
    assert ("waiting", "b") == canary.seen
    group.lease.write(trial="", tries=0, holder="", bad=(Condemned("b", "lost", "other"),))

    assert ("condemned", "a") == canary.seen


def test_restarted_canary_condemns_and_starts_on_the_last_good() -> None:
    group = settled(3)
    group.offer("b")
    group.until(1020.0)
    canary, others = group.of("b")
    group.lease.followers.remove(canary)
    canary.begin()
    canary.offer("b")

    (bad,) = group.lease.ledger.bad
    assert ("died", canary.name) == (bad.reason, bad.pod)
    group.until(1100.0)
    assert ("condemned", "a") == canary.seen
    assert [("condemned", "a")] * 2 == [pod.seen for pod in others]


# --- a canary without a verdict -------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["connect", "no_handler", "unverified"])
def test_canary_without_a_verdict_gives_the_trial_away(outcome: str) -> None:
    group = settled(2)
    group.offer("b")
    for pod in group.pods:
        pod.fates["b"] = outcome
    group.until(1020.0)
    canary, (other,) = group.of("b")
    other.fates.clear()
    group.until(canary.fleet.since + 29.0)
    assert canary.name == group.lease.ledger.holder
    group.until(canary.fleet.since + 50.0)

    assert other.name == group.lease.ledger.holder
    assert () == group.lease.ledger.bad
    group.until(1200.0)
    assert "b" == group.lease.ledger.good[0]


def test_three_canaries_without_a_verdict_hold_the_version() -> None:
    group = settled(6)
    group.fates["b"] = "connect"
    group.offer("b")
    group.until(3000.0)

    tried = [pod for pod in group.pods if pod.applied]
    assert (3, 3, "") == (len(tried), group.lease.ledger.tries, group.lease.ledger.holder)
    assert ["unsure"] * 6 == [pod.fleet.reason for pod in group.pods]
    assert () == group.lease.ledger.bad

    group.fates.clear()
    group.until(3300.0)
    assert [("settled", "b")] * 6 == group.seen()


@pytest.mark.parametrize("hours", [1, 3])
def test_trials_that_no_app_has_met_do_not_count(hours: int) -> None:
    group = settled(5)
    for pod in group.pods:
        pod.refusal = "write"
    group.offer("b")
    group.until(1000.0 + 3600.0 * hours)
    for pod in group.pods:
        pod.refusal = ""
    group.until(1000.0 + 3600.0 * (hours + 1))

    assert [("settled", "b")] * 5 == group.seen()


def test_revert_within_the_spread_is_settled_at_once() -> None:
    """Its name among the pods is another one, as with Secrets."""
    group = settled(3)
    group.offer("b")
    group.until(1090.0)
    assert [("due", "b")] * 3 == group.seen()
    group.fates["c"] = "verify"
    group.offer("c")
    group.until(1160.0)
    assert [("condemned", "b")] * 3 == group.seen()
    for pod in group.pods:
        pod.offer("b", "another")

    assert [("settled", "b")] * 3 == group.seen()


def test_full_disk_is_no_verdict_and_closes_the_gate() -> None:
    group = settled(2)
    for pod in group.pods:
        pod.refusal = "write"
    group.offer("b")
    group.until(1090.0)

    assert () == group.lease.ledger.bad
    assert [""] * 2 == [pod.rollout.versions.cleared for pod in group.pods]
    for pod in group.pods:
        pod.refusal = ""
    group.until(1600.0)
    assert [("settled", "b")] * 2 == group.seen()


def test_stopped_canary_gives_the_trial_away() -> None:
    group = settled(2)
    group.offer("b")
    group.until(1020.0)
    canary, (other,) = group.of("b")
    canary.tell(ev.SignalReceived(15))
    group.until(1040.0)

    assert () == group.lease.ledger.bad
    assert other.name == group.lease.ledger.holder


def test_resignation_calls_one_pod_after_another() -> None:
    """All watch the trial: they must not claim it in the same moment."""
    group = settled(6)
    group.offer("b")
    group.until(1020.0)
    canary, others = group.of("b")
    places = {pod.name: place(pod.name, "b") for pod in others}
    canary.tell(ev.SignalReceived(15))
    first = min(places, key=lambda name: places[name])
    group.until(1020.0 + 20.0 * places[first] - 0.1)
    assert ("b", "") == (group.lease.ledger.trial, group.lease.ledger.holder)
    group.until(1020.0 + 20.0 * places[first])

    assert first == group.lease.ledger.holder


def test_farewell_of_a_canary_is_a_resignation_or_its_verdict() -> None:
    group = settled(2)
    group.offer("b")
    group.until(1020.0)
    canary, (other,) = group.of("b")
    last = group.lease.state
    ledger = group.lease.ledger
    assert farewell(other.fleet, last) is None
    assert ledger.replace(holder="") == farewell(canary.fleet, last)
    owed = canary.fleet.replace(owed=(Debt(Verdict.BAD, "b", "check"),))
    bad = farewell(owed, last)
    assert bad is not None
    assert [("b", "check", canary.name)] == [(o.version, o.reason, o.pod) for o in bad.bad]
    away = canary.fleet.replace(unread=Trouble("unreachable", "refused"))
    assert farewell(away, last) is None


def test_rejected_validation_condemns() -> None:
    group = settled(3)
    for pod in group.pods:
        pod.refusal = "validate"
    group.offer("b")
    group.until(1100.0)

    assert ["validate"] == [one.reason for one in group.lease.ledger.bad]
    assert 0 == applied(group, "b")


# --- versions that come meanwhile -----------------------------------------------------------------


def test_canary_goes_on_with_a_newer_version_at_once() -> None:
    group = settled(4)
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    group.offer("c")

    assert ("c", canary.name) == (group.lease.ledger.trial, group.lease.ledger.holder)
    group.until(1300.0)
    assert [("settled", "c")] * 4 == group.seen()


def test_revert_to_a_good_version_ends_the_trial() -> None:
    group = settled(4)
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    group.offer("a")
    group.until(1100.0)

    assert ("", ("a",)) == (group.lease.ledger.trial, group.lease.ledger.good)
    assert [("settled", "a")] * 4 == group.seen()
    assert 1 == applied(group, "b")
    assert canary.name in [pod.name for pod in group.pods if "b" in pod.applied]


def test_pod_that_lags_does_not_take_the_trial_of_a_newer_one() -> None:
    group = settled(1)
    group.lease.write(trial="newer", tries=1, holder="other", duration=100.0)
    group.offer("b")
    group.until(1099.0)
    assert "newer" == group.lease.ledger.trial
    group.until(1125.0)

    assert "b" == group.lease.ledger.trial


def test_trial_of_an_older_version_is_replaced() -> None:
    group = settled(1)
    (pod,) = group.pods
    group.lease.write(trial="b", tries=1, holder="other", duration=100.0)
    pod.offer("b")
    group.until(1030.0)
    pod.offer("c")
    group.until(1030.0 + place(pod.name, "c") * 20.0)

    assert ("c", pod.name) == (group.lease.ledger.trial, group.lease.ledger.holder)


# --- late failures --------------------------------------------------------------------------------


def test_failure_after_the_verdict_stops_the_spread() -> None:
    group = settled(20)
    group.offer("b")
    group.until(1020.0)
    canary, others = group.of("b")
    others.sort(key=lambda pod: place(pod.name, "b"))
    others[3].fates["b"] = "verify"
    group.until(1400.0)

    assert [("verify", others[3].name)] == [(b.reason, b.pod) for b in group.lease.ledger.bad]
    assert 5 == applied(group, "b")
    assert ["b"] * 4 == [pod.rollout.runs_on for pod in (canary, *others[:3])]
    assert ["a"] * 16 == [pod.rollout.runs_on for pod in others[3:]]
    assert ("a",) == group.lease.ledger.good


def test_bad_verdict_of_another_ends_a_trial() -> None:
    group = settled(2)
    group.offer("b")
    group.until(1020.0)
    canary, _ = group.of("b")
    group.lease.write(trial="", holder="", bad=(Condemned("b", "manual", "x"),))

    assert RollBack("a") in canary.orders
    assert ("condemned", "a") == canary.seen
    group.until(1100.0)
    assert ["a"] == list(group.lease.ledger.good)


def test_condemned_version_without_a_way_back_is_left_alone() -> None:
    """The files of --config-dir are not ours: the app is not told of the version again."""
    group = settled(2)
    for pod in group.pods:
        pod.policy = pod.policy.replace(rollout=RolloutPolicy(verify=True))
    group.fates["b"] = "verify"
    group.offer("b")
    group.until(2000.0)

    reloads = [one for pod in group.pods for one in pod.orders if isinstance(one, act.Reload)]
    assert 1 == len(reloads)
    assert ["condemned"] * 2 == [pod.fleet.state for pod in group.pods]
    group.fates.clear()
    group.offer("c")
    group.until(2300.0)
    assert [("settled", "c")] * 2 == group.seen()
