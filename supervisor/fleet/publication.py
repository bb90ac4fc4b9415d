"""The words of a pod to the Lease: verdicts, claims and orders of people, until they stand.

Pure. One write at a time, with the resource version of the state that it amends: a write that comes
too late is refused by the server, and amends the next state.
"""

from __future__ import annotations

from ..core import events as ev
from . import amendments as am
from . import people, serial
from .events import FleetVerb, LeaseRead, LeaseWritten
from .lease import Ledger, read
from .orders import Keep, ReadLease, WriteLease
from .state import Debt, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import FleetOrdered
    from .lease import LeaseState
    from .state import Fleet
    from .turn import Turn

PATIENCE = 60.0  # seconds until a write without a report is forgotten
VERDICTS = 8  # of this pod, in its record
CLAIMS = 16  # trials of this process, in its record
LAG = 5.0  # seconds within which the pods hear of a new version
STALE = 5.0  # seconds for the watch to tell the state that a refused write did not know


def publish(turn: Turn, event: ev.Event) -> bool:
    """Write the Lease, if it is not yet as this pod has to have it.

    Returns whether a word of this pod stands now.
    """
    stands = _written(turn, event)
    people.serve(turn)
    fleet = turn.fleet
    if fleet.writing is not None:
        if not turn.passed(fleet.write_by):
            return stands
        turn.note(writing=None, doubtful=fleet.writing, stale=turn.now)
    if not _wishes(turn):
        return stands
    ledger = turn.ledger
    if ledger is None or turn.fleet.stale is not None:
        _read(turn)
        return stands
    wanted = _amended(turn, ledger)
    if wanted != ledger:
        wanted = am.begun(wanted, turn.policy.shape, _own_good(turn))
    if wanted == ledger:
        _done(turn, fleet.owed, fleet.orders)
        return True
    if people.hasten(turn) or turn.passed(fleet.retry if fleet.failures else turn.now):
        _write(turn, wanted)
    return stands


def _written(turn: Turn, event: ev.Event) -> bool:
    """Whether the last write stands, by this event; its words are not repeated."""
    fleet = turn.fleet
    match event:
        case LeaseWritten():
            done = True
        case LeaseRead() if fleet.doubtful is not None and fleet.ledger is not None:
            version = fleet.ledger.resource_version
            done = fleet.doubtful.replace(resource_version=version) == fleet.ledger
        case _:
            return False
    if done:
        _done(turn, fleet.paying, fleet.obeying)
    turn.note(doubtful=None)
    return done


def _write(turn: Turn, wanted: Ledger) -> None:
    fleet = turn.fleet
    claims = fleet.claims
    if turn.tries and turn.owns(wanted):
        claims = (*(one for one in claims if one != fleet.name), fleet.name)[-CLAIMS:]
    turn.note(writing=wanted, write_by=turn.now + PATIENCE, claims=claims)
    turn.note(paying=fleet.owed, obeying=fleet.orders)
    turn.order(WriteLease(wanted))


def _done(turn: Turn, debts: tuple[Debt, ...], orders: tuple[FleetOrdered, ...]) -> None:
    """These words stand in the Lease."""
    fleet = turn.fleet
    ledger = turn.ledger
    if ledger is None:
        return
    turn.note(
        owed=tuple(debt for debt in fleet.owed if debt not in debts),
        orders=tuple(order for order in fleet.orders if order not in orders),
        paying=(),
        obeying=(),
    )
    obeyed = tuple(order for order in orders if order in fleet.orders)
    people.answer(turn, obeyed, ledger)
    if any(order.verb == FleetVerb.APPROVE for order in obeyed):
        turn.note(keeps=fleet.name)
    for debt in debts:
        if debt not in fleet.owed:
            continue
        good = debt.verdict is Verdict.GOOD
        condemned = ledger.sentence_on(debt.version) is not None
        if debt.verdict is not Verdict.RESIGNED and good is condemned:
            continue  # the word of another pod, or of a person, came first
        _count(turn, debt)
        if good and debt.version == fleet.name:
            _proved(turn)


def farewell(fleet: Fleet, state: LeaseState) -> Ledger | None:
    """The Lease to write at the end of a pod, from the last state it has heard; None for
    nothing. An undecided trial does not stay with a pod that is gone.
    """
    ledger = read(state)
    away = fleet.unread is not None or fleet.unwritten is not None
    if away or not isinstance(ledger, Ledger) or not ledger.trial or ledger.holder != fleet.pod:
        return None
    for debt in fleet.owed:
        if debt.version == ledger.trial and debt.verdict is Verdict.BAD:
            return am.condemned(ledger, debt.version, debt.reason, fleet.pod.partition("/")[0])
    return am.resigned(ledger, ledger.trial, fleet.pod)


