"""The choice between WatchList and a list: a way back from every failure, few requests at rest."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core.record import Record
from config_supervisor.sources.interface import Failure, FailureReason, RestartReason
from config_supervisor.sources.kubernetes.api_errors import FailedTry
from config_supervisor.sources.kubernetes.watch_list import Choice, Memory, Way

URL = "https://api"
CYCLE = 300.0  # seconds
ENDLESS = float("inf")
MOST = 10  # tries until one of two ways is found


def failed(restart: RestartReason = RestartReason.HTTP, status: int = 0) -> FailedTry:
    failure = Failure(FailureReason.SERVER_ERROR, "cannot read it")
    return FailedTry(restart, failure, status, crowded=status == 429)


LATE = failed(RestartReason.READ_TIMEOUT)
BROKEN = failed(RestartReason.CONNECTION)
AWAY = BROKEN.replace(unsent=True)
NONSENSE = failed(RestartReason.BAD_DATA)
FORBIDDEN = failed(RestartReason.AUTH, 403)
FAILURES = [
    *(LATE, BROKEN, NONSENSE, FORBIDDEN, failed(RestartReason.AUTH, 401)),
    *(failed(status=status) for status in (400, 404, 410, 422, 429, 500, 503)),
]


class Answers(Record):
    """The failure of each kind of request at a server; None: it works."""

    both: FailedTry | None = None
    listing: FailedTry | None = None
    watch: FailedTry | None = None


GOOD = Answers()
AWAY_ALL = Answers(AWAY, AWAY, AWAY)


class Source:
    """Tries as a source makes them; a watch that works lasts a cycle."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
        self.now = 0.0
        self.reads = 0
        self._choice = Choice(self.memory)

    def ask(self, server: Answers, spare: float = ENDLESS) -> list[str]:
        """The requests of a try."""
        self.now += CYCLE
        if self._choice.way(URL, self.now, spare) is Way.LIST:
            return self._list(server)
        if server.both is None:
            self.reads += 1
            self._choice.established(Way.WATCH_LIST, URL, self.now)
        elif self._choice.no_stream(server.both, hurry=spare < ENDLESS):
            return ["both", *self._list(server)]
        return ["both"]

    def asks(self, server: Answers, times: int) -> list[list[str]]:
        return [self.ask(server) for _ in range(times)]

    def _list(self, server: Answers) -> list[str]:
        if server.listing is not None:
            self._choice.no_list(server.listing, listed=False)
            return ["list"]
        self.reads += 1
        if server.watch is not None:
            self._choice.no_list(server.watch, listed=True)
        else:
            self._choice.established(Way.LIST, URL, self.now)
        return ["list", "watch"]


BOTH, LISTED = ["both"], ["list", "watch"]
ANSWERS = st.builds(Answers, *[st.none() | st.sampled_from(FAILURES)] * 3)


@given(
    st.lists(st.tuples(ANSWERS | st.just(AWAY_ALL), st.sampled_from([0.0, ENDLESS])), max_size=8),
    ANSWERS,
    st.sampled_from([0.0, ENDLESS]),
)
def test_content_comes_wherever_a_way_works(
    before: list[tuple[Answers, float]], server: Answers, spare: float
) -> None:
    """For all servers on which WatchList works, or a list: after any past, within a few tries."""
    source = Source()
    for answers, left in before:
        source.ask(answers, left)
    source.reads = 0
    for _ in range(MOST):
        source.ask(server, spare)
    assert source.reads > 0 or (server.both is not None and server.listing is not None)


@given(st.lists(ANSWERS | st.just(AWAY_ALL), max_size=8), ANSWERS)
def test_requests_at_rest_are_few(before: list[Answers], server: Answers) -> None:
    """For all servers with a working watch: two requests in a cycle, a third each hour; one where
    WatchList works, at the latest after an hour.
    """
    works = server.listing is None and server.watch is None
    # WatchList and a watch need the same right, and bring the same content.
    if not works and (server.both is not None or server.watch in (FORBIDDEN, NONSENSE)):
        return
    source = Source()
    for answers in before:
        source.ask(answers)
    source.asks(server, MOST)
    hour = round(3600 / CYCLE)
    asked = [len(cycle) for cycle in source.asks(server, 2 * hour)]
    if server.both is None:
        assert [1] * hour == asked[hour:]
    else:
        assert sum(asked) <= 2 * 2 * hour + 3


@pytest.mark.parametrize("failure", FAILURES)
def test_passing_failure_costs_no_way(failure: FailedTry) -> None:
    """A role with `watch` alone was left with lists, all of them forbidden."""
    source = Source()
    right = Answers(listing=FORBIDDEN)
    assert BOTH == source.ask(right)
    source.ask(right.replace(both=failure))
    assert BOTH in source.asks(right, 2)
    assert [BOTH] * 3 == source.asks(right, 3)


