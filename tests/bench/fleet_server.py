"""Virtual time, and one API server with a limited capacity, for the simulation of a fleet.

The server is a queue: it does `rate` units of work per second, a request is one unit, and what
finds `backlog` units before it is refused with 429 and a Retry-After. It counts what it is asked
and by when it has answered. Must not know what its clients do with an answer, nor when they come
again: that is the program's own code.

Where the figures come from: kube-apiserver's default limits (600 requests in flight, of which the
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

KEEPALIVE_LOSS = (
    40.0  # seconds until the program's TCP keepalive (20, 5, 4) gives a silent connection up
)
RETRY_AFTER_MOST = 32  # seconds that kube-apiserver asks for at most

Reply = Callable[[Exception | None], None]


class Agenda:
    """What is to happen, in the order of virtual time; at one instant, in the order in which it was
    put.
    """

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []

    def after(self, delay: float, call: Callable[..., object], *args: Any) -> None:
        """Have `call` made in `delay` seconds of virtual time."""
        heapq.heappush(self._heap, (self.now + delay, next(self._numbers), call, args))

    def step(self, until: float) -> bool:
        """Make the next thing happen, if it is due before `until`; else it is `until`, and False is
        returned.
        """
        if not self._heap or self._heap[0][0] >= until:
            self.now = until
            return False
        self.now, _, call, args = heapq.heappop(self._heap)
        call(*args)
        return True

    def run(self, until: float) -> None:
        """Make everything happen that is due before `until`, and what follows from it."""
        while self.step(until):
            pass


@dataclass
class Tally:
    """What happened: how often in each second of virtual time, and at which times exactly."""

    per_second: dict[str, Counter[int]] = field(
        default_factory=functools.partial(defaultdict, Counter)
    )
    times: dict[str, list[float]] = field(default_factory=functools.partial(defaultdict, list))

    def count(self, what: str, now: float) -> None:
        self.per_second[what][int(now)] += 1

    def most(self, what: str, now: float, number: int) -> None:
        """Keep the highest number of a second instead of how often it came."""
        seconds = self.per_second[what]
        seconds[int(now)] = max(seconds[int(now)], number)

    def mark(self, what: str, now: float) -> None:
        self.count(what, now)
        self.times[what].append(now)


@dataclass(frozen=True)
class Capacity:
    """What one API server can do. Assumptions; the report shows what follows from others."""

    rate: float = (
        1000.0  # requests per second: a list of one object by name, or the set-up of a watch on it
    )
    backlog: int = 545  # requests that may wait or be worked on; beyond, 429
    handshakes: float = 2000.0  # TLS connections per second; who comes first is served first
    latency: float = 0.005  # seconds, of the way there and back
    fanout: float = 10_000.0  # events per second that it sends: 10 KiB each over 1 Gbit/s


class HttpError(Exception):
    """An answer that is no success, with the attributes by which the program knows the
    library's.
    """

    def __init__(self, status: int, retry_after: int = 0) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = {"Retry-After": str(retry_after)} if retry_after else {}


class Watcher(Protocol):
    """A client with a watch."""

    def changed(self, version: int) -> None:
        """The watch brings an event: the object has another content."""

    def lost(self, error: Exception) -> None:
        """The watch broke."""


class ApiServer:
    """One object of one API server, whose content is a version number."""

    def __init__(self, agenda: Agenda, tally: Tally, capacity: Capacity) -> None:
        self.version = 1
        self.watchers: dict[
            Watcher, None
        ] = {}  # in the order of their coming: a set's order differs from run to run
        self._agenda, self._tally, self._capacity = agenda, tally, capacity
        self._busy_until = 0.0
        self._shaking_until = 0.0
        self._down = ""
        self._forbidden = False
        self._pushback = _Pushback(random.random())

    def request(self, kind: str, then: Reply, *, connect: float | None = None) -> None:
        """Ask for a list or a watch; `then` is called when the answer is there, with an error or
        None.

        connect: seconds after which a new connection, which this request needs, is given up; None:
        it has one.
        """
        self._tally.count(kind, self._agenda.now)
        if self._down:
            self._tally.count("in vain", self._agenda.now)
        if self._down == "refused":
            self._reply(
                then, self._capacity.latency, ConnectionRefusedError(111, "Connection refused")
            )
        elif self._down:
            self._reply(then, KEEPALIVE_LOSS if connect is None else connect, TimeoutError())
        elif connect is None:
            self._arrive(then)
        else:
            self._connect(then, connect)

    def _connect(self, then: Reply, patience: float) -> None:
        now = self._agenda.now
        self._tally.count("connection", now)
        self._shaking_until = max(now, self._shaking_until) + 1 / self._capacity.handshakes
        if self._shaking_until - now > patience:
            self._reply(then, patience, TimeoutError())
        else:
            self._agenda.after(self._shaking_until - now, self._arrive, then)

    def _arrive(self, then: Reply) -> None:
        now, capacity = self._agenda.now, self._capacity
        self._busy_until = max(now, self._busy_until)
        if round((self._busy_until - now) * capacity.rate, 6) >= capacity.backlog:
            self._tally.count("refused", now)
            self._reply(then, capacity.latency, HttpError(429, self._pushback.retry_after(now)))
        else:
            self._busy_until += 1 / capacity.rate
            error = HttpError(403) if self._forbidden else None
            self._reply(then, self._busy_until - now + capacity.latency, error)

    def _reply(self, then: Reply, delay: float, error: Exception | None) -> None:
        self._agenda.after(delay, self._answer, then, error)

    def _answer(self, then: Reply, error: Exception | None) -> None:
        if error is None and self._down:
            error = ConnectionResetError(104, "Connection reset by peer")
        then(error)

    def watch(self, watcher: Watcher) -> None:
        """From now on the watcher is told."""
        self.watchers[watcher] = None
        self._tally.most("watching", self._agenda.now, len(self.watchers))

    def forbid(self, *, forbidden: bool = True) -> None:
        """From now on (or no more) every request is answered 403."""
        self._forbidden = forbidden

    def go_down(self, how: str) -> None:
        """From now on no request is answered: `refused` says so at once and ends all watches,
        `silent` does not.
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
        """Give the object another content; those who watch it are told one after another."""
        self.version += 1
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
    """The Retry-After of kube-apiserver (1.28 and newer): doubled while it refuses much, less by
    one when it does not.

    It looks back as many seconds as it asks for: three refusals for each of these are much, fewer
    than one are not.
    """

    def __init__(self, phase: float) -> None:
        """phase: 0 to 1, how far the server's clock is in its second when virtual time begins."""
        self._phase = phase
        self._seconds = 1
        self._raised = 0
        self._second = -1
        self._refusals: Counter[int] = Counter()

    def retry_after(self, now: float) -> int:
        """Seconds to ask for, of a request that is refused now."""
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
