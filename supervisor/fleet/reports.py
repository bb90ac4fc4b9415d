"""The reports of the link to the Lease, and the offers of the sources, in the record.

Pure. It decides nothing about a version.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.backoff import backoff
from . import events as fe
from . import people
from .lease import LeaseState, Ledger, read
from .policy import SANDBOX
from .state import Hold, State, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .turn import Turn

NAMES = 16  # versions whose shared names are known
RETRY_FIRST, RETRY_MOST = 2.0, 60.0  # seconds between requests that fail
RETRY_OWED = 20.0  # the same for a verdict; few pods of a fleet owe one
AGAIN = 5.0  # seconds between writes that signs of life let go, and after a shortage
AWAY = (Hold.UNREACHABLE, Hold.SERVER_ERROR)  # troubles that such a sign ends
# Seconds within which a state of the Lease older than a known one is an answer on a slow way. Later
# it is news: a cluster may be restored from a copy.
SLOW = 60.0


def take(turn: Turn, event: ev.Event) -> None:
    """Note an event."""
    match event:
        case ev.WatchConnected():
            _alive(turn)
        case ev.SourceRead(offer=offer, saw=saw):
            _alive(turn)
            if offer is not None:
                _named(turn, offer)
            elif saw == "modified":
                _touched(turn)
        case ev.ConfigOffered():
            _named(turn, event)
        case fe.LeaseRead(state):
            _heard(turn, state)
            if turn.fleet.unread is not None:
                _alive(turn)
            turn.note(reading=False, unread=None)
        case fe.LeaseWritten(state):
            turn.note(writing=None, unwritten=None, failures=0)
            _heard(turn, state)
        case fe.LeaseConflict():
            _conflict(turn)
        case fe.LeaseFailed():
            _failed(turn, event)
        case fe.FleetOrdered():
            people.take(turn, event)


def _alive(turn: Turn) -> None:
    """The API server answers: a verdict that it could not take is told soon. A server that answers
    all but writes gets no more of them by this than one in `AGAIN`.
    """
    fleet = turn.fleet
    missed = fleet.unwritten is None or fleet.unwritten.reason in AWAY
    if fleet.owed and fleet.failures and missed:
        turn.note(retry=min(fleet.retry, max(turn.now, fleet.failed + AGAIN)))


def _named(turn: Turn, offer: ev.ConfigOffered) -> None:
    others = tuple(one for one in turn.fleet.names if one[0] != offer.digest)
    turn.note(names=(*others, (offer.digest, offer.shared))[-NAMES:])


def _touched(turn: Turn) -> None:
    """A source was changed, not its content: people may have changed the Lease."""
    fleet = turn.fleet
    if fleet.state is State.SETTLED and fleet.rested and fleet.look is None:
        turn.note(look=turn.now + turn.place * turn.policy.ask)


def _heard(turn: Turn, state: LeaseState) -> None:
    if _older(turn, state):
        return
    found = read(state)
    if isinstance(found, Ledger):
        _find(turn, found)
        turn.note(ledger=found, shown=found, unusable="", heard=turn.now, stale=None)
    else:
        error = f"{found.error}; to begin again: kubectl delete lease {turn.policy.name}"
        turn.note(ledger=None, shown=None, unusable=error, heard=turn.now, stale=None)
    if turn.ledger is None or turn.ledger.trial != turn.fleet.rival[0]:
        turn.note(rival_since=None)


def _find(turn: Turn, ledger: Ledger) -> None:
    """The first look at the Lease: a claim of an earlier process of this container may stand there,
    and the disk that knew its mark may be gone.
    """
    policy = turn.policy
    if turn.fleet.found is None:
        here = ledger.claim[:SANDBOX] == policy.claim[:SANDBOX]
        mine = here and ledger.holder == policy.identity
        turn.note(found=ledger.claim if mine else "")


def _older(turn: Turn, state: LeaseState) -> bool:
    known = turn.fleet.ledger
    if known is None or turn.now - turn.fleet.heard > SLOW:
        return False
    new, old = state.resource_version, known.resource_version
    numbers = all(one.isascii() and one.isdecimal() for one in (new, old))
    return numbers and (len(new), new) < (len(old), old)


def _conflict(turn: Turn) -> None:
    """Another write came first. Its state may be known by now; otherwise it is still to come."""
    fleet = turn.fleet
    base = fleet.writing
    known = fleet.ledger
    same = base is None or known is None or base.resource_version == known.resource_version
    turn.note(writing=None, unwritten=None, doubtful=None)
    turn.note(stale=turn.now if same else None)


def _failed(turn: Turn, event: fe.LeaseFailed) -> None:
    fleet = turn.fleet
    trouble = Trouble(event.reason, event.error)
    if not event.of_write:
        turn.note(unread=trouble, reading=False)
        if event.reason == fe.LeaseTrouble.SHORTAGE:
            turn.note(following=False, ask=turn.now + AGAIN)
    elif fleet.writing is not None:
        # The write may stand all the same: the next state of the Lease tells.
        turn.note(unwritten=trouble, writing=None, failed=turn.now)
        if event.unknown:
            turn.note(stale=turn.now, doubtful=fleet.writing)
    failures = fleet.failures + 1
    most = RETRY_OWED if fleet.owed and event.reason in AWAY else RETRY_MOST
    retry = turn.now + backoff(failures, RETRY_FIRST, most)
    turn.note(failures=failures, retry=retry)
