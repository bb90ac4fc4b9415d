"""Whether the main loop turns: asked once for all waiting requests.

It owns the question, its deadline and the waiting requests; it must not know pages or commands.
"""

from __future__ import annotations

import time

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .calls import Calls

    class Peer(Protocol):
        @property
        def here(self) -> bool:
            """Whether the peer still waits for a response."""


ANSWER_SECONDS = 1.0  # a longer turn means a loop that is not alive
_TURNED_SECONDS = 0.05  # after such a recent turn there is no question


class _Waiter(Record):
    end: float
    peer: Peer
    then: Callable[[bool], None]


class LoopProbe:
    """For the server's thread only."""

    def __init__(self, probe: Callable[[Callable[[], None]], None], calls: Calls) -> None:
        """`probe` has the main loop call a function in its next turn."""
        self._probe = probe
        self._calls = calls
        self._waiting: list[_Waiter] = []
        self._next: list[_Waiter] = []  # they need a turn after the one under way
        self._asked = False
        self._turned = float("-inf")
        self._timed = False  # a timer for the first waiter is set

    def ask(self, peer: Peer, then: Callable[[bool], None]) -> None:
        """Call `then` with whether the loop turns in time; at once if it turned just now."""
        now = time.monotonic()
        if now - self._turned < _TURNED_SECONDS:
            then(True)
            return
        self._waiting.append(_Waiter(now + ANSWER_SECONDS, peer, then))
        self._resume()

    def after_events(self, peer: Peer, then: Callable[[bool], None]) -> None:
        """As `ask`, for a turn after the events now in the inbox."""
        waiter = _Waiter(time.monotonic() + ANSWER_SECONDS, peer, then)
        (self._next if self._asked else self._waiting).append(waiter)
        self._resume()

    def _resume(self) -> None:
        self._waiting = [waiter for waiter in self._waiting if waiter.peer.here]
        self._next = [waiter for waiter in self._next if waiter.peer.here]
        ends = [waiter.end for waiter in (*self._waiting, *self._next)]
        if ends and not self._timed:
            self._timed = True
            self._calls.after(min(ends) - time.monotonic(), self._deadline_passed)
        if self._waiting and not self._asked:
            self._asked = True
            self._probe(lambda: self._calls.put(self._loop_turned))

    def _loop_turned(self) -> None:
        self._asked = False
        self._turned = time.monotonic()
        turned = self._waiting
        self._waiting = self._next
        self._next = []
        self._resume()
        for waiter in turned:
            waiter.then(True)

    def _deadline_passed(self) -> None:
        self._timed = False
        now = time.monotonic()
        late = [waiter for waiter in (*self._waiting, *self._next) if waiter.end <= now]
        self._waiting = [waiter for waiter in self._waiting if waiter.end > now]
        self._next = [waiter for waiter in self._next if waiter.end > now]
        self._resume()
        for waiter in late:
            waiter.then(False)
