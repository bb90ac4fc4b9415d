"""The orders of people to the fleet, given to any of its pods.

Pure.
"""

from __future__ import annotations

from ..core.versions import NAMING
from . import amendments as am
from .events import FleetOrdered, FleetVerb
from .orders import AnswerFleet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import LeaseFailed
    from .lease import Ledger
    from .turn import Turn

LOOK = 1.0  # seconds for a person to see the Lease itself, and not the pod's memory of it
PATIENCE = 6.0  # seconds until an order is answered, whatever the API server does
_SILENT = "no answer from the API server"
_DROPPED = "the order is dropped, and changes nothing"
_OPEN = "the order may stand all the same: supervisorctl fleet shows the Lease once it is read"


def amended(turn: Turn, order: FleetOrdered, ledger: Ledger) -> Ledger:
    """The Lease once an order is followed; an order that names no version changes nothing."""
    if order.verb == FleetVerb.CLEAR:
        return am.emptied(ledger)
    if order.verb == FleetVerb.STATUS:
        return ledger
    version, error = named(turn, order.version, ledger)
    if error:
        return ledger
    match order.verb:
        case FleetVerb.APPROVE:
            return am.released(ledger, version)
        case FleetVerb.CONDEMN:
            return am.forbidden(ledger, version, turn.policy.pod)
        case FleetVerb.RECALL:
            return am.recalled(ledger, version, turn.policy.pod)
    return ledger


def named(turn: Turn, text: str, ledger: Ledger) -> tuple[str, str]:
    """The shared name that a person means, or an error; an empty text means the newest version."""
    fleet = turn.fleet
    if not text:
        return (fleet.name, "") if fleet.name else ("", "this pod knows no version yet")
    bad = (one.version for one in ledger.bad)
    known = {ledger.trial, ledger.passed, *ledger.good, *bad, *(name for _, name in fleet.names)}
    found = {one for one in known - {""} if one.startswith(text)}
    found |= {name for digest, name in fleet.names if name and digest.startswith(text)}
    exact = text in found
    if exact or (len(found) == 1 and len(text) >= NAMING):
        return (text if exact else found.pop()), ""
    if len(found) > 1:
        return "", f"{len(found)} versions begin with {text[:64]}; give more digits"
    if found:
        return "", f"{text[:64]} is too short; give at least {NAMING} digits"
    return "", f"no known version begins with {text[:64]}"


def answer(turn: Turn, orders: tuple[FleetOrdered, ...], ledger: Ledger) -> None:
    """Answer orders that stand in the Lease, or name no version."""
    for order in orders:
        error = "" if order.verb == FleetVerb.CLEAR else named(turn, order.version, ledger)[1]
        _answer(turn, order, error and _cannot(order, error))


def take(turn: Turn, order: FleetOrdered) -> None:
    """Note an order. The newest version is that of now, whatever comes before the write."""
    status = order.verb == FleetVerb.STATUS
    version = order.version or turn.fleet.name
    by = turn.now + (LOOK if status else PATIENCE)
    turn.note(orders=(*turn.fleet.orders, order.replace(version=version, by=by)))


def serve(turn: Turn) -> None:
    """Answer all that need no write, and those that have waited for too long."""
    fleet = turn.fleet
    known = turn.ledger is not None and fleet.stale is None
    for order in fleet.orders:
        status = order.verb == FleetVerb.STATUS
        if status and known:
            trouble = fleet.unread or fleet.unwritten
            _settle(turn, order, trouble.error if trouble else "")
        elif turn.passed(order.by):
            seconds = LOOK if status else PATIENCE
            _settle(turn, order, _refused(turn, order, f"{_SILENT} within {seconds:g} s"))


def hasten(turn: Turn) -> bool:
    """Whether an order of a person was not tried yet: it waits for no failure of earlier writes."""
    return any(order not in turn.fleet.obeying for order in turn.fleet.orders)


def fail(turn: Turn, failure: LeaseFailed) -> None:
    """Answer the orders that a failed request has stopped."""
    for order in turn.fleet.orders:
        if failure.of_write or not _under_way(turn, order):
            _settle(turn, order, _refused(turn, order, failure.error))


def refuse(turn: Turn, error: str) -> None:
    """Answer the orders that cannot be written."""
    for order in turn.fleet.orders:
        _settle(turn, order, _refused(turn, order, error))


def _settle(turn: Turn, order: FleetOrdered, error: str) -> None:
    _answer(turn, order, error)
    turn.note(orders=tuple(one for one in turn.fleet.orders if one is not order))


def _answer(turn: Turn, order: FleetOrdered, error: str) -> None:
    turn.order(AnswerFleet(order.replace(by=0.0), error))  # the time is the pod's own


def _under_way(turn: Turn, order: FleetOrdered) -> bool:
    """Whether a write of the order waits for its answer."""
    return order in turn.fleet.obeying and turn.fleet.writing is not None


def _refused(turn: Turn, order: FleetOrdered, why: str) -> str:
    if order.verb == FleetVerb.STATUS:
        return why
    doubtful = order in turn.fleet.obeying and turn.fleet.doubtful is not None
    open_ = doubtful or _under_way(turn, order)
    return _cannot(order, f"{why}; {_OPEN if open_ else _DROPPED}")


def _cannot(order: FleetOrdered, error: str) -> str:
    thing = "the fleet" if order.verb == FleetVerb.CLEAR else "a version"
    return f"cannot {order.verb} {thing}: {error}"
