"""The scripts of a service among several: `finish` after each end, `down` at the stop of a oneshot.

Pure, and part of the upkeep. A script runs while the program of the service does not, in the phases
of leftovers.
"""

from __future__ import annotations

from .life import KILLED_GRACE
from .life_state import Ended, Phase, Then
from .upkeep_state import KillScript, RunScript, Script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .actions import Action
    from .life_state import Report
    from .upkeep_state import KeptLife, ScriptPolicy, Upkeep

    Result = tuple[KeptLife, tuple[Action | Report, ...]]


def complete(life: KeptLife, now: float, upkeep: Upkeep) -> Result:
    """The start of a service that has nothing to run."""
    life = life.replace(
        phase=Phase.ENDED,
        then=Then.END,
        deadline=None,
        starts=life.starts + 1,
        started_at=now,
        ended_at=now,
        settled=True,
        answered=True,
        exit_code=0,
        exit_signal=0,
        to_undo=upkeep.down is not None,
    )
    return life, (Ended(0),)


def finish(life: KeptLife, now: float, policy: ScriptPolicy) -> Result:
    """The program of the service has ended."""
    return _run(life, Script.FINISH, now, policy)


def undo(life: KeptLife, now: float, upkeep: Upkeep) -> Result:
    """The stop of a oneshot that has completed."""
    life = life.replace(to_undo=False)
    if upkeep.down is None:
        return life, ()
    return _run(life, Script.DOWN, now, upkeep.down)


def _run(life: KeptLife, script: Script, now: float, policy: ScriptPolicy) -> Result:
    times = (None if policy.limit is None else now + policy.limit, life.kill_by)
    deadline = min((max(now, time) for time in times if time is not None), default=None)
    life = life.replace(phase=Phase.LEFTOVERS, script=script, deadline=deadline)
    return life, (RunScript(script, life.exit_code, life.exit_signal),)


def ended(life: KeptLife, code: int, upkeep: Upkeep) -> KeptLife:
    """The life after the end of its script; `finish` may forbid the next start."""
    last = None if upkeep.finish is None else upkeep.finish.last_code
    forbidden = life.script is Script.FINISH and code == last
    return life.replace(script=None, then=Then.END if forbidden else life.then)


def late(life: KeptLife, now: float) -> Result | None:
    """KILL for a script whose time is over; None if it does not end even so."""
    if life.phase is Phase.LEFTOVERS_KILLED:
        return None
    deadline = now + KILLED_GRACE
    if life.end_by is not None:
        deadline = min(deadline, max(now, life.end_by))
    return life.replace(phase=Phase.LEFTOVERS_KILLED, deadline=deadline), (KillScript(),)
