"""The way of a pod to the newest version, by what the Lease says of it now.

Pure, and level-triggered: whatever happened before, the same Lease leads to the same state. Bad
beats good; without a word of the Lease a pod holds what it runs.
"""

from __future__ import annotations

from ..core import events as ev
from . import hours, serial, trial
from .hours import Hours
from .lease import Condemned, Ledger
from .policy import Role, place
from .state import CONDEMNED, Debt, Hold, Own, State, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .turn import Turn

MOST_TRIES = 3  # canaries until a version without a verdict is held, or counts as bad
SHORTEST, LONGEST = 10.0, 3600.0  # seconds of silence of a canary
LOOK = 5.0  # seconds for the first look at the Lease
LONELY = 2.0  # times the time to ask, until people hear that no pod tries a version

DIED = "the canary's container did not outlive the trial"
UNSURE = (
    "the canaries could not tell whether the version works; see their logs, and"
    " supervisorctl fleet approve"
)
TWIN = (
    "another pod has, or had, the same identity, and tries the version; set POD_NAME and"
    " POD_UID by the downward API (docs/fleet.md)"
)
NO_CANARY = "no pod tries the version; see --fleet-role, and supervisorctl fleet approve"


def step(turn: Turn, event: ev.Event) -> None:
    """Take the state that the Lease gives the newest version."""
    fleet = turn.fleet
    if not fleet.name:
        turn.enter(State.HELD, Hold.UNNAMED, "the version has no name that other pods know")
        return
    if fleet.version == fleet.blamed and not _forgiven(turn):
        return
    ledger = turn.ledger
    if ledger is None:
        _unknown(turn)
        return
    sentence = ledger.sentence_on(fleet.name)
    if sentence is not None:
        _condemned(turn, sentence, recalled=ledger.recalled == fleet.name)
        return
    if turn.fleet.condemned:
        turn.note(condemned=False, told="")
    _not_condemned(turn, ledger, event)


def warn(turn: Turn) -> None:
    """Tell the rollout of bad versions to which it might go back, if it knows a better one."""
    ledger = turn.ledger
    if ledger is None or not ledger.bad:
        return
    versions = turn.rollout.versions
    bad = {_local(turn, one.version): one for one in ledger.bad}
    better = any(one not in bad for one in versions.marks.good)
    kept = {"", versions.live, versions.desired, *versions.condemned}
    for version, sentence in bad.items():
        if version not in kept and (better or version not in versions.marks.good):
            turn.order(ev.VersionCondemned(version, sentence.reason, _words(sentence)))


def _local(turn: Turn, name: str) -> str:
    """The version of this pod with a shared name, as far as it can know."""
    return turn.fleet.digest_of(name) or ("" if turn.rollout.versions.secret else name)


def _words(sentence: Condemned) -> str:
    who = f" by {sentence.pod}" if sentence.pod else ""
    return f"{CONDEMNED}{who}: {sentence.reason}"


def _forgiven(turn: Turn) -> bool:
    """Whether people have taken back the verdict of this pod, since it stood."""
    fleet = turn.fleet
    if turn.ledger is None:
        return False
    sentence = turn.ledger.sentence_on(fleet.name)
    if sentence is not None:
        turn.note(condemned=True)
        turn.condemn(fleet.version, sentence.reason, _words(sentence))
        return False
    if not fleet.condemned or turn.owes(fleet.name):
        return False
    turn.note(blamed="", condemned=False, told="")
    return True


def _unknown(turn: Turn) -> None:
    """The Lease was not read, or it cannot be used."""
    fleet = turn.fleet
    turn.revoke()
    if fleet.unusable:
        turn.enter(State.HELD, Hold.FOREIGN, fleet.unusable)
    elif fleet.unread is not None:
        turn.enter(State.HELD, fleet.unread.reason, fleet.unread.error)
    else:
        turn.enter(State.ASKING)


def _condemned(turn: Turn, sentence: Condemned, *, recalled: bool) -> None:
    """The version is bad: it is not applied, and stays only where it was good and runs well."""
    fleet = turn.fleet
    on_trial = fleet.trial is not None or fleet.version in turn.rollout.versions.unproven
    turn.note(condemned=True, trial=None, good_since=None)
    error = _words(sentence)
    if not turn.taken or recalled or on_trial:
        turn.condemn(fleet.version, sentence.reason, error)
        turn.enter(State.CONDEMNED, sentence.reason, error)
        return
    if turn.runs_it:
        turn.enter(State.SETTLED, sentence.reason, error)
    elif fleet.version in turn.rollout.versions.marks.rejected:
        turn.enter(State.CONDEMNED, sentence.reason, error)  # the pod has nothing else
    else:  # its own verification tells
        turn.enter(State.DUE, sentence.reason, error)


