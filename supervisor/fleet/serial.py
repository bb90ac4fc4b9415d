"""One pod at a time: a pod takes a good version in its turn only, and gives the turn on.

Pure. The turn is the holder of a Lease without a trial. A pod loses it by a long silence.
"""

from __future__ import annotations

from . import amendments as am

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .lease import Ledger
    from .turn import Turn

SHARE = 0.25  # of the time to ask, within which the pods claim a free turn
SHORTEST, LONGEST = 10.0, 3600.0  # seconds of silence of the pod whose turn it is


def allows(turn: Turn) -> bool:
    """Whether the newest version, which is good, may be taken now; if not, this pod queues."""
    ledger = turn.ledger
    if ledger is None or ledger.trial:
        return False
    if turn.owns(ledger):
        turn.takes_turn = True
        return True
    if ledger.holder == turn.policy.identity:
        turn.note(twin=True)
    mark = ("", ledger.holder, 0)
    since = turn.fleet.rival_since
    if since is None or mark != turn.fleet.rival or turn.fleet.good_since == turn.now:
        since = turn.now
        turn.note(rival=mark, rival_since=since)
    patience = min(max(ledger.duration, SHORTEST), LONGEST) if ledger.holder else 0.0
    place = turn.place * turn.policy.ask * SHARE
    turn.takes_turn = turn.passed(since + patience + place)
    return False


def keeps(turn: Turn) -> None:
    """The pod verifies the version: the turn stays here, if it is here."""
    ledger = turn.ledger
    turn.takes_turn = ledger is not None and turn.owns(ledger)


def wishes(turn: Turn) -> bool:
    """Whether this pod has to take the turn, or to give it on."""
    ledger = turn.ledger
    if ledger is None or ledger.trial:
        return False
    return turn.takes_turn != turn.owns(ledger)


def amended(turn: Turn, ledger: Ledger) -> Ledger:
    """The Lease with the turn as this pod has to have it."""
    policy = turn.policy
    if turn.takes_turn:
        return turn.signed(am.turned(ledger, policy.identity, policy.duration))
    if turn.owns(ledger):
        return am.turned(ledger, "", 0.0)
    return ledger
