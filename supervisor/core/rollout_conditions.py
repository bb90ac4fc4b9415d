"""The conditions under which the rollout takes a step: what is wanted, allowed and due.

Pure, and part of the rollout. It reads all records, and writes none.
"""

from __future__ import annotations

from . import life_state as li
from . import reloads as rel
from . import versions as ver
from .life_state import Phase, Then
from .reloads import Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .life_state import Life
    from .rollout_state import Rollout, RolloutPolicy

_WRITABLE = li.DOWN | {Phase.WAITING}  # a version may be put in place while the app is down


def may_write(rollout: Rollout, life: Life) -> bool:
    if rollout.versions.applying or rollout.reloads.active or life.then is Then.END:
        return False
    return life.up or life.phase in _WRITABLE


def late(rollout: Rollout, life: Life) -> bool:
    """Whether the time of a start is over, and its last look at the disk is on its way."""
    return life.phase is Phase.WAITING and rollout.first_due is None


def undecided(rollout: Rollout) -> bool:
    """Whether the fleet has still to tell if the newest version may be applied."""
    versions = rollout.versions
    return versions.barred and versions.rejected != versions.desired


def wants_apply(rollout: Rollout, life: Life) -> bool:
    versions = rollout.versions
    free = not versions.returning and not versions.checking
    return versions.pending and free and may_write(rollout, life)


def wants_cancel(rollout: Rollout) -> bool:
    """Whether a newer version waits for the end of an attempt on an older version."""
    versions = rollout.versions
    reloads = rollout.reloads
    newer = (versions.pending or versions.hurry) and not versions.checking
    waiting = newer or bool(versions.returning)
    return reloads.active and reloads.stage is not Stage.CANCELLED and waiting


def apply_due(rollout: Rollout, life: Life, policy: RolloutPolicy) -> float:
    """When the newest version may be put in place. Only a running app's pace counts."""
    pace = policy.pace if life.ready else None
    hold = rollout.hold
    paced = rollout.reloads.paced
    if hold is None or not may_hold(rollout, life):
        return ver.due(rollout.versions, pace, paced)
    return min(ver.due(rollout.versions, pace, paced, hold.until), hold.look_at)


def may_hold(rollout: Rollout, life: Life) -> bool:
    """Whether a hold is about the newest version now: the app has another to run on, and no person
    orders the newest.
    """
    return rollout.versions.pending and _replaceable(rollout, life)


def may_wait(rollout: Rollout, life: Life) -> bool:
    """As `may_hold`, also before the gate of a fleet, which keeps the same hours."""
    versions = rollout.versions
    barred = versions.barred and versions.desired != versions.rejected
    return (versions.pending or barred) and _replaceable(rollout, life)


def _replaceable(rollout: Rollout, life: Life) -> bool:
    versions = rollout.versions
    if life.phase is Phase.WAITING or versions.hurry or versions.returning:
        return False
    return life.ready or versions.good != ""


def needs_clock(rollout: Rollout, life: Life, now: float, policy: RolloutPolicy) -> bool:
    """Whether the newest version is due, but for the reload windows: these count at this moment."""
    hold = rollout.hold
    if not policy.windows or (hold is not None and hold.read_at == now):
        return False
    waits = wants_apply(rollout, life) or wants_cancel(rollout)
    return waits and may_hold(rollout, life) and apply_due(rollout, life, policy) <= now


def _idle(rollout: Rollout, life: Life) -> bool:
    versions = rollout.versions
    writing = versions.applying or bool(versions.returning)
    return life.up and not rollout.reloads.active and not writing


def wants_reload(rollout: Rollout, life: Life) -> bool:
    versions = rollout.versions
    if versions.live in versions.condemned:
        return False  # without a way back it stays, and is not tried again
    return _idle(rollout, life) and versions.live != rollout.runs_on


def wants_trial(rollout: Rollout, life: Life) -> bool:
    """Whether the app runs on a version whose verification is to be asked again."""
    reloads = rollout.reloads
    live = rollout.versions.live
    proven = live in rollout.versions.marks.good  # then the outcome is about a newer version
    waits = life.ready and _idle(rollout, life) and reloads.stage is not Stage.PROVING
    return (
        waits
        and not proven
        and rel.unsure(reloads)
        and reloads.target == live == rollout.runs_on != ""
    )