def _not_condemned(turn: Turn, ledger: Ledger, event: ev.Event) -> None:
    fleet = turn.fleet
    if ledger.shape not in ("", turn.policy.shape):
        turn.revoke()
        error = "pods with other sources, sub-directories or --map use the Lease"
        turn.enter(State.HELD, Hold.SHAPE, error)
        return
    if fleet.name in ledger.good:
        _good(turn, hurried=ledger.hurry == fleet.name)
        return
    turn.note(good_since=None)
    if turn.owes(fleet.name):
        return  # the verdict of this pod is on its way
    if ledger.trial == fleet.name and turn.owns(ledger):
        _mine(turn, event)
        return
    if fleet.trial is not None:  # another pod has taken the trial over, or people ended it
        turn.note(trial=None)
        # The proof of this pod is no way back to the version; a failure still counts.
        turn.order(ev.VersionCleared(""))
    if fleet.version != turn.rollout.versions.live:
        turn.revoke()
    if ledger.passed == fleet.name:
        turn.enter(State.PASSED)
    elif fleet.unread is not None:
        turn.enter(State.HELD, fleet.unread.reason, fleet.unread.error)
    else:
        _untold(turn, ledger)


def _mine(turn: Turn, event: ev.Event) -> None:
    """The pod is the canary; if this process did not ask for it, an earlier one has died of it."""
    fleet = turn.fleet
    if fleet.name in fleet.claims:
        trial.step(turn, event)
        return
    turn.blame(Own.DIED, DIED)
    turn.condemn(fleet.version, Own.DIED, DIED)


def _good(turn: Turn, *, hurried: bool) -> None:
    """The version is good: apply it at this pod's own place, and see it work."""
    fleet = turn.fleet
    if fleet.good_since is None:
        own = fleet.trial is None and fleet.version == turn.rollout.versions.live
        turn.note(good_since=turn.now, at_once=own)
    turn.note(trial=None, resigned=None)
    by_order = hurried or turn.rollout.versions.hurry
    if not by_order and fleet.cleared != fleet.version and hours.look(turn) is not Hours.OPEN:
        return
    turn.enter(State.DUE)
    seen = turn.now if turn.fleet.good_since is None else turn.fleet.good_since
    one_by_one = turn.policy.serial and not hurried and not turn.fleet.at_once
    if fleet.version != turn.rollout.versions.live:
        _take(turn, seen, hurried=by_order, one_by_one=one_by_one)
        return
    works = turn.runs_it
    if fleet.version in turn.rollout.versions.unproven and not turn.opened:
        turn.clear()  # its trial had ended here without a verdict: its proof counts again
        works = turn.works
    if works:
        turn.note(rested=fleet.version)
    elif one_by_one:
        serial.keeps(turn)
    if works and (turn.fleet.at_once or turn.passed(seen + turn.policy.spread)):
        turn.enter(State.SETTLED)


def _take(turn: Turn, seen: float, *, hurried: bool, one_by_one: bool) -> None:
    """Apply the good version, once it is this pod's time."""
    cleared = turn.gate_is_open
    if one_by_one:
        if not serial.allows(turn):
            turn.revoke()  # another pod has taken the turn, if it was here
        elif not cleared:
            turn.clear()
        return
    if hurried:
        versions = turn.rollout.versions
        if not cleared or (versions.pending and not versions.hurry and not versions.applying):
            turn.clear(hurry=True)
    elif not cleared and turn.passed(seen + _left(turn, seen)):
        turn.clear()


def _left(turn: Turn, seen: float) -> float:
    """Seconds to this pod's place in the spread when it sees the verdict.

    The pods behind the canary have waited for its place, and those that look after the verdict for
    their own: that time is over, so the pods are on a good version within the spread.
    """
    fleet = turn.fleet
    trial, canary, _ = fleet.rival
    over = 0.0
    if trial == fleet.name and canary:
        over = place(canary, trial)
    elif seen <= fleet.ask + LOOK:
        over = turn.place
    if over > turn.place:
        over = 0.0
    policy = turn.policy
    return turn.place * policy.spread - over * min(policy.ask, policy.spread)


# --- no verdict yet -------------------------------------------------------------------------------


