"""How long a source of the API waits between two tries: short for one pod, and bearable for a
server of 10,000.

Pure but for the dice: from a history of tries to the pause after the last one.
`tests/bench/FLEET.md` shows what follows for a fleet. It must not know how a try is made, nor what
is told of it.
"""

from __future__ import annotations

import random
from http import HTTPStatus

from ...core.backoff import backoff
from ...core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .api_errors import FailedTry

CLEAN_LIFE = 5.0  # seconds of a try after which the end of its watch by the server is a good end
LONG_LIFE = 10.0  # seconds of a try after which a watch that breaks says nothing about the next one
CURABLE = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.GONE})  # by new credentials, by a new list
LEAST = 0.2  # seconds between the last tries before the first content is due


class Timing(Record):
    """How long things may take, in seconds. The defaults are for production."""

    connect: float = 5
    list: float = 15  # a whole list, and the headers of a watch
    watch: tuple[int, int] = (240, 360)  # a watch: random between these, so that a fleet spreads
    slack: float = 20  # a watch that is silent so much longer than that hangs
    base: float = 0.5  # the pause after a first failure; it doubles
    short: float = 5  # up to this, while content is waited for, and in the first 100 s of an outage
    cap: float = 30  # up to this, in a long one
    spread: float = 1  # the longest pause after a watch that ended well
    relist: float = (
        5  # and after one that broke: a server that restarts breaks those of a whole fleet
    )
    refusal: tuple[float, float] = (
        1.5,
        3,
    )  # after a first 403: a server that just started loads its roles
    crowd: tuple[float, float] = (
        15,
        30,
    )  # up to these, when a server with too much to do refuses a list, a watch
    poll: tuple[float, float] = (15, 30)  # between lists where no watch is allowed


# A pause is at most this fraction of the outage so far: who waited 10 minutes can wait 30 s more.
PATIENCE = 20.0


class Tried(Record):
    """One try: its times (monotonic), whether the list was answered, and what ended it (None: the
    server, well).
    """

    began: float
    ended: float
    listed: bool
    failed: FailedTry | None
    found: bool = True  # there is content


def watch_seconds(timing: Timing) -> int:
    """How long a watch is asked for."""
    return random.randint(*timing.watch)


class Pace:
    """The pauses of one source. `failures` counts the tries in a row that got no list, `flaps`
    broken watches.
    """

    def __init__(self, timing: Timing, due: float | None = None) -> None:
        """due: when the first content must be there (monotonic); a try comes shortly
        before that.
        """
        self.failures = self.flaps = 0
        self.refusals = 0  # tries in a row that ended with 403
        self.at_once = False  # the last failed is most likely cured by the very next try
        self._timing, self._due = timing, due
        self._down_since = 0.0
        self._cured, self._status = (
            float("-inf"),
            0,
        )  # when the last try at once was granted; of the last failed

    @property
    def row(self) -> int:
        """How many tries went wrong since the last good one."""
        return self.failures + self.flaps

    def after(self, tried: Tried) -> float:
        """Seconds to wait after a try."""
        self._count(tried)
        failed = tried.failed
        asked = failed.retry_after if failed else 0.0
        self.at_once = self._curable(tried)
        if self.at_once:
            return asked
        # Never before the server wants it, and never all at the second that it names: they would be
        # refused again.
        delay = asked * _between(1, 1.5) + self._own(tried)
        left = self._left(tried.ended)
        if left > 0:
            delay = min(delay, max(LEAST, left - 1 if asked else left / 2))
        return delay

    def _curable(self, tried: Tried) -> bool:
        """Whether to try again at once: not twice in a row, nor soon again, whatever failed in
        between.
        """
        before, self._status = self._status, tried.failed.status if tried.failed else 0
        if (
            self._status not in CURABLE
            or before in CURABLE
            or tried.ended - self._cured < LONG_LIFE
        ):
            return False
        self._cured = tried.ended
        return True

    def budget(self, now: float) -> float:
        """Seconds that a list may take: before the first content is due, time for another try is
        left.
        """
        left = self._left(now)
        return self._timing.list if left <= 0 else max(1.0, min(self._timing.list, left - 2))

    def _left(self, now: float) -> float:
        return 0.0 if self._due is None else self._due - now

    def _count(self, tried: Tried) -> None:
        lived = tried.ended - tried.began
        self.refusals = (
            self.refusals + 1 if tried.failed and tried.failed.status == HTTPStatus.FORBIDDEN else 0
        )
        if not tried.listed:
            if not self.failures:
                self._down_since = tried.began
            self.failures += 1
            return
        self.failures = 0
        if tried.found:
            self._due = None
        if tried.failed is None and lived > CLEAN_LIFE:
            self.flaps = 0
        else:
            # A watch that the server ends at once is a failure, or it would be asked for without
            # pause.
            self.flaps = 1 if lived > LONG_LIFE else self.flaps + 1

    def _own(self, tried: Tried) -> float:
        """The pause that the server has no say in."""
        timing, status = self._timing, tried.failed.status if tried.failed else 0
        row = self.row
        if not row:
            return _between(0, timing.spread)
        if status == HTTPStatus.FORBIDDEN and self._left(tried.ended) <= 0:
            if self.refusals == 1:
                return _between(*timing.refusal)
            if tried.listed:
                return _between(*timing.poll)
        if tried.failed is not None and tried.failed.crowded:
            return _between(0, timing.crowd[tried.listed])
        if tried.listed and not status and row == 1 and tried.ended - tried.began > LONG_LIFE:
            return _between(0, timing.relist)
        return backoff(row, timing.base, self._bound(tried, status)) * _between(0.1, 1)

    def _bound(self, tried: Tried, status: int) -> float:
        timing = self._timing
        if tried.listed:
            return timing.cap if status else min(timing.short, timing.cap)
        if self._left(tried.ended) > 0:
            return timing.short
        return min(timing.cap, max(timing.short, (tried.ended - self._down_since) / PATIENCE))


def _between(low: float, high: float) -> float:
    return random.uniform(low, high)
