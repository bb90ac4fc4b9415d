"""The orders of people to the fleet, given to any of its pods.

Pure.
"""

from __future__ import annotations

from . import amendments as am
from .events import FleetOrdered, FleetVerb
from .orders import AnswerFleet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .lease import Ledger
    from .turn import Turn

SHORTEST = 6  # characters of a version that name it


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
    if exact or (len(found) == 1 and len(text) >= SHORTEST):
        return (text if exact else found.pop()), ""
    if len(found) > 1:
        return "", f"{len(found)} versions begin with {text[:64]}; give more digits"
    if found:
        return "", f"{text[:64]} is too short; give at least {SHORTEST} digits"
    return "", f"no known version begins with {text[:64]}"


def answer(turn: Turn, orders: tuple[FleetOrdered, ...], ledger: Ledger) -> None:
    """Answer orders that stand in the Lease, or name no version."""
    for order in orders:
        error = ""
        if order.verb not in (FleetVerb.CLEAR, FleetVerb.STATUS):
            error = named(turn, order.version, ledger)[1]
        turn.order(AnswerFleet(order, error and _cannot(order, error)))


def refuse(turn: Turn, error: str) -> None:
    """Answer the orders that cannot be written."""
    for order in turn.fleet.orders:
        turn.order(AnswerFleet(order, _cannot(order, error)))
    turn.note(orders=())


def _cannot(order: FleetOrdered, error: str) -> str:
    if order.verb in (FleetVerb.CLEAR, FleetVerb.STATUS):
        verb = "show" if order.verb == FleetVerb.STATUS else order.verb
        return f"cannot {verb} the fleet: {error}"
    return f"cannot {order.verb} a version: {error}"
