"""An update: groups that differ are stopped, then replaced, removed or added.

Pure, and part of the conductor. All groups of an update leave before any of them starts again.
"""

from __future__ import annotations

from ..core.upkeep_state import KeptLife
from . import rest
from .conductor_state import AnswerOrder, Member, TakeRoster
from .service_orders import Answer, OpenOrder, OrderResult, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.service import Service
    from .conductor_state import UpdateOrdered
    from .conductor_turn import Turn
    from .roster import Place, Roster


def ordered(turn: Turn, order: UpdateOrdered) -> None:
    """An order to take up a new roster."""
    state = turn.state
    if state.stopping is not None:
        if order.reply is not None:
            turn.order(AnswerOrder(order.reply, ()))
        return
    leaving = state.leaving
    for group in state.roster.groups.values():
        if order.roster.groups.get(group.name) != group:
            leaving |= {one.identity for one in group.services}
    for name in leaving:
        turn.want_down(name)
    opened = state.orders
    if order.reply is not None:
        results = results_of(state.roster, order.roster)
        opened = (*opened, OpenOrder(Verb.UPDATE, order.reply, results, _WAITS))
    turn.change(next_roster=order.roster, leaving=leaving, orders=opened)


_WAITS = frozenset({""})  # no service has this name: the order is answered with the update


def results_of(old: Roster, new: Roster) -> tuple[OrderResult, ...]:
    """The change of each group, as an answer."""
    changes = [OrderResult(name, Answer.REMOVED) for name in old.groups if name not in new.groups]
    for name, group in new.groups.items():
        if name not in old.groups:
            changes.append(OrderResult(name, Answer.ADDED))
        elif old.groups[name] != group:
            changes.append(OrderResult(name, Answer.UPDATED))
    return tuple(changes)


def go_on(turn: Turn) -> None:
    """Take up the new roster once all that leaves is down."""
    state = turn.state
    roster = state.next_roster
    if roster is None or not all(turn.members[name].down for name in state.leaving):
        return
    old = turn.members
    kept = {name: old[name] for name in roster.places if name in old and name not in state.leaving}
    new = [name for name in roster.places if name not in kept]
    turn.members = {**replaced_all(turn, roster), **kept}
    wakes = {name: at for name, at in state.wakes.items() if name in kept}
    answers = [one for one in state.orders if one.verb is Verb.UPDATE]
    others = tuple(one for one in state.orders if one.verb is not Verb.UPDATE)
    turn.change(roster=roster, next_roster=None, leaving=frozenset(), wakes=wakes, orders=others)
    turn.order(TakeRoster(roster))
    for one in answers:
        turn.order(AnswerOrder(one.reply, one.results))
    if state.stopping is None:
        turn.start_all(new)
    turn.look_at(roster.places)


def replaced_all(turn: Turn, roster: Roster) -> dict[str, Member]:
    """The members of a new roster, none of which has begun."""
    before = turn.state.roster.places
    return {
        name: _replaced(turn.members.get(name), before.get(name), place)
        for name, place in roster.places.items()
    }


def _replaced(member: Member | None, old: Place | None, new: Place) -> Member:
    """A member for a new record in the plan: the counters go on.

    So do the versions, unless the configuration is another by now.
    """
    if member is None or old is None:
        return Member(rest.first(new))
    service = member.service
    # As supervisord has it, the new record was not started yet.
    life = KeptLife(starts=service.life.starts, exits=member.life.exits)
    service = service.replace(life=life)
    if not rest.same_configuration(old, new):
        service = rest.configured(service, new)
    return Member(service)


def renewed(service: Service) -> Service:
    """The service before its next life."""
    old = service.life
    ended_at = old.ended_at if isinstance(old, KeptLife) else None
    life = KeptLife(
        starts=old.starts, exits=old.exits, started_at=old.started_at, ended_at=ended_at
    )
    return service.replace(life=life)