def _wishes(turn: Turn) -> bool:
    fleet = turn.fleet
    words = fleet.owed or fleet.orders or turn.tries
    return bool(words) or _gives_up(turn) or serial.wishes(turn)


def forlorn(turn: Turn) -> bool:
    """Whether the Lease has this pod as the canary of a version before its newest."""
    ledger = turn.ledger
    if ledger is None or not turn.owns(ledger):
        return False
    return ledger.trial != turn.fleet.name and ledger.trial in turn.fleet.claims


def _gives_up(turn: Turn) -> bool:
    """Whether to end such a trial now: the other pods have to hear of the newest version first."""
    return forlorn(turn) and turn.passed(turn.fleet.ask + LAG)


def _amended(turn: Turn, ledger: Ledger) -> Ledger:
    fleet = turn.fleet
    for debt in fleet.owed:
        ledger = _paid(turn, debt, ledger)
    for order in fleet.orders:
        ledger = people.amended(turn, order, ledger)
    if turn.tries:
        policy = turn.policy
        if ledger.sentence_on(fleet.name) or fleet.name in (*ledger.good, ledger.passed):
            return ledger  # by the verdict or the order in the same write
        identity, duration = policy.identity, policy.duration
        return turn.signed(am.claimed(ledger, fleet.name, identity, turn.tries, duration))
    if _gives_up(turn):
        return am.untried(ledger, ledger.trial)
    return serial.amended(turn, ledger)


def _paid(turn: Turn, debt: Debt, ledger: Ledger) -> Ledger:
    policy = turn.policy
    match debt.verdict:
        case Verdict.GOOD if policy.manual:
            return am.passed(ledger, debt.version)
        case Verdict.GOOD:
            return am.approved(ledger, debt.version)
        case Verdict.BAD if ledger.hurry == debt.version:
            return ledger  # a person has decided
        case Verdict.BAD:
            return am.condemned(ledger, debt.version, debt.reason, policy.pod)
    if not turn.owns(ledger):
        return ledger
    return am.resigned(ledger, debt.version, policy.identity, met=debt.met)


def _proved(turn: Turn) -> None:
    """The good verdict of this pod on its newest version stands."""
    ledger = turn.ledger
    turn.note(trial=None, keeps=turn.fleet.name)
    if ledger is not None and turn.fleet.name not in ledger.good:
        turn.order(ev.VersionCleared(""))  # no way back before a person approves it
    else:
        turn.clear()


def keep(turn: Turn) -> None:
    """Keep the newest version for starting pods, once it is the last good one: by its canary, and
    by the pod with a person's order to approve it.
    """
    fleet = turn.fleet
    if not fleet.keeps:
        return
    if fleet.keeps != fleet.name:
        turn.note(keeps="")  # the pod has a newer one, and its content alone
    elif turn.ledger is not None and turn.ledger.good[:1] == (fleet.name,):
        turn.note(keeps="")
        if turn.policy.keep:
            turn.order(Keep(fleet.name))


def _count(turn: Turn, debt: Debt) -> None:
    fleet = turn.fleet
    turn.note(verdicts=(*fleet.verdicts, debt)[-VERDICTS:], judged=fleet.judged + 1)


def _read(turn: Turn) -> None:
    """Learn the state of the Lease, by the watch or by a request."""
    fleet = turn.fleet
    if fleet.unusable:
        people.refuse(turn, fleet.unusable)
        return
    if fleet.reading:
        return
    late = fleet.stale is not None and turn.passed(fleet.stale + STALE)
    failing = fleet.unread is not None and bool(fleet.orders)
    if fleet.following and not (late or failing):
        return  # the watch tells
    if fleet.orders or turn.passed(fleet.retry if fleet.failures else turn.now):
        turn.note(reading=True)
        turn.order(ReadLease())


def _own_good(turn: Turn) -> str:
    """The version that this pod ran well before, unless that is on the way to another verdict."""
    fleet = turn.fleet
    versions = turn.rollout.versions
    other = {"", fleet.version, *versions.condemned}
    good = next((one for one in (fleet.rested, versions.good) if one not in other), "")
    return fleet.name_of(good) or ("" if versions.secret else good)
