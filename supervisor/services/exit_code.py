"""The exit code of the container: whose end ends it, and with which code.

Pure, and part of the conductor. A start that failed for good never gives 0.
"""

from __future__ import annotations

from ..core.errors import FAILED
from ..core.upkeep import expects
from .plan import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..core.upkeep_state import KeptLife
    from .conductor_state import Member, Services, Stopping
    from .roster import Roster

    Members = Mapping[str, Member]


def cause(roster: Roster, members: Members, ended: Iterable[str]) -> tuple[str, int] | None:
    """The first of these services whose end, without an order, ends the container; its code."""
    for name in ended:
        member = members.get(name)
        if member is None or not member.spent or not roster.places[name].service.essential:
            continue
        if not (roster.places[name].service.oneshot and succeeded(name, roster, members)):
            return name, code_of(name, roster, members)
    return None


def succeeded(name: str, roster: Roster, members: Members) -> bool:
    """Whether a service ended by itself, as it should."""
    member = members[name]
    life = member.life
    return not member.failed and life.finished and expects(life, roster.places[name].policy.life)


def code_of(name: str, roster: Roster, members: Members) -> int:
    """The code of a service that is down; of one refused, that of the dependency behind it."""
    member = members[name]
    if not member.refused:
        return _of_life(member.life)
    for need, _ in roster.places[name].needs:
        if need in members and members[need].spent:
            return code_of(need, roster, members) or FAILED
    return FAILED


def nothing_left(services: Services, members: Members) -> tuple[str, int] | None:
    """The end when no service runs or may start by itself: its code, by the first failure.

    A service that a person stopped may be started again, and supervisord waits for orders.
    Listeners have nothing to listen to without services.
    """
    roster = services.roster
    if roster.follows_supervisord:
        return None
    spent = []
    for name, member in members.items():
        if roster.places[name].service.kind is Kind.LISTENER:
            continue
        if member.spent or member.life.to_undo:
            spent.append(name)
        elif member.begun or member.up:
            return None
    if not spent:
        return None
    if roster.main in spent:
        return roster.main, code_of(roster.main, roster, members)
    failed = [name for name in spent if not succeeded(name, roster, members)]
    worst = (code_of(name, roster, members) for name in failed)
    return "", next((code for code in worst if code), 0)


def of_stop(stopping: Stopping, roster: Roster, members: Members) -> int:
    """The code at the end of a stop of all."""
    if stopping.code is not None:
        return stopping.code
    main = members.get(roster.main)
    return _of_life(main.life) if main is not None and main.begun else 0


def _of_life(life: KeptLife) -> int:
    """The code of the last program; of a service that was given up, never 0."""
    failed = life.gave_up and not life.ordered
    return (life.exit_code or FAILED) if failed else life.exit_code
