"""When a service may stop, and its share of the stop budget.

Pure, and part of the conductor.
"""

from __future__ import annotations

from ..core.signal_numbers import KILL
from ..core.upkeep_state import StopService

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.actions import Kill
    from .conductor_state import Member, Services, Stopping
    from .roster import Roster

    Members = Mapping[str, Member]

_FLOOR = 1.0  # seconds of the budget kept for each tier below, if the budget has them
_KEPT = 0.5  # of the budget at most is kept for tiers
_DRAIN = 1.0  # seconds at most in which a listener reads the last events
_OF_STOP = 0.5  # of the time of its stop, at most
_FOR_KILL = 0.25  # of that share, until KILL has done its work


def highest_priority(state: Services, members: Members) -> int | None:
    """Of the services that a stop of all has still to end."""
    if state.stopping is None:
        return None
    places = state.roster.places
    left = [places[name].stop_priority for name, member in members.items() if not member.down]
    return max(left, default=None)


def may_stop(name: str, state: Services, members: Members, highest: int | None) -> bool:
    """Whether no service that is to stop as well has to be down before."""
    place = state.roster.places[name]
    for other in place.all_needed_by:
        member = members.get(other)
        if member is not None and not member.down and not member.up:
            return False
    return highest is None or place.stop_priority >= highest


def order(name: str, roster: Roster, stopping: Stopping | None) -> StopService:
    """The order to stop a service, with the times that the budget leaves it."""
    if stopping is None or stopping.until is None:
        return StopService(shutdown=stopping is not None, service=name)
    floor = _floor(stopping.until - stopping.since, roster.tiers)
    end_by = stopping.until - floor * roster.places[name].depth
    kill_by = end_by - floor * _FOR_KILL
    return StopService(kill_by, end_by, shutdown=True, service=name)


def drained_by(stopping: Stopping | None, member: Member, signal: Kill, now: float) -> float | None:
    """Until when a listener may read the last events before a signal of the stop of all; None: it
    has no time for that.
    """
    if stopping is None or signal.signum == KILL:
        return None
    deadline = member.life.deadline
    if deadline is None:
        return now + _DRAIN
    return now + min(_DRAIN, (deadline - now) * _OF_STOP) if deadline > now else None


def _floor(budget: float, tiers: int) -> float:
    return min(_FLOOR, budget * _KEPT / tiers)


def report(services: Services) -> tuple[tuple[str, float], ...]:
    """The seconds that the stop of each service took, the longest first."""
    took = []
    for name, member in services.members.items():
        ended = member.life.ended_at
        if member.stop_at is not None and ended is not None and ended >= member.stop_at:
            took.append((name, ended - member.stop_at))
        elif member.stop_at is not None and not member.down and services.stopping is not None:
            took.append((name, float("inf")))  # it lives on
    return tuple(sorted(took, key=lambda one: -one[1]))


def summary(services: Services) -> str:
    """The line about a stop within a budget: which services took it; "" without a budget."""
    stopping = services.stopping
    if stopping is None or stopping.until is None:
        return ""
    budget = stopping.until - stopping.since
    took = [f"{name} {_taken(seconds, budget)}" for name, seconds in report(services)]
    return f"stopped within the budget of {budget:g}s: {', '.join(took) or 'nothing ran'}"


def _taken(seconds: float, budget: float) -> str:
    return f"took {seconds:.1f}s" if seconds <= budget else "did not end"
