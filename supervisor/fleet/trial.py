"""The trial of a version by this pod, its fleet's canary: from the claim that stands to a verdict.

Pure. The pod's own verification comes first, by the rollout; then the app has to run well for a
while. Troubles that tell nothing about the version are no verdict: the pod gives the trial away.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.life import wished
from ..core.life_state import TOLD
from ..core.outcomes import UNDELIVERED, Outcome
from . import hours
from .events import TrialChecked
from .hours import Hours
from .orders import CheckTrial
from .state import Debt, Own, State, Trial, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .turn import Turn

UNSURE = 30.0  # seconds without any way to a verdict
CHECK_PAUSE = 5.0  # seconds between two checks
CHECK_FAILURES = 3  # in a row


def step(turn: Turn, event: ev.Event) -> None:
    """Go on with the trial of the newest version."""
    fleet = turn.fleet
    if fleet.trial is None:
        turn.note(trial=Trial(turn.now), resigned=None)
    hour = Hours.OPEN if turn.rollout.versions.applying else hours.look(turn)
    if turn.ending or hour is Hours.SHUT:
        _give_away(turn)
        return
    if hour is Hours.UNREAD:
        return
    if not turn.gate_is_open:
        turn.clear(trial=True)
    turn.enter(State.CANARY)
    if turn.runs_it:
        _bake(turn, event)
    else:
        _doubt(turn)


def ended(turn: Turn, event: ev.Event) -> bool:
    """Whether the app has ended by itself while it baked, which ends the trial."""
    trial = turn.fleet.trial
    if trial is None or trial.proven is None or not isinstance(event, ev.Exited):
        return False
    life = turn.life
    told = life.phase in TOLD or turn.ending
    if event.pid != life.pid or told or wished(life, event, turn.now):
        return False
    error = f"the app ended, with code {event.code}, while the version was on trial"
    _fail(turn, Own.CHILD_EXITED, error)
    return True


def _bake(turn: Turn, event: ev.Event) -> None:
    trial = _trial(turn)
    if trial.proven is None:
        trial = trial.replace(proven=turn.now, unsure=None, next_check=turn.now)
    if turn.policy.check:
        trial = _checked(turn, trial, event)
        if trial.failures >= CHECK_FAILURES:
            return
    turn.note(trial=trial)
    if trial.unsure is not None and turn.passed(trial.unsure + UNSURE):
        _give_away(turn)
        return
    proven = turn.now if trial.proven is None else trial.proven
    if not turn.passed(proven + turn.policy.bake):
        return
    if turn.policy.check and (trial.failures or not trial.checked):
        return
    turn.note(trial_seconds=turn.now - trial.began)
    turn.owe(Debt(Verdict.GOOD, turn.fleet.name))


def _checked(turn: Turn, trial: Trial, event: ev.Event) -> Trial:
    if isinstance(event, TrialChecked) and event.number == trial.check and trial.checking:
        failures = 0 if event.passed else trial.failures + event.asked
        since = turn.now if trial.unsure is None else trial.unsure
        trial = trial.replace(
            checking=False,
            failures=failures,
            checked=trial.checked or event.passed,
            unsure=None if event.asked else since,
        )
        turn.note(unchecked="" if event.asked else event.error)
        if failures >= CHECK_FAILURES:
            error = f"the check of the trial failed {failures} times in a row: {event.error}"
            _fail(turn, Own.CHECK, error)
            return trial
    if not trial.checking and turn.passed(trial.next_check):
        number = trial.check + 1
        turn.order(CheckTrial(number))
        return trial.replace(check=number, checking=True, next_check=turn.now + CHECK_PAUSE)
    return trial


def _doubt(turn: Turn) -> None:
    """The version has not proved itself here yet; perhaps nothing can tell."""
    trial = _trial(turn)
    reloads = turn.rollout.reloads
    untold = reloads.outcome in UNDELIVERED or reloads.outcome == Outcome.UNVERIFIED
    unsure = untold or turn.rollout.versions.failures > 0
    if not unsure:
        turn.note(trial=trial.replace(unsure=None))
        return
    since = turn.now if trial.unsure is None else trial.unsure
    turn.note(trial=trial.replace(unsure=since))
    if turn.passed(since + UNSURE):
        _give_away(turn)


def _give_away(turn: Turn) -> None:
    """No verdict: another pod may try."""
    turn.note(resigned=turn.now, trial=None)
    version = turn.fleet.version
    met = turn.taken or version == turn.rollout.versions.live
    turn.owe(Debt(Verdict.RESIGNED, turn.fleet.name, met=met))
    turn.revoke()
    turn.enter(State.ASKING)


def _fail(turn: Turn, reason: str, error: str) -> None:
    turn.blame(reason, error)
    turn.condemn(turn.fleet.version, reason, error)


def _trial(turn: Turn) -> Trial:
    return turn.fleet.trial or Trial(turn.now)
