"""Virtual time, and an API server with a limited capacity, for the simulation of a fleet.

The server is a queue: it does `rate` units of work per second, a request is a unit, and a request
behind `backlog` units gets 429 and a Retry-After. It counts requests and the times of its answers.
Must not know how its clients use an answer, nor when they come again: the program's own code
decides.

The figures come from kube-apiserver's default limits (600 requests in flight, of which the
priority level of service accounts, workload-low, has 100 of 245 shares: 245) and that level's
queues (50 places in each of the 6 that the pods of one service account share: 300),
https://kubernetes.io/docs/concepts/cluster-administration/flow-control/.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from urllib3.exceptions import ConnectTimeoutError

# Seconds until the program's TCP keepalive (20, 5, 4) gives up a silent connection.
KEEPALIVE_LOSS = 40.0
RETRY_AFTER_MOST = 32  # seconds: kube-apiserver asks for no longer wait

Reply = Callable[[Exception | None], None]


class Agenda:
    """Coming calls, in the order of virtual time; at the same instant, in the order of `after`."""

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []

    def after(self, delay: float, call: Callable[..., object], *args: Any) -> None:
        """Have `call` made in `delay` seconds of virtual time."""
        heapq.heappush(self._heap, (self.now + delay, next(self._numbers), call, args))

    def step(self, until: float) -> bool:
        """Make the next call, if it is due before `until`; else set the time to `until` and return
        False.
        """
        if not self._heap or self._heap[0][0] >= until:
            self.now = until
            return False
        self.now, _, call, args = heapq.heappop(self._heap)
        call(*args)
        return True

    def run(self, until: float) -> None:
        """Make all calls before `until`, and those that they add."""
        while self.step(until):
            pass


@dataclass
class Tally:
    """Counts of each second of virtual time, and exact times."""

    per_second: dict[str, Counter[int]] = field(
        default_factory=functools.partial(defaultdict, Counter)
    )
    times: dict[str, list[float]] = field(default_factory=functools.partial(defaultdict, list))

    def count(self, what: str, now: float) -> None:
        self.per_second[what][int(now)] += 1

    def most(self, what: str, now: float, number: int) -> None:
        """Keep the highest number of a second instead of a count."""
        seconds = self.per_second[what]
        seconds[int(now)] = max(seconds[int(now)], number)

    def mark(self, what: str, now: float) -> None:
        self.count(what, now)
        self.times[what].append(now)


@dataclass(frozen=True)
class Capacity:
    """The capacity of an API server. Assumptions; the report shows the effect of others."""

    # Requests per second: a list of an object by name, the set-up of a watch on it, or both in one.
    rate: float = 1000.0
    backlog: int = 545  # requests in work or waiting; beyond, 429
    handshakes: float = 2000.0  # TLS connections per second, first come, first served
    latency: float = 0.005  # seconds, there and back
    fanout: float = 10_000.0  # sent events per second: 10 KiB each over 1 Gbit/s


class HttpError(Exception):
    """A failed answer, with the attributes of the library's exception."""

    def __init__(self, status: int, retry_after: int = 0) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = {"Retry-After": str(retry_after)} if retry_after else {}


def _unconnected() -> Exception:
    return ConnectTimeoutError(None, "timed out")


class Watcher(Protocol):
    """A client with a watch."""

    def changed(self, version: int) -> None:
        """The watch brings an event: the object has another content."""

    def lost(self, error: Exception) -> None:
        """The watch broke."""


