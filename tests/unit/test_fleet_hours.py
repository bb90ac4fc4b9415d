"""Hours in which a fleet takes no version: pauses of a source, closed reload windows."""

from __future__ import annotations

from typing import Any

from config_supervisor.core import events as ev
from config_supervisor.core import holds
from config_supervisor.fleet.events import FleetOrdered
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


# --- reload windows: from one to two o'clock, and the clock begins at midnight ------------------

OPENS, CLOSES = 3600.0, 7200.0


def timed(pods: int = 3, **options: Any) -> Group:
    """A fleet with windows, in which each event takes its time."""
    group = settled(pods, windows=True, **options)
    group.tick = 0.001
    return group


def test_trial_goes_on_while_time_goes_on() -> None:
    """The clock is read again for each step: that is no closed window."""
    group = timed()
    group.offer("b")
    group.until(OPENS + 25.0)

    assert ("canary", "b") == canary_of(group, "b").seen
    assert [()] * 3 == [one.fleet.verdicts for one in group.pods]
    group.until(OPENS + 200.0)
    assert [("settled", "b")] * 3 == group.seen()


def test_trial_outlasts_its_window_and_the_others_wait() -> None:
    group = timed()
    group.until(CLOSES - 25.0)
    group.offer("b")
    group.until(CLOSES + 400.0)

    assert "b" == group.lease.ledger.good[0]
    assert [("held", "a")] * 2 + [("settled", "b")] == sorted(group.seen())
    for hour in range(3, 26):
        group.until(hour * 3600.0 + 200.0)
    assert [("settled", "b")] * 3 == group.seen()


def test_held_follower_names_the_window_not_the_canary() -> None:
    """A group of followers, whose canary waits for the same hours."""
    group = timed(2, role="follower")
    group.offer("b")
    group.until(OPENS - 1.0)

    assert ["window"] * 2 == [pod.fleet.reason for pod in group.pods]
    assert ["window"] * 2 == [holds.reason(pod.rollout, pod.state.life) for pod in group.pods]
    assert group.pods[0].fleet.error.endswith("the next opens at 1970-01-01T01:00:00Z")


def test_condemned_version_waits_for_no_window() -> None:
    group = timed(2)
    group.offer("b")
    group.until(1100.0)
    group.pods[0].tell(FleetOrdered("condemn"))
    group.until(1200.0)

    assert [("condemned", "a")] * 2 == group.seen()
    assert [""] * 2 == [str(holds.reason(pod.rollout, pod.state.life)) for pod in group.pods]


def test_approval_passes_closed_windows_and_pauses() -> None:
    group = timed()
    pause(group, paused=True)
    group.offer("b")
    group.until(1100.0)
    group.pods[0].tell(FleetOrdered("approve"))
    group.until(1110.0)

    assert [("due", "b")] * 3 == group.seen()


def test_approval_passes_a_window_closed_since_the_clearing() -> None:
    """The rollout of a pod waits for the hours by itself: its version could not be written."""
    group = timed(1)
    (pod,) = group.pods
    group.until(CLOSES - 10.0)
    pod.refusal = "write"
    group.lease.write(good=("b", "a"))
    group.offer("b")
    group.until(CLOSES + 100.0)
    assert [("due", "a")] == group.seen()
    pod.refusal = ""
    pod.tell(FleetOrdered("approve"))
    group.until(CLOSES + 170.0)

    assert "b" == pod.rollout.runs_on


def test_reload_takes_a_good_version_whatever_the_hour() -> None:
    group = timed(2)
    first, second = group.pods
    group.lease.write(good=("b", "a"))
    group.offer("b")
    group.until(1100.0)
    assert [("held", "a")] * 2 == group.seen()
    first.tell(ev.ReloadOrdered())
    group.until(1200.0)

    assert [("settled", "b"), ("held", "a")] == group.seen()
    assert second.fleet.shut


def test_reload_of_an_untried_version_claims_no_trial() -> None:
    group = timed(2)
    group.offer("b")
    group.until(1100.0)
    for pod in group.pods:
        pod.tell(ev.ReloadOrdered())
    group.until(1200.0)

    assert [("held", "a")] * 2 == group.seen()
    assert 0 == group.lease.writes