def _untold(turn: Turn, ledger: Ledger) -> None:
    """There is no verdict: another pod tries the version, or this one may."""
    fleet = turn.fleet
    own = ledger.trial == fleet.name
    goes_on = fleet.rival_since is not None and fleet.rival[0] == ledger.trial
    rival = (ledger.trial, ledger.holder, ledger.tries)
    if ledger.trial and not (goes_on and rival == fleet.rival):
        turn.note(rival=rival, rival_since=turn.now)
        if own and not ledger.holder and goes_on:
            # All pods hear of a resignation at once, and take the trial at their places.
            turn.note(ask=turn.now + turn.place * turn.policy.ask)
    if own and ledger.holder:
        _wait(turn, ledger)
        return
    if own and ledger.tries >= MOST_TRIES and not turn.can_tell:
        if fleet.unchecked:
            _alone(turn)
        else:
            turn.enter(State.HELD, Hold.UNSURE, UNSURE)
        return
    if turn.fleet.state is not State.HELD or turn.fleet.reason == Hold.TWIN:
        turn.enter(State.ASKING)
    foreign = bool(ledger.trial and ledger.holder) and not own and not _mine_or_older(turn, ledger)
    if foreign and not _silent(turn, ledger):
        return
    if not turn.passed(turn.fleet.ask) or hours.look(turn) is not Hours.OPEN:
        return
    if _allowed(turn):
        if not turn.passed(turn.fleet.ask):  # that of the opening
            return
        turn.tries = min(ledger.tries + 1, MOST_TRIES) if own else 1
        if fleet.unwritten is not None:
            turn.enter(State.HELD, fleet.unwritten.reason, fleet.unwritten.error)
        return
    _alone(turn)


def _wait(turn: Turn, ledger: Ledger) -> None:
    """Another pod is the canary; after a long silence this pod takes over, if it may."""
    twin = ledger.holder == turn.policy.identity
    turn.note(lonely=None, twin=turn.fleet.twin or twin)
    silent = _silent(turn, ledger)
    allowed = _allowed(turn)
    lost = _since(turn) + _patience(ledger) + LONELY * turn.policy.ask
    if silent and not allowed and turn.passed(lost):
        turn.enter(State.HELD, Hold.NO_CANARY, NO_CANARY)
        return
    takes = silent and allowed
    if (takes or turn.fleet.shut) and hours.look(turn) is not Hours.OPEN:
        return
    if twin:
        turn.enter(State.HELD, Hold.TWIN, TWIN)
    else:
        turn.enter(State.WAITING)
    if takes:
        _take_over(turn, ledger)


def _mine_or_older(turn: Turn, ledger: Ledger) -> bool:
    """Whether the trial is of this pod, or of a version that it knows as older than its own."""
    known = {name for _, name in turn.fleet.names}
    return turn.owns(ledger) or ledger.trial in known


def _silent(turn: Turn, ledger: Ledger) -> bool:
    """Whether the canary has been silent for too long, by the clock of this pod alone."""
    return turn.passed(_since(turn) + _patience(ledger) + turn.place * turn.policy.ask)


def _since(turn: Turn) -> float:
    """When this pod has heard of the trial on the Lease."""
    since = turn.fleet.rival_since
    return turn.now if since is None else since


def _patience(ledger: Ledger) -> float:
    return min(max(ledger.duration, SHORTEST), LONGEST)


def _allowed(turn: Turn) -> bool:
    """Whether this pod may be the canary."""
    fleet = turn.fleet
    if turn.policy.role == Role.FOLLOWER or turn.ending or not fleet.following:
        return False
    if fleet.resigned is None or turn.can_tell:
        return True
    again = fleet.resigned + turn.policy.duration + turn.place * turn.policy.ask
    return turn.passed(again)


def _take_over(turn: Turn, ledger: Ledger) -> None:
    if ledger.tries >= MOST_TRIES:
        turn.owe(Debt(Verdict.BAD, ledger.trial, Own.LOST))
    else:
        turn.tries = ledger.tries + 1


def _alone(turn: Turn) -> None:
    """No pod tries the version, and this one does not either."""
    since = turn.now if turn.fleet.lonely is None else turn.fleet.lonely
    turn.note(lonely=since)
    why = turn.fleet.unchecked
    if why:
        turn.enter(State.HELD, Hold.UNCHECKED, f"its trial ended without a verdict: {why}")
    elif turn.passed(since + LONELY * turn.policy.ask):
        turn.enter(State.HELD, Hold.NO_CANARY, NO_CANARY)