class ApiServer:
    """An API server with a single object, whose content is a version number."""

    def __init__(self, agenda: Agenda, tally: Tally, capacity: Capacity) -> None:
        self.version = 1
        self.streams = True  # it has WatchList
        # In the order of arrival: the order of a set differs from run to run.
        self.watchers: dict[Watcher, None] = {}
        self._agenda = agenda
        self._tally = tally
        self.capacity = self._capacity = capacity
        self._busy_until = 0.0
        self._shaking_until = 0.0
        self._down = ""
        self._forbidden = False
        self._pushback = _Pushback(random.random())

    def request(self, kind: str, then: Reply, *, connect: float | None = None) -> None:
        """Ask for a list, a watch, or both in one (`stream`); the answer calls `then` with an
        error or None.

        connect: seconds until the client gives up a new connection; None for a kept connection.
        """
        self._tally.count(kind, self._agenda.now)
        if self._down:
            self._tally.count("in vain", self._agenda.now)
        if self._down == "refused":
            self._reply(
                then, self._capacity.latency, ConnectionRefusedError(111, "Connection refused")
            )
        elif self._down and connect is None:
            self._reply(then, KEEPALIVE_LOSS, TimeoutError())
        elif self._down:
            self._reply(then, connect or 0.0, _unconnected())
        elif connect is None:
            self._arrive(kind, then)
        else:
            self._connect(kind, then, connect)

    def _connect(self, kind: str, then: Reply, patience: float) -> None:
        now = self._agenda.now
        self._tally.count("connection", now)
        self._shaking_until = max(now, self._shaking_until) + 1 / self._capacity.handshakes
        if self._shaking_until - now > patience:
            self._reply(then, patience, _unconnected())
        else:
            self._agenda.after(self._shaking_until - now, self._arrive, kind, then)

    def _arrive(self, kind: str, then: Reply) -> None:
        now = self._agenda.now
        capacity = self._capacity
        self._busy_until = max(now, self._busy_until)
        if round((self._busy_until - now) * capacity.rate, 6) >= capacity.backlog:
            self._tally.count("refused", now)
            self._reply(then, capacity.latency, HttpError(429, self._pushback.retry_after(now)))
        else:
            self._busy_until += 1 / capacity.rate
            error = self._error(kind)
            self._reply(then, self._busy_until - now + capacity.latency, error)

    def _error(self, kind: str) -> HttpError | None:
        if self._forbidden:
            return HttpError(403)
        return HttpError(422) if kind == "stream" and not self.streams else None

    def _reply(self, then: Reply, delay: float, error: Exception | None) -> None:
        self._agenda.after(delay, self._answer, then, error)

    def _answer(self, then: Reply, error: Exception | None) -> None:
        if error is None and self._down:
            error = ConnectionResetError(104, "Connection reset by peer")
        then(error)

    def watch(self, watcher: Watcher) -> None:
        """Send events to the watcher from now on."""
        self.watchers[watcher] = None
        self._tally.most("watching", self._agenda.now, len(self.watchers))

    def forbid(self, *, forbidden: bool = True) -> None:
        """Answer every request with 403 from now on, or no longer."""
        self._forbidden = forbidden

    def go_down(self, how: str) -> None:
        """Serve no request from now on: `refused` fails at once and ends all watches, `silent`
        leaves clients waiting.
        """
        self._down = how
        error = (
            TimeoutError()
            if how == "silent"
            else ConnectionResetError(104, "Connection reset by peer")
        )
        delay = KEEPALIVE_LOSS if how == "silent" else self._capacity.latency
        for watcher in self.watchers:
            self._agenda.after(delay, self._lose, watcher, error)

    def come_back(self) -> None:
        self._down = ""

    def change(self) -> None:
        """Give the object another content, and send the event to the watchers, each in turn."""
        self.version += 1
        self._tally.most("watching", self._agenda.now, len(self.watchers))
        for position, watcher in enumerate(self.watchers):
            delay = self._capacity.latency + position / self._capacity.fanout
            self._agenda.after(delay, self._tell, watcher, self.version)

    def _tell(self, watcher: Watcher, version: int) -> None:
        if watcher in self.watchers:
            watcher.changed(version)

    def _lose(self, watcher: Watcher, error: Exception) -> None:
        if watcher in self.watchers:
            watcher.lost(error)


class _Pushback:
    """The Retry-After of kube-apiserver (1.28 and newer): doubled under many refusals, less by a
    second under few.

    It looks back over the seconds of its last Retry-After: three refusals for each second are many,
    less than a refusal for each second are few.
    """

    def __init__(self, phase: float) -> None:
        """phase: 0 to 1, the fraction of the server's second at the beginning of virtual time."""
        self._phase = phase
        self._seconds = 1
        self._raised = 0
        self._second = -1
        self._refusals: Counter[int] = Counter()

    def retry_after(self, now: float) -> int:
        """Seconds to ask for, in a refusal now."""
        second = int(now + self._phase)
        if second != self._second:
            self._second = second
            self._adjust(second)
        self._refusals[second] += 1
        return self._seconds

    def _adjust(self, second: int) -> None:
        recent = sum(self._refusals[second - back] for back in range(1, self._seconds + 1))
        if recent >= 3 * self._seconds and second - self._raised >= self._seconds:
            self._seconds = min(2 * self._seconds, RETRY_AFTER_MOST)
            self._raised = second
        elif recent < self._seconds and self._seconds > 1:
            self._seconds -= 1
