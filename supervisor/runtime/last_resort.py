"""The last resort of the loop, after a failure of the rules. It makes no rule of its own."""

from __future__ import annotations

import time

from ..core import actions as act
from ..core import events as ev
from ..core.errors import CANNOT_RUN
from ..core.life_state import Phase
from ..core.signal_numbers import KILL, TERM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .loop import Loop

_KILLED = 1.0  # seconds for KILL


class LastResort:
    """After a failure of the rules the app keeps its signals and its exit code.

    Nothing is reloaded or restarted any more. A stop counts down, leftovers get their time.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._policy = loop.policy.life
        life = loop.current.state.life
        self._code: int | None = None
        if not life.pid:
            self._code = life.exit_code if life.exits else CANNOT_RUN
        stopping = life.phase in (Phase.DELAYED, Phase.STOPPING)
        self._kill_at = life.deadline if stopping else None

    def run(self, event: ev.Event | None) -> int:
        """Go on from the fatal event until the app has ended; its exit code."""
        if event is not None:
            self._take(event)
        while self._code is None:
            for one in self._arrived(self._kill_at):
                self._take(one)
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._kill_at = None
                self._kill(KILL)
        if self._policy.leftovers:
            end_leftovers(self._loop, (ev.APP,), self._policy.leftovers_timeout)
        return 0 if self._code in self._policy.ok_exit_codes else self._code

    def _arrived(self, due: float | None) -> Iterator[ev.Event]:
        return unruled(self._loop, due)

    def _take(self, event: ev.Event) -> None:
        match event:
            case ev.SignalReceived(signum):
                self._forward(signum)
            case ev.Exited(_, code) | ev.StartFailed(code):
                self._code = code
            case ev.Forked():
                self._code = None
            case ev.SignalRequested(reply=reply):
                reply(False)
            case _:
                self._loop.served(event)

    def _forward(self, signum: int) -> None:
        policy = self._policy
        target = policy.rewrite.get(signum, policy.stop_signal if signum == TERM else signum)
        if signum in (TERM, policy.stop_signal) and policy.stop_timeout is not None:
            self._kill_at = time.monotonic() + policy.stop_timeout
        if target:
            self._kill(target)

    def _kill(self, signum: int) -> None:
        self._loop.perform(act.Kill(signum, self._policy.group))


def unruled(loop: Loop, due: float | None) -> Iterator[ev.Event]:
    """The events until that time, the ends of children among them, without any rule."""
    for event in loop.arrived(due):
        if isinstance(event, ev.ChildrenChanged):
            yield from loop.reaped()
        else:
            yield event


def end_leftovers(loop: Loop, services: Collection[str], seconds: float) -> None:
    """End all that is left of these services, and all hooks: TERM, and KILL after `seconds`."""
    for signum, patience in ((TERM, seconds), (KILL, _KILLED)):
        orders = {one: act.KillLeftovers(signum, everything=True, service=one) for one in services}
        left = {one for one, order in orders.items() if loop.perform(order) is None}
        due = time.monotonic() + patience
        arrived = list(loop.reaped())  # the last may have ended before
        while left := left.difference(
            event.service for event in arrived if isinstance(event, ev.NothingLeft)
        ):
            if time.monotonic() >= due:
                break
            arrived = list(unruled(loop, due))
        if not left:
            return
