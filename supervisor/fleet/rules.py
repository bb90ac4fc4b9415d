"""The rules of a pod in its fleet: who takes a version first, and when the others follow.

Pure. `step` takes each event of the service, with its rollout and its life, and gives the next
record and, in order, orders to the link and words to the rollout. The pods know of each other by
one Lease only, and compare no clocks. Versions are the rollout's: it applies a version once it is
cleared, and leaves a version that is condemned.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.life_state import Life
from ..core.outcomes import NO_FAILURE
from ..core.record import Record
from ..core.rollout_state import Rollout
from . import beginning, following, people, publication, reports, trial
from . import events as fe
from .orders import FollowLease, LeaveLease, ReadLease
from .policy import FleetPolicy, Role, fresh
from .state import Debt, Fleet, Own, Start, State, Verdict
from .turn import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .turn import Out

_EARLY = 0.05  # of the time to ask: pods of --fleet-role=canary go before all others

# At rest a fleet looks at these only.
_ABOUT = (
    ev.Began,
    ev.SourceRead,
    ev.ConfigOffered,
    fe.LeaseRead,
    fe.LeaseWritten,
    fe.LeaseConflict,
    fe.LeaseFailed,
    fe.FleetOrdered,
)


class FleetRules(Record):
    policy: FleetPolicy

    def begin(self) -> Fleet:
        """The record before the first event."""
        return fresh(self.policy)

    def note(self, fleet: Fleet, event: ev.Event, now: float) -> Fleet:
        """The record after an event while the service is down: nothing is decided, and no order
        is taken.
        """
        if isinstance(event, fe.FleetOrdered):
            return fleet
        turn = Turn(fleet, self.policy, (Rollout(), Life()), now)
        reports.take(turn, event)
        return turn.fleet

    def step(
        self, fleet: Fleet, event: ev.Event, rollout: Rollout, life: Life, now: float
    ) -> tuple[Fleet, Out]:
        """The record after an event, with its orders."""
        if _rests(fleet, event, rollout):
            return fleet, ()
        turn = Turn(fleet, self.policy, (rollout, life), now)
        reports.take(turn, event)
        if isinstance(event, fe.LeaseFailed) and not event.unknown:
            people.fail(turn, event)
        _see_newest(turn)
        if turn.fleet.start is not Start.DONE:
            beginning.step(turn, event)
        _go_on(turn, event)
        _look(turn)
        if publication.publish(turn, event):
            _go_on(turn, ev.Looked())
            publication.publish(turn, ev.Looked())
        publication.keep(turn)
        _watch(turn)
        return turn.result()

    def wake_at(self, fleet: Fleet) -> float | None:
        """When there will be something to do if nothing happens before."""
        return fleet.wake


def _rests(fleet: Fleet, event: ev.Event, rollout: Rollout) -> bool:
    return (
        fleet.state is State.SETTLED
        and fleet.version == rollout.versions.desired
        and fleet.wake is None
        and fleet.start is Start.DONE
        and fleet.writing is None
        and not fleet.following
        and not isinstance(event, _ABOUT)
    )


def _see_newest(turn: Turn) -> None:
    """Begin the way to another version, if the sources have one."""
    fleet = turn.fleet
    version = turn.rollout.versions.desired
    if version == fleet.version:
        return
    name = fleet.name_of(version)
    wait = turn.place_of(name)
    if turn.policy.role == Role.CANARY:
        wait *= _EARLY
    if fleet.trial is not None:
        wait = 0.0  # the canary is the pod already at risk: it goes on with the newer version
    turn.note(
        version=version,
        name=name,
        ask=turn.now + wait * turn.policy.ask,
        lonely=None,
        good_since=None,
        at_once=False,
        cleared="",
        told="",
        blamed="",
        condemned=False,
        resigned=None,
        unchecked="",
        trial=None,
    )
    back = version == fleet.rested == turn.rollout.versions.live
    turn.enter(State.SETTLED if back else State.ASKING)


def _go_on(turn: Turn, event: ev.Event) -> None:
    fleet = turn.fleet
    if not fleet.version:
        return
    if fleet.start is not Start.DONE:
        _see_failure(turn, event)
        return
    if fleet.state is State.SETTLED and fleet.rested == fleet.version:
        _stay(turn)
        return
    if trial.ended(turn, event):
        return
    _see_failure(turn, event)
    following.step(turn, event)
    following.warn(turn)
    if turn.fleet.state is State.SETTLED:
        turn.note(rested=fleet.version)


def _stay(turn: Turn) -> None:
    """The version of a pod at rest is left only if people recall it."""
    fleet = turn.fleet
    ledger = turn.ledger
    if ledger is not None and fleet.name and ledger.recalled == fleet.name:
        turn.note(rested="")
        turn.enter(State.ASKING)
        following.step(turn, ev.Looked())
    elif ledger is not None and fleet.reason and ledger.sentence_on(fleet.name) is None:
        turn.enter(State.SETTLED)  # people have lifted the condemnation
    following.warn(turn)


def _see_failure(turn: Turn, event: ev.Event) -> None:
    """Note that the cleared version has failed in this pod."""
    fleet = turn.fleet
    versions = turn.rollout.versions
    version = fleet.version
    if turn.opened or fleet.cleared != version or version in (fleet.blamed, fleet.told):
        return
    if version != versions.rejected and version not in versions.marks.rejected:
        return
    if isinstance(event, ev.RollbackOrdered):
        turn.revoke()
        turn.blame(Own.ROLLBACK, "a person put another version in place", publish=False)
        if fleet.trial is not None:  # another pod may try it
            turn.note(trial=None)
            turn.owe(Debt(Verdict.RESIGNED, fleet.name))
        return
    reloads = turn.rollout.reloads
    told = reloads.target == version and reloads.outcome not in NO_FAILURE
    reason = str(reloads.outcome) if told else str(Own.FAILED)
    error = versions.marks.why(version) or versions.error
    if isinstance(event, ev.ConfigFailed) and event.digest == version:
        reason = event.reason
        error = event.error
    turn.blame(reason, error)


def _look(turn: Turn) -> None:
    """A pod at rest reads the Lease once, if a source was touched."""
    fleet = turn.fleet
    if fleet.look is None:
        return
    if fleet.state is not State.SETTLED:
        turn.note(look=None)
    elif turn.passed(fleet.look):
        turn.note(look=None, reading=True)
        turn.order(ReadLease())


def _watch(turn: Turn) -> None:
    """Follow the Lease on the way to a version, and leave it at rest."""
    fleet = turn.fleet
    started = fleet.start is Start.DONE or fleet.start is Start.BARRED
    on_the_way = fleet.state is not State.SETTLED and bool(fleet.name) and started
    on_the_way = on_the_way or publication.forlorn(turn)
    if on_the_way and not fleet.following and turn.passed(fleet.ask):
        turn.note(following=True, stale=turn.now)
        turn.order(FollowLease())
    busy = fleet.owed or fleet.orders or fleet.writing is not None or fleet.reading
    if not on_the_way and fleet.following:
        turn.note(following=False, stale=None)
        turn.order(LeaveLease())
    if not on_the_way and not busy and fleet.start is Start.DONE:
        turn.note(ledger=None, unread=None, unwritten=None, failures=0, stale=None)
        turn.note(rival_since=None)  # its end is not heard from here on
