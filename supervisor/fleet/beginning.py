"""The start of a pod in its fleet: on a version that is good, else on the last good one, else on
the newest that is not bad.

Pure. A pod that starts must start: a Lease that cannot be read delays it, and does not hold it.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.life_state import Phase
from ..core.outcomes import ApplyFailure
from . import events as fe
from . import following
from .lease import Ledger
from .orders import FetchKept, ReadLease
from .state import CONDEMNED, Debt, Hold, Own, Start, State, Verdict

AGAIN = 5.0  # seconds for a second look at the Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .turn import Turn


def step(turn: Turn, event: ev.Event) -> None:
    """Decide on the version of the start, while nothing has been started yet."""
    if turn.fleet.start is Start.NEW:
        turn.note(start=Start.READING, start_by=turn.now + turn.policy.patience, reading=True)
        turn.order(ReadLease())
    if isinstance(event, ev.Remembered):
        _resume(turn, event)
    _bury(turn, event)
    if turn.life.phase is not Phase.WAITING:
        turn.note(start=Start.DONE)
        return
    if not turn.fleet.version:
        return
    if turn.fleet.start is not Start.BARRED and turn.fleet.blamed != turn.fleet.version:
        turn.enter(State.ASKING)
    if isinstance(event, ev.Remembered):
        _remember(turn, event)
    _decide(turn, event)


def _decide(turn: Turn, event: ev.Event) -> None:
    fleet = turn.fleet
    unfound = isinstance(event, ev.ConfigFailed) and event.reason == ApplyFailure.NO_GENERATION
    match fleet.start:
        case Start.READING:
            _ask_again(turn, event)
            _first(turn)
        case Start.LAST if unfound:
            _fetch(turn)
        case Start.KEPT if isinstance(event, fe.KeptFailed):
            _newest(turn)
        case Start.BARRED if not _bad(turn):
            _released(turn, event)
        case Start.CLEARED if fleet.blamed == fleet.version:
            if unfound:
                _fetch(turn)
        case Start.CLEARED if fleet.cleared != fleet.version:
            _first(turn)  # a newer one came


def _released(turn: Turn, event: ev.Event) -> None:
    """The newest version is no longer bad: people approved it, or forgot all verdicts, or another
    version came. One without a verdict has to pass a trial, as anywhere.
    """
    ledger = _usable(turn)
    forgotten = turn.fleet.told == turn.fleet.version
    if forgotten and ledger is not None and turn.fleet.name not in ledger.good:
        following.step(turn, event)
    else:
        _first(turn)


def _remember(turn: Turn, event: ev.Remembered) -> None:
    """The newest version may have failed in this pod before, by itself: it is not tried again,
    unless a person has approved it.
    """
    version = turn.fleet.version
    why = event.marks.why(version)
    cleared = turn.fleet.cleared == version and not _approved(turn)
    if cleared and why and not why.startswith(CONDEMNED):
        turn.blame(Own.FAILED, why)
        turn.condemn(version, Own.FAILED, why)


def _resume(turn: Turn, event: ev.Remembered) -> None:
    """A trial that an ordered end of this pod's container has cut goes on."""
    version = event.marks.resumed
    name = turn.fleet.name_of(version) or ("" if turn.rollout.versions.secret else version)
    if name:
        turn.note(claims=(*turn.fleet.claims, name))


def _bury(turn: Turn, event: ev.Event) -> None:
    """Publish that an earlier process of this pod did not outlive its trial."""
    fleet = turn.fleet
    ledger = turn.ledger
    mine = ledger is not None and ledger.trial and turn.owns(ledger)
    # Only the disk tells an ordered end from a death, so its memory comes first.
    looked = isinstance(event, ev.Remembered | ev.ConfigApplied | ev.ConfigFailed)
    if ledger is not None and mine and looked and ledger.trial not in fleet.claims:
        _died(turn, ledger.trial)
    died = turn.rollout.versions.marks.died
    if not died or fleet.buried:
        return
    turn.note(buried=True)
    name = fleet.name_of(died) or ("" if turn.rollout.versions.secret else died)
    if name:
        _died(turn, name)


