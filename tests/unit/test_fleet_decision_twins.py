"""Histories of pods that share an identity, by a mistake of people: each acts for itself."""

from __future__ import annotations

from typing import Any

import pytest

from config_supervisor.core.versions import Marks
from config_supervisor.fleet.lease import Condemned
from config_supervisor.fleet.policy import SANDBOX
from config_supervisor.fleet.state import Hold
from tests.unit.fleet_group import SHAPE, Group, Pod

HERE, ELSEWHERE = "a" * SANDBOX, "b" * SANDBOX
TRIAL: dict[str, Any] = {"trial": "b", "tries": 1, "holder": "web", "duration": 100.0}


def twins(pods: int = 3, **options: Any) -> Group:
    """A fleet at rest on version `a`; all pods share an identity, as on a host network."""
    group = Group(0, ("a",), **options)
    group.pods = [Pod(group, "web", claim=f"{HERE}{number}") for number in range(pods)]
    group.offer("a")
    group.until(1000.0)
    for pod in group.pods:
        pod.kept = ("a",)
        pod.applied.clear()
    return group


def runs(group: Group, version: str) -> int:
    return sum(pod.rollout.runs_on == version for pod in group.pods)


def test_bad_version_is_taken_by_one_twin() -> None:
    group = twins()
    group.fates["b"] = "verify"
    group.offer("b")
    group.until(1300.0)

    assert [("b", "verify")] == [(one.version, one.reason) for one in group.lease.ledger.bad]
    assert ["b"] == [version for pod in group.pods for version in pod.applied]
    assert 3 == runs(group, "a")


def test_good_version_is_tried_by_one_twin_and_followed() -> None:
    group = twins()
    group.offer("b")
    group.until(1021.0)
    assert 1 == runs(group, "b")
    held = [pod.fleet for pod in group.pods if pod.rollout.runs_on == "a"]
    assert [("held", Hold.TWIN)] * 2 == [(one.state, one.reason) for one in held]
    assert all("POD_UID" in one.error for one in held)

    group.until(1300.0)
    assert () == group.lease.ledger.bad
    assert [("settled", "b")] * 3 == group.seen()


def test_twins_follow_at_places_of_their_own() -> None:
    group = twins(5)
    group.offer("b")
    group.until(1300.0)
    taken = {pod.rollout.versions.applied_at for pod in group.pods}
    assert 5 == len(taken)


def test_lost_twin_is_replaced_once_its_time_is_over() -> None:
    group = twins(2, bake=300.0)
    group.lease.write(**TRIAL, claim=f"{ELSEWHERE}9")
    group.offer("b")
    group.until(1090.0)
    assert 0 == runs(group, "b")
    group.until(1150.0)

    assert (1, 2) == (runs(group, "b"), group.lease.ledger.tries)


@pytest.mark.parametrize("serial", [True, False])
def test_one_twin_at_a_time_takes_a_good_version(serial: bool) -> None:
    group = twins(3, serial=serial)
    group.lease.write(
        good=("b", "a"), holder="web" if serial else "", claim=f"{ELSEWHERE}9", duration=50.0
    )
    group.offer("b")
    group.until(1045.0)
    assert (0 if serial else 3) >= runs(group, "b")
    group.until(1400.0)

    assert 3 == runs(group, "b")


def started(claim: str, marks: Marks | None) -> Pod:
    """A pod that finds a trial in its name at its start."""
    group = Group(0, ("a",))
    group.lease.write(**TRIAL, claim=f"{HERE}1")
    pod = Pod(group, "web", claim=claim)
    pod.kept = ("a",)
    pod.remembered = marks
    group.pods.append(pod)
    pod.offer("b")
    return pod


@pytest.mark.parametrize(
    ("claim", "marks"),
    [
        (f"{ELSEWHERE}2", Marks(good=("a",), claim=f"{HERE}1")),  # the host was started again
        (f"{HERE}2", None),  # no disk outlived the container
    ],
)
def test_restarted_canary_knows_its_own_trial(claim: str, marks: Marks | None) -> None:
    pod = started(claim, marks)

    assert (Condemned("b", "died", "web"),) == pod.group.lease.ledger.bad
    assert ("condemned", "a") == pod.seen


@pytest.mark.parametrize(
    ("claim", "marks"),
    [
        (f"{HERE}2", Marks(good=("a",), claim=f"{HERE}2")),  # its disk has a mark of its own
        (f"{ELSEWHERE}2", None),  # the trial is of another sandbox
    ],
)
def test_start_beside_a_twin_condemns_nothing(claim: str, marks: Marks | None) -> None:
    pod = started(claim, marks)
    pod.group.until(40.0)

    assert () == pod.group.lease.ledger.bad
    assert (("held", "a"), Hold.TWIN) == (pod.seen, pod.fleet.reason)


def test_deposed_twin_does_not_give_the_trial_of_the_other_away() -> None:
    group = twins(2)
    group.fates["b"] = "connect"
    group.offer("b")
    group.until(1021.0)
    group.lease.write(tries=2, claim=f"{ELSEWHERE}9")
    group.until(1080.0)

    assert ("web", f"{ELSEWHERE}9", 2) == (
        group.lease.ledger.holder,
        group.lease.ledger.claim,
        group.lease.ledger.tries,
    )


def test_claim_is_on_the_disk_once_a_trial_begins() -> None:
    group = twins(1)
    group.offer("b")
    group.until(1021.0)

    assert f"{HERE}0" == group.pods[0].rollout.versions.marks.claim
    assert f"{HERE}0" == group.lease.ledger.claim
    assert SHAPE == group.lease.ledger.shape
