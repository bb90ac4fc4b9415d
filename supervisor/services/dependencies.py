"""Whether the dependencies of a service let it start.

Pure, and part of the conductor.
"""

from __future__ import annotations

from ..core.life_state import ALIVE, Phase
from ..core.upkeep import expects
from .plan import Condition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .conductor_state import Member
    from .roster import Roster

    Members = Mapping[str, Member]


def met(roster: Roster, need: str, condition: Condition, members: Members) -> bool:
    """Whether a dependency is at its condition, and is to stay there."""
    member = members.get(need)
    tried = member is not None and (member.spent or member.tried)
    if condition is Condition.TRIED and tried:
        return True
    if member is None or not member.begun:
        return False
    place = roster.places[need]
    life = member.life
    if life.phase is Phase.ENDED:
        lasts = condition is Condition.COMPLETED or place.service.oneshot
        return lasts and life.finished and expects(life, place.policy.life)
    if not member.up or life.ordered:
        return False
    if condition is Condition.STARTED:
        return life.phase in ALIVE
    # A oneshot is ready once it is completed.
    ready = condition is not Condition.COMPLETED and not place.service.oneshot
    return ready and life.phase is Phase.RUNNING


def all_met(name: str, roster: Roster, members: Members) -> bool:
    needs = roster.places[name].needs
    return all(met(roster, need, condition, members) for need, condition in needs)


def waiting_for(name: str, roster: Roster, members: Members) -> str:
    """The first dependency that is not at its condition; "" for none."""
    for need, condition in roster.places[name].needs:
        if not met(roster, need, condition, members):
            return need
    return ""


def refusal(name: str, roster: Roster, members: Members) -> str:
    """Why the service can never start: a dependency has failed for good; "" if it may start."""
    for need, condition in roster.places[name].needs:
        member = members.get(need)
        if member is None or not member.spent or met(roster, need, condition, members):
            continue
        return f"depends on {need}, which is {'FATAL' if member.failed else 'EXITED'}"
    return ""


def stopped(name: str, roster: Roster, members: Members) -> tuple[str, ...]:
    """The dependencies, and theirs, that are down and not to run: a start brings them up too."""
    return tuple(
        need
        for need in roster.places[name].all_needs
        if not members[need].up
        and not members[need].again
        and not members[need].spent
        and members[need].down
    )