def _died(turn: Turn, name: str) -> None:
    fleet = turn.fleet
    if turn.owes(name):
        return
    turn.owe(Debt(Verdict.BAD, name, Own.DIED))
    if name == fleet.name:
        turn.note(blamed=fleet.version)
        turn.enter(State.CONDEMNED, Own.DIED, following.DIED)
        turn.condemn(fleet.version, Own.DIED, following.DIED)


def _ask_again(turn: Turn, event: ev.Event) -> None:
    """Sources that answer are a sign of life: the Lease may be read again as well."""
    fleet = turn.fleet
    offered = isinstance(event, ev.SourceRead | ev.ConfigOffered)
    unread = fleet.unread is not None and fleet.unread.reason != Hold.FORBIDDEN
    if offered and unread and not fleet.reading:
        turn.note(reading=True, start_by=max(fleet.start_by, turn.now + AGAIN))
        turn.order(ReadLease())


def _first(turn: Turn) -> None:
    ledger = _usable(turn)
    if ledger is None and not _given_up(turn):
        return
    if ledger is not None and turn.fleet.name in ledger.good and not _bad(turn):
        turn.clear()
        turn.note(start=Start.CLEARED)
        return
    turn.note(start=Start.LAST)
    turn.order(ev.StartOnLast(_excluded(turn, ledger), _known_good(turn, ledger)))


def _fetch(turn: Turn) -> None:
    """The pod has no good version of its own."""
    ledger = _usable(turn)
    if turn.policy.keep and ledger is not None and ledger.good:
        turn.note(start=Start.KEPT)
        turn.order(FetchKept(ledger.good))
    else:
        _newest(turn)


def _newest(turn: Turn) -> None:
    """There is no other version: start on the newest, unless it is bad."""
    if not _bad(turn):
        turn.clear()
        turn.note(start=Start.CLEARED)
        return
    turn.note(start=Start.BARRED)
    sentence = turn.ledger.sentence_on(turn.fleet.name) if turn.ledger else None
    if sentence is not None:
        turn.enter(State.CONDEMNED, sentence.reason, f"{CONDEMNED}: {sentence.reason}")
    else:
        turn.enter(State.CONDEMNED, turn.fleet.reason or Own.FAILED, turn.fleet.error)
    turn.condemn(turn.fleet.version, turn.fleet.reason, turn.fleet.error)


def _bad(turn: Turn) -> bool:
    ledger = turn.ledger
    name = turn.fleet.name
    written = ledger is not None and ledger.sentence_on(name) is not None
    own = turn.fleet.blamed == turn.fleet.version and not _approved(turn)
    return written or own


def _approved(turn: Turn) -> bool:
    """Whether a person lets the newest version pass."""
    ledger = turn.ledger
    return ledger is not None and turn.fleet.name != "" and ledger.hurry == turn.fleet.name


def _usable(turn: Turn) -> Ledger | None:
    """The Lease, if it is about versions of this pod's sources."""
    ledger = turn.ledger
    return ledger if ledger is not None and ledger.shape in ("", turn.policy.shape) else None


def _given_up(turn: Turn) -> bool:
    fleet = turn.fleet
    hopeless = bool(fleet.unusable) or turn.ledger is not None
    forbidden = fleet.unread is not None and fleet.unread.reason == Hold.FORBIDDEN
    return hopeless or forbidden or turn.passed(fleet.start_by)


def _known_good(turn: Turn, ledger: Ledger | None) -> tuple[str, ...]:
    """The good versions of the fleet as they are called on disk; names made of Secrets are not."""
    if ledger is None or turn.rollout.versions.secret:
        return ()
    return ledger.good


def _excluded(turn: Turn, ledger: Ledger | None) -> tuple[str, ...]:
    """The versions on which this pod does not start: the bad ones, and the newest on trial."""
    fleet = turn.fleet
    if ledger is None:
        return (fleet.blamed,) if fleet.blamed else ()
    names = [one.version for one in ledger.bad]
    if ledger.trial == fleet.name:
        names.append(ledger.trial)
    known = [fleet.digest_of(name) for name in names]
    if fleet.blamed:
        known.append(fleet.blamed)
    return tuple(dict.fromkeys(one for one in (*names, *known) if one))
