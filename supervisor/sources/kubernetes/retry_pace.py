"""The pause of a source between two tries: short for a pod, bearable for a server of 10,000 pods.

Pure but for the dice: from a history of tries to the pause after the last. `tests/bench/FLEET.md`
has the consequences for a fleet. It must not know the requests of a try, nor the reports about it.
"""

from __future__ import annotations

import random
from http import HTTPStatus

from ...core.backoff import backoff
from ...core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .api_errors import FailedTry

CLEAN_LIFE = 5.0  # seconds of a try after which a server's end of the watch is a good end
LONG_LIFE = 10.0  # seconds of a try after which a broken watch is no sign for the next
CURABLE = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.GONE})  # by new credentials, by a new list
LEAST = 0.2  # seconds between the last tries before the first content is due


class Timing(Record):
    """Limits and pauses in seconds; a pair is a range for the dice. The defaults are for
    production.
    """

    # Of requests.
    connect: float = 5
    list: float = 15  # a whole list, and the headers of a watch
    watch: tuple[int, int] = (240, 360)  # the duration of a watch: a fleet spreads
    slack: float = 20  # of silence beyond the end of a watch: the connection is dead
    # The pause after a failure: `base`, doubled each time, up to a bound.
    base: float = 0.5
    short: float = 5  # the bound before the first content, and in the first 100 s of an outage
    cap: float = 30  # the bound in a long outage
    # The longest pause after a watch.
    spread: float = 1  # with a good end
    relist: float = 5  # that broke: the restart of a server breaks the watches of a whole fleet
    refusal: tuple[float, float] = (1.5, 3)  # after a first 403: a fresh server loads its roles
    crowd: tuple[float, float] = (15, 30)  # the longest after a 429 to a list, to a watch
    poll: tuple[float, float] = (15, 30)  # between lists without the right to watch


# The bound of a pause is the outage so far divided by this: 30 s after 10 minutes.
PATIENCE = 20.0


class Tried(Record):
    """A try that is over. Times are monotonic."""

    began: float
    ended: float
    listed: bool  # the list was answered
    failed: FailedTry | None  # None: the server ended the watch in time
    found: bool = True  # the object has content


def watch_seconds(timing: Timing) -> int:
    """A duration for the next watch, by the dice."""
    return random.randint(*timing.watch)


class RetryPace:
    """The pauses of a source. `failures` counts the tries in a row without a list, `flaps` the
    broken watches.
    """

    def __init__(self, timing: Timing, due: float | None = None) -> None:
        """`due`: the deadline of the first content (monotonic); the last try comes shortly
        before.
        """
        self.failures = self.flaps = 0
        self.refusals = 0  # tries in a row with 403 at the end
        self.at_once = False  # the very next try most likely cures the last failure
        self.timing = timing
        self._due = due
        self._down_since = 0.0
        self._cured = float("-inf")  # the time of the last try at once
        self._status = 0  # of the last failure

    @property
    def row(self) -> int:
        """The number of bad tries since the last good try."""
        return self.failures + self.flaps

    def after(self, tried: Tried) -> float:
        """Seconds to wait after a try."""
        self._count(tried)
        failed = tried.failed
        asked = failed.retry_after if failed else 0.0
        self.at_once = self._curable(tried)
        if self.at_once:
            return asked
        # Never sooner than the server asks, and never all pods in the same second: it would refuse
        # them again.
        delay = asked * _between(1, 1.5) + self._own(tried)
        left = self._left(tried.ended)
        if left > 0:
            delay = min(delay, max(LEAST, left - 1 if asked else left / 2))
        return delay

    def _curable(self, tried: Tried) -> bool:
        """Whether to try again at once: not twice in a row, nor soon again, whatever failed between
        them.
        """
        before = self._status
        self._status = tried.failed.status if tried.failed else 0
        if (
            self._status not in CURABLE
            or before in CURABLE
            or tried.ended - self._cured < LONG_LIFE
        ):
            return False
        self._cured = tried.ended
        return True

    def budget(self, now: float) -> float:
        """Seconds for a list: before the first content is due, they leave time for another try."""
        left = self._left(now)
        return self.timing.list if left <= 0 else max(1.0, min(self.timing.list, left - 2))

    def spare(self, now: float) -> float:
        """Seconds beside those of a whole list before the first content is due; without such a
        time, infinite.
        """
        left = self._left(now)
        return left - self.timing.list if left > 0 else float("inf")

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
            # A watch that the server ends at once is a failure, or no pause would follow.
            self.flaps = 1 if lived > LONG_LIFE else self.flaps + 1

    def _own(self, tried: Tried) -> float:
        """The pause beside the server's Retry-After."""
        timing = self.timing
        status = tried.failed.status if tried.failed else 0
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
        timing = self.timing
        if tried.listed:
            return timing.cap if status else min(timing.short, timing.cap)
        if self._left(tried.ended) > 0:
            return timing.short
        return min(timing.cap, max(timing.short, (tried.ended - self._down_since) / PATIENCE))


def _between(low: float, high: float) -> float:
    return random.uniform(low, high)
