"""The hours in which a version may be taken: no canary, and no follower, begins while its reload
windows are closed or its source asks for a pause.

Pure. The rollout keeps the same hours. Here they count as well, lest a canary sits on the trial, or
all followers go at once when a window opens.
"""

from __future__ import annotations

from ..core import holds
from ..core.actions import ReadClock
from ..core.life_state import Phase
from ..core.record import Words
from .state import Hold, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .turn import Turn


class Hours(Words):
    """Whether the newest version may be taken now."""

    OPEN = "open"
    SHUT = "shut"  # the state tells why
    UNREAD = "unread"  # the clock is being read: `ClockRead` follows in the same turn


def look(turn: Turn) -> Hours:
    """Whether the newest version may be taken now, for its hours."""
    versions = turn.rollout.versions
    runs = turn.life.ready or versions.good != ""  # else a correction is welcome at any hour
    if turn.life.phase is Phase.WAITING or versions.live == turn.fleet.version or not runs:
        return Hours.OPEN
    hold = turn.rollout.hold
    if hold is not None and hold.pausing:
        return _shut(turn, Hold.PAUSED, holds.PAUSED)
    if turn.policy.windows:
        if hold is not None and hold.closed and not turn.passed(min(hold.look_at, hold.released)):
            return _shut(turn, Hold.WINDOW, holds.closed_words(hold))
        if hold is None or hold.read_at != turn.now:
            turn.order(ReadClock())
            return Hours.UNREAD
    if turn.fleet.shut:  # each pod begins again at its own place
        ask = turn.now + turn.place * turn.policy.ask
        turn.note(shut=False, ask=ask, good_since=turn.now)
        turn.enter(State.ASKING)
    return Hours.OPEN


def _shut(turn: Turn, reason: Hold, words: str) -> Hours:
    turn.note(shut=True, lonely=None)
    turn.enter(State.HELD, reason, words)
    return Hours.SHUT