@pytest.mark.parametrize("failure", [LATE, failed(status=422), failed(status=400)])
def test_server_without_it_is_remembered_at_once(failure: FailedTry) -> None:
    source = Source()
    server = Answers(failure)
    assert [["both", *LISTED], LISTED, LISTED] == source.asks(server, 3)
    assert LISTED == Source(source.memory).ask(server)


@pytest.mark.parametrize("failure", [BROKEN, NONSENSE, FORBIDDEN, failed(status=500)])
def test_other_failure_is_remembered_at_the_second(failure: FailedTry) -> None:
    source = Source()
    asked = list(itertools.chain(*source.asks(Answers(failure), 8)))
    assert ["both", *LISTED] * 2 + LISTED * 2 == asked[:10]


def test_crowded_server_is_not_asked_for_more_at_once() -> None:
    """A list and a watch are twice the work; only a lasting refusal is of WatchList."""
    source = Source()
    asked = source.asks(Answers(failed(status=429)), 6)
    assert [BOTH] * 4 + [LISTED] * 2 == asked


def test_server_that_is_away_changes_nothing() -> None:
    source = Source()
    assert [BOTH] * 5 == source.asks(AWAY_ALL, 5)


def test_forbidden_source_makes_one_request_in_a_try() -> None:
    """A fleet that waits for a role asks its server often before the deadline."""
    source = Source()
    both = Answers(FORBIDDEN, FORBIDDEN, FORBIDDEN)
    asked = [source.ask(both, 30.0) for _ in range(5)]
    assert [["both", "list"], BOTH, ["list"], BOTH, ["list"]] == asked


def test_role_without_watch_is_asked_for_lists_only() -> None:
    source = Source()
    asked = source.asks(Answers(both=FORBIDDEN, watch=FORBIDDEN), 4)
    assert [["both", *LISTED], LISTED, LISTED, LISTED] == asked


@pytest.mark.parametrize(
    ("failure", "at_once", "in_a_hurry"),
    [
        (failed(status=422), True, True),
        (LATE, True, True),
        (FORBIDDEN, True, True),
        (NONSENSE, True, True),
        (failed(status=500), False, True),
        (BROKEN, False, True),
        (failed(RestartReason.GONE, 410), False, True),
        (failed(status=503).replace(retry_after=5.0), False, False),
        (failed(RestartReason.AUTH, 401), False, False),
        (failed(status=429), False, False),
        (AWAY, False, False),
    ],
)
def test_list_follows_in_the_same_try(failure: FailedTry, at_once: bool, in_a_hurry: bool) -> None:
    assert at_once == Choice(Memory()).no_stream(failure, hurry=False)
    assert in_a_hurry == Choice(Memory()).no_stream(failure, hurry=True)


def test_list_comes_first_when_there_is_no_time_for_both() -> None:
    """A wait for WatchList used up the time of the only list before the deadline."""
    assert LISTED == Source().ask(GOOD, 4.0)
    assert BOTH == Source().ask(GOOD, 6.0)
    source = Source()
    assert ["list"] == source.ask(Answers(listing=FORBIDDEN), 4.0)
    assert BOTH == source.ask(Answers(listing=FORBIDDEN), 3.0)


def test_bad_content_of_a_list_is_no_reason_to_change() -> None:
    source = Source()
    source.ask(Answers(failed(status=422)))
    assert [LISTED] * 3 == source.asks(Answers(failed(status=422), watch=NONSENSE), 3)


def test_server_without_it_is_asked_again_after_an_hour() -> None:
    memory = Memory()
    assert memory.note(URL, 10.0)
    assert memory.lacks(URL, 3609.0)
    assert not memory.lacks("https://other", 10.0)
    assert not memory.lacks(URL, 3610.0)
    assert not memory.note(URL, 3610.0, 1)
    assert memory.lacks(URL, 3611.0)


def test_server_is_asked_again_after_an_outage() -> None:
    memory = Memory()
    memory.note(URL, 10.0)
    memory.forget(URL)
    memory.forget(URL)
    assert not memory.lacks(URL, 11.0)


def test_server_is_asked_again_after_a_late_break() -> None:
    """A quick restart shows as a broken watch only; a proxy may break each."""
    memory = Memory()
    memory.broke(URL, 5.0)
    memory.note(URL, 10.0)
    memory.broke(URL, 600.0)
    assert memory.lacks(URL, 600.0)
    memory.broke(URL, 611.0)
    assert not memory.lacks(URL, 611.0)
