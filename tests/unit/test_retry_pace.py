"""The pauses of a source of the API between tries, alone and among ten thousand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.sources.interface import Failure, FailureReason, RestartReason
from config_supervisor.sources.kubernetes.api_errors import FailedTry
from config_supervisor.sources.kubernetes.retry_pace import (
    LONG_LIFE,
    RetryPace,
    Timing,
    Tried,
    watch_seconds,
)
from config_supervisor.sources.kubernetes.watch_stream import EventRate

TIMES = 300
DUE = 60.0
TIMING = Timing()


def fault(status: int = 0, retry_after: float = 0.0) -> FailedTry:
    failure = Failure(FailureReason.UNREACHABLE, "cannot read it")
    return FailedTry(RestartReason.CONNECTION, failure, status, retry_after, crowded=status == 429)


# The failure of a try, its duration, whether it had a list.
Answer = tuple[FailedTry | None, float, bool]
REFUSED: Answer = (fault(), 0.01, False)


def history(*answers: Answer, due: float | None = None) -> list[float]:
    """The pause after each of these tries in a row."""
    pace, now, drawn = RetryPace(TIMING, due), 0.0, []
    for ended_by, took, listed in answers:
        drawn.append(pace.after(Tried(now, now + took, listed, ended_by)))
        now += took + drawn[-1]
    return drawn


def pauses(*answers: Answer) -> list[float]:
    """The pause after the last of these tries, drawn many times."""
    return [history(*answers)[-1] for _ in range(TIMES)]


def tries(
    answer: Callable[[float], Answer], seconds: float, due: float | None = None
) -> Iterator[float]:
    """The times of tries; `answer` is the server's state at a time."""
    pace, now = RetryPace(TIMING, due), 0.0
    while now < seconds:
        yield now
        ended_by, took, listed = answer(now)
        now += took
        now += pace.after(Tried(now - took, now, listed, ended_by))


def spread(drawn: list[float], low: float, high: float) -> bool:
    """Whether they lie between two values, and come near to both."""
    near = (high - low) / 5
    return low <= min(drawn) <= low + near and high - near <= max(drawn) <= high


def test_watch_follows_a_good_end_within_a_second() -> None:
    assert spread(pauses((None, 300, True)), 0, TIMING.spread)


def test_watches_broken_after_a_good_life_spread_over_seconds() -> None:
    """A server that restarts breaks the watches of all pods at one instant."""
    assert spread(pauses((fault(), LONG_LIFE + 1, True)), 0, TIMING.relist)


def test_watch_broken_at_once_is_a_usual_failure() -> None:
    assert spread(pauses((fault(), 1, True)), 0.1 * TIMING.base, TIMING.base)


@pytest.mark.parametrize(("failures", "most"), [(0, 0.5), (1, 1), (3, 4), (20, 5)])
def test_pause_doubles_with_failures_up_to_a_limit(failures: int, most: float) -> None:
    assert spread(pauses(*[REFUSED] * (failures + 1)), most / 10, most)


@pytest.mark.parametrize(("minutes", "most"), [(1, 5), (3, 9), (10, 30), (60, 30)])
def test_pause_grows_with_the_outage(minutes: int, most: float) -> None:
    """A fleet comes back spread after a long outage, and soon after a short one."""
    drawn = []
    for _ in range(30):
        times = list(tries(lambda _: REFUSED, minutes * 60))
        drawn += [later - sooner for sooner, later in zip(times[-4:], times[-3:], strict=False)]
    assert most / 2 < max(drawn) <= most + 0.1


@pytest.mark.parametrize("outage", [1.0, 20.0, 60.0])
def test_single_pod_is_back_within_five_seconds(outage: float) -> None:
    for _ in range(TIMES):
        back = next(now for now in tries(lambda _: REFUSED, outage + 60) if now >= outage)
        assert back - outage <= 5


def test_success_resets_the_pause() -> None:
    """After an outage of ten minutes and five good seconds, a single refusal has a short pause."""
    outage = [REFUSED] * 60
    assert max(pauses(*outage, (fault(), 5.0, True))) <= TIMING.base
    assert max(pauses(*outage, (fault(500), 5.0, True))) <= TIMING.base
    assert max(pauses(*outage, (fault(403), 0.01, False))) <= TIMING.refusal[1]


