"""The hours in which a version may be taken: no canary, and no follower, begins while its reload
windows are closed or its source asks for a pause.

Pure. The rollout keeps the same hours. Here they count as well, lest a canary sits on the trial, or
all followers go at once when a window opens.
"""

from __future__ import annotations

from ..core.actions import ReadClock
from ..core.life_state import Phase
from .state import Hold, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .turn import Turn

_WORDS = {
    Hold.PAUSED: "a source asks for a pause",
    Hold.WINDOW: "no reload window is open",
}


def shut(turn: Turn) -> bool:
    """Whether the newest version must not be taken now; then the state tells it."""
    versions = turn.rollout.versions
    by_order = versions.hurry or bool(versions.returning)
    if turn.life.phase is Phase.WAITING or by_order or versions.live == turn.fleet.version:
        return False
    hold = turn.rollout.hold
    if hold is not None and hold.pausing:
        return _shut(turn, Hold.PAUSED)
    if turn.policy.windows:
        if hold is not None and hold.closed and not turn.passed(min(hold.look_at, hold.released)):
            return _shut(turn, Hold.WINDOW)
        if hold is None or hold.read_at != turn.now:
            turn.order(ReadClock())
            return True  # `ClockRead` tells
    if turn.fleet.shut:  # each pod begins again at its own place
        ask = turn.now + turn.place * turn.policy.ask
        turn.note(shut=False, ask=ask, good_since=turn.now)
        turn.enter(State.ASKING)
    return False


def _shut(turn: Turn, reason: Hold) -> bool:
    turn.note(shut=True)
    turn.enter(State.HELD, reason, _WORDS[reason])
    return True
