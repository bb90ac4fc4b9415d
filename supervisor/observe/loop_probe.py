"""Asks the main loop whether it still turns, once for all requests that wait for the answer.

It knows the threads on both sides, and nothing of pages and orders.
"""

from __future__ import annotations

import time

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .connections import Server

    class Peer(Protocol):
        @property
        def here(self) -> bool:
            """Whether the peer still waits for an answer."""


ANSWER_SECONDS = 1.0  # a loop that takes longer for one turn is not alive
_TURNED_SECONDS = 0.05  # a loop that turned this recently need not be asked again


class _Waiter(Record):
    end: float
    peer: Peer
    then: Callable[[bool], None]


class LoopProbe:
    """For the server's thread only."""

    server: Server

    def __init__(self, probe: Callable[[Callable[[], None]], None]) -> None:
        """`probe` has the main loop call a function in its next turn."""
        self._probe = probe
        self._waiting: list[_Waiter] = []
        self._next: list[_Waiter] = []  # those that need a turn after the one that was asked for
        self._asked, self._turned = False, float("-inf")
        self._timed = False  # there is a timer for the first waiter

    def ask(self, peer: Peer, then: Callable[[bool], None]) -> None:
        """Call `then` with whether the loop turns in time; at once where it turned just now."""
        now = time.monotonic()
        if now - self._turned < _TURNED_SECONDS:
            then(True)
            return
        self._waiting.append(_Waiter(now + ANSWER_SECONDS, peer, then))
        self._go_on()

    def after_events(self, peer: Peer, then: Callable[[bool], None]) -> None:
        """The same, where only a turn counts that takes the events which are in the inbox now."""
        waiter = _Waiter(time.monotonic() + ANSWER_SECONDS, peer, then)
        (self._next if self._asked else self._waiting).append(waiter)
        self._go_on()

    def _go_on(self) -> None:
        self._waiting = [one for one in self._waiting if one.peer.here]
        self._next = [one for one in self._next if one.peer.here]
        ends = [one.end for one in (*self._waiting, *self._next)]
        if ends and not self._timed:
            self._timed = True
            self.server.after(min(ends) - time.monotonic(), self._turn_is_late)
        if self._waiting and not self._asked:
            self._asked = True
            server = self.server
            self._probe(lambda: server.call(self._loop_turned))

    def _loop_turned(self) -> None:
        self._asked, self._turned = False, time.monotonic()
        turned, self._waiting, self._next = self._waiting, self._next, []
        self._go_on()
        for one in turned:
            one.then(True)

    def _turn_is_late(self) -> None:
        self._timed, now = False, time.monotonic()
        late = [one for one in (*self._waiting, *self._next) if one.end <= now]
        self._waiting = [one for one in self._waiting if one.end > now]
        self._next = [one for one in self._next if one.end > now]
        self._go_on()
        for one in late:
            one.then(False)
