"""How long a source of the API waits between tries: for one server, and with ten thousand others beside it."""

from __future__ import annotations

import pytest

from supervisor.sources import Trouble
from supervisor.sources.kube_faults import Fault
from supervisor.sources.kubernetes import LONG_LIFE, Pace, Timing, watch_seconds

TIMES = 300


def fault(status: int = 0, retry_after: float = 0.0) -> Fault:
    return Fault("connection", Trouble("unreachable", "cannot read it"), status, retry_after)


def pauses(first: Fault | None, lived: float, *, watched: bool, failures: int = 0) -> list[float]:
    """The pause that follows, drawn many times; `failures` tries failed before."""
    drawn = []
    for _ in range(TIMES):
        pace = Pace(Timing())
        for _ in range(failures):
            pace.after(fault(), 0, watched=False)
        drawn.append(pace.after(first, lived, watched=watched))
    return drawn


def spread(drawn: list[float], low: float, high: float) -> bool:
    """Whether they lie between two values, and reach near both of them."""
    near = (high - low) / 5
    return low <= min(drawn) <= low + near and high - near <= max(drawn) <= high


def test_a_watch_that_ended_well_is_followed_by_another_within_a_second() -> None:
    assert spread(pauses(None, 300, watched=True), 0, Timing().spread)


def test_a_watch_that_broke_after_a_good_life_comes_back_spread_over_seconds() -> None:
    """A server that restarts breaks the watches of all pods at one instant."""
    assert spread(pauses(fault(), LONG_LIFE + 1, watched=True), 0, Timing().relist)


def test_a_watch_that_breaks_at_once_is_a_failure_like_others() -> None:
    assert spread(pauses(fault(), 1, watched=True), 0.1 * Timing().base, Timing().base)


@pytest.mark.parametrize(("failures", "most"), [(0, 0.5), (1, 1), (3, 4), (20, 60)])
def test_failures_wait_twice_as_long_each_time_up_to_a_limit(failures: int, most: float) -> None:
    assert spread(pauses(fault(), 0, watched=False, failures=failures), most / 10, most)


def test_what_the_server_asks_for_is_kept_and_nobody_comes_back_at_the_same_second() -> None:
    assert spread(pauses(fault(429, retry_after=10), 0, watched=False), 10, 15 + Timing().base)


def test_a_watch_is_asked_for_between_four_and_six_minutes() -> None:
    assert spread([float(watch_seconds(Timing())) for _ in range(TIMES)], 240, 360)