@pytest.mark.parametrize("granted", [0.5, 3, 17, 30, 40, 45, 50, 55, 57, 58, 59, 59.5])
@pytest.mark.parametrize("refusal", [fault(403), fault(401), fault(500), fault()])
def test_grant_before_the_deadline_is_used_before_it(granted: float, refusal: FailedTry) -> None:
    """A late role, API server or network; without it the container ends with 125."""
    for _ in range(TIMES):
        assert any(
            granted <= now < DUE for now in tries(lambda _: (refusal, 0.01, False), DUE, DUE)
        )


def test_retry_after_leaves_a_try_before_the_deadline() -> None:
    for _ in range(TIMES):
        times = list(tries(lambda _: (fault(429, 32), 0.01, False), DUE, DUE))
        assert DUE - 2 < times[-1] < DUE
        assert len(times) < 15


def test_pauses_are_short_before_the_first_content() -> None:
    times = list(tries(lambda _: (fault(403), 0.01, False), 600, 600))
    assert max(b - a for a, b in itertools.pairwise(times)) <= TIMING.short + 0.1
    assert len(times) < 300


def test_list_leaves_time_for_another_before_the_deadline() -> None:
    pace = RetryPace(TIMING, DUE)
    assert [15, 15, 8, 1, 15] == [pace.budget(now) for now in (0, 43, 50, 59, 61)]
    assert 15 == RetryPace(TIMING).budget(0)


def test_spare_time_is_that_beside_a_list() -> None:
    pace = RetryPace(TIMING, DUE)
    endless = float("inf")
    assert [45, 5, -5, endless] == [pace.spare(now) for now in (0, 40, 50, 61)]
    assert endless == RetryPace(TIMING).spare(0)


def test_retry_after_is_a_minimum_and_spread() -> None:
    """A server refuses pods again that all come back in the named second."""
    assert spread(pauses((fault(503, 10), 0.01, False)), 10, 15 + TIMING.base)
    assert spread(pauses((fault(429, 10), 0.01, False)), 10, 15 + TIMING.crowd[0])


def test_forbidden_watch_is_retried_at_a_calm_pace() -> None:
    refused: Answer = (fault(403), 0.02, True)
    assert spread(pauses(refused), *TIMING.refusal)
    assert spread(pauses(refused, refused), *TIMING.poll)


def test_401_and_410_in_turn_are_paced() -> None:
    """The very next try most likely cures each alone; both made 293 requests per second."""
    expired, gone = (fault(401), 0.001, False), (fault(410), 0.002, True)
    drawn = history(*[expired, gone] * 20)
    assert 0 == drawn[0]
    assert all(pause > 0 for pause in drawn[1:])
    assert sum(drawn) > 30


@pytest.mark.parametrize("between", [fault(500), fault(), fault(403)])
def test_curable_failures_with_others_in_turn_are_paced(between: FailedTry) -> None:
    drawn = history(*[(fault(401), 0.001, False), (between, 0.001, False)] * 20)
    assert sum(pause < 0.05 for pause in drawn) <= 2 + sum(drawn) / LONG_LIFE


LIVES = st.sampled_from([0.001, 1.0, 4.9, 5.1, 11.0])
ENDS: st.SearchStrategy[FailedTry | None] = st.sampled_from(
    [None, *map(fault, (0, 401, 403, 410, 429, 500))]
)


@given(st.lists(st.tuples(ENDS, LIVES, st.booleans()), min_size=30, max_size=60))
def test_no_history_of_answers_makes_a_busy_source(answers: list[Answer]) -> None:
    """For all answers: never two tries without a pause, and at most 2 per second over 30 tries."""
    real = [
        (ended_by or (None if listed else fault()), took, listed)
        for ended_by, took, listed in answers
    ]
    drawn = history(*real)
    for (sooner, took, _), first, (_, again, _), second in zip(
        real, drawn, real[1:], drawn[1:], strict=False
    ):
        del sooner
        assert first + second > 0 or took + again > 5
    assert sum(drawn) + sum(took for _, took, _ in real) > len(real) / 2 - 5


def test_watch_lasts_four_to_six_minutes() -> None:
    assert spread([float(watch_seconds(TIMING)) for _ in range(TIMES)], 240, 360)


def test_edits_by_people_are_taken_at_once() -> None:
    flow = EventRate()
    assert [0.0] * 100 == [flow.pause(second * 0.1, 2000) for second in range(100)]


@pytest.mark.parametrize(("size", "rate"), [(200, 200), (1 << 20, 3)])
def test_flood_of_events_is_taken_slowly(size: int, rate: float) -> None:
    """Big events, which take long to parse, more slowly."""
    flow, now, taken = EventRate(), 0.0, 0
    while now < 60:
        now += flow.pause(now, size)
        taken += 1
    assert rate * 50 < taken < rate * 65
