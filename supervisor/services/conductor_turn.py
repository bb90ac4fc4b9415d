"""A turn of the conductor: the members as they change, and the orders.

Pure, and part of the conductor: the only writer of members. `conduct` compares each service that
changed, and its neighbours, with their wanted states.
"""

from __future__ import annotations

from ..core import events as ev
from ..core import service as rules
from ..core.actions import Spawn
from ..core.life_state import Ended, Phase
from ..core.upkeep import PAUSED
from ..core.upkeep_state import StopService
from . import dependencies, exit_code, plan_update, rest, stop_order
from .conductor_state import Stopping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..core.actions import Action
    from ..core.service import Service
    from .conductor_state import Member, Out, Services


class Turn:
    def __init__(self, state: Services, now: float) -> None:
        self.state = state
        self.now = now
        self.members = dict(state.members)
        self.ended: list[str] = []  # services that are down since this turn, or refused
        self._wakes = dict(state.wakes)
        self._look: set[str] = set()
        self._changed: dict[str, None] = {}
        self._orders: list[Action] = []

    def change(self, **changes: Any) -> None:
        if "wakes" in changes:
            self._wakes = changes["wakes"]
        self.state = self.state.replace(**changes)

    def order(self, order: Action) -> None:
        self._orders.append(order)

    def result(self) -> tuple[Services, Out]:
        state = self.state.replace(
            members=self.members, wakes=self._wakes, changed=tuple(self._changed)
        )
        return state, tuple(self._orders)

    # --- wanted states ----------------------------------------------------------------------------

    def start_all(self, names: Iterable[str]) -> None:
        """Want all of these that start by themselves."""
        for name in names:
            if self.state.roster.places[name].service.autostart:
                self.want_up(name)

    def want_up(self, name: str) -> None:
        """Want a service up; with it, its dependents that had been refused for its failure."""
        self._set(name, up=True, again=False, refused="", stop_at=None)
        for other in self.state.roster.places[name].all_needed_by:
            if self.members[other].refused:
                self._set(other, up=True, refused="")

    def want_down(self, name: str, *, again: bool = False) -> None:
        self._set(name, up=False, again=again)

    def stop_everything(self, stopping: Stopping) -> None:
        budget = self.state.roster.stop_budget
        until = None if budget is None else self.now + budget
        stopping = stopping.replace(until=until)
        self.change(stopping=stopping, start_by=None, next_roster=None, leaving=frozenset())
        for name in self.members:
            self.want_down(name)

    def note_tried(self, name: str) -> None:
        """The time of a start is over: services that only wait for its try go on."""
        self._set(name, tried=True)

    def look_at(self, names: Iterable[str]) -> None:
        self._look.update(names)

    def _set(self, name: str, **changes: Any) -> None:
        self._put(name, self.members[name].replace(**changes))
        self._look_around(name)

    def _put(self, name: str, member: Member) -> None:
        self.members[name] = member
        self._changed[name] = None

    def _look_around(self, name: str) -> None:
        place = self.state.roster.places[name]
        self._look.add(name)
        self._look.update(place.needed_by)
        self._look.update(place.all_needs)
        if self.state.stopping is not None and self.members[name].down:  # the next priority
            self._look.update(self.members)

    # --- a service and its event ------------------------------------------------------------------

    def tell(self, name: str, event: ev.Event) -> None:
        """Let a service have an event."""
        member = self.members[name]
        place = self.state.roster.places[name]
        before = member.service
        if not member.begun or before.life.phase is Phase.ENDED:
            after = rest.told(before, event, self.now, place.policy)
            if after is not before:
                self._put(name, member.replace(service=after))
            if before.rollout is not None:
                self._orders += rest.refused(event)
            return
        after, out = rules.step(before, event, self.now, place.policy)
        if not member.up and any(isinstance(one, Spawn) for one in out):
            # A version that needs a new process may not start it any more.
            stopped, first = rules.step(before, self._stop_order(name), self.now, place.policy)
            after, out = rules.step(stopped, event, self.now, place.policy)
            out = (*first, *out)
        self._orders += (one for one in out if not isinstance(one, Ended))
        if after is before:
            return
        member = member.replace(service=after)
        if after.life.phase is Phase.ENDED:
            member = self._over(name, member)
        self._put(name, member)
        self._wake(name, after)
        if after.life.phase is not before.life.phase:
            self._look_around(name)

    def _over(self, name: str, member: Member) -> Member:
        """A member whose life has ended."""
        self.ended.append(name)
        if member.life.to_undo:  # it stays up until its stop
            return member
        if not member.up:  # wanted down: its own end came before its turn
            service = member.service
            service = service.replace(life=service.life.replace(ordered=True))
            member = member.replace(service=service)
        return member.replace(up=member.again, again=False)

    def _wake(self, name: str, service: Service) -> None:
        at = rules.wake_at(service, self.state.roster.places[name].policy)
        if at is None or (at <= self.now and self._held_back(name, service)):
            self._wakes.pop(name, None)
        else:
            self._wakes[name] = at

    def _held_back(self, name: str, service: Service) -> bool:
        """Whether a start that is due waits for dependencies."""
        roster = self.state.roster
        paused = service.life.phase is Phase.BACKOFF
        return paused and not dependencies.all_met(name, roster, self.members)

    def pass_deadlines(self) -> None:
        due = [name for name, at in self._wakes.items() if at <= self.now]
        for name in sorted(due, key=self._rank):
            service = self.members[name].service
            if self._held_back(name, service):
                self._wakes.pop(name, None)
                self._look.add(name)
            else:
                self.tell(name, ev.DeadlinePassed())

    def _rank(self, name: str) -> int:
        return self.state.roster.places[name].rank

    # --- consequences -----------------------------------------------------------------------------

    def conduct(self) -> None:
        """Bring the services that changed, and their neighbours, to their wanted states."""
        while self._look:
            while self._look:
                self._end_for_a_cause()
                names = sorted(self._look & self.members.keys(), key=self._rank)
                self._look = set()
                self._stop_some(names)
                wanted = [name for name in names if self._may_begin(self.members[name])]
                if self._refuse_some(wanted):
                    self._look.update(wanted)  # an end of all may follow, before any start
                else:
                    self._start_some(wanted)
            self._end_for_a_cause()

    def _end_for_a_cause(self) -> None:
        """Stop all if the end of a service for good is a cause of that."""
        if not self.ended or self.state.stopping is not None:
            return
        cause = exit_code.cause(self.state.roster, self.members, self.ended)
        if cause is None and self.state.next_roster is None:
            cause = exit_code.nothing_left(self.state, self.members)
        if cause is not None:
            name, code = cause
            self.stop_everything(Stopping(self.now, name, code))

    def _stop_some(self, names: list[str]) -> None:
        highest = stop_order.highest_priority(self.state, self.members)
        for name in reversed(names):  # stops begin with the services that start last
            member = self.members[name]
            if not member.up and not member.down and not member.life.ordered:
                self._stop(name, member, highest)

    def _refuse_some(self, names: list[str]) -> bool:
        """Refuse those that can never start; whether there were any."""
        refused = False
        for name in names:
            reason = dependencies.refusal(name, self.state.roster, self.members)
            if reason:
                self.refuse(name, reason)
                refused = True
        return refused

    def _start_some(self, names: list[str]) -> None:
        for name in names:
            if dependencies.all_met(name, self.state.roster, self.members):
                self._start(name, self.members[name])

    def _may_begin(self, member: Member) -> bool:
        """Whether a service is wanted, and may start for all that it knows."""
        if not member.up or self.state.stopping is not None:
            return False
        life = member.service.life
        if life.phase is Phase.BACKOFF:
            return (life.deadline or self.now) <= self.now
        return member.down

    def _stop(self, name: str, member: Member, highest: int | None) -> None:
        without = member.life.phase in PAUSED  # there is no process to wait for others
        if without or stop_order.may_stop(name, self.state, self.members, highest):
            service = rest.ready_to_stop(member.service)
            self._put(name, member.replace(service=service, stop_at=self.now))
            self.tell(name, self._stop_order(name))

    def _stop_order(self, name: str) -> StopService:
        return stop_order.order(name, self.state.roster, self.state.stopping)

    def _start(self, name: str, member: Member) -> None:
        if not member.down:  # its pause is over
            self.tell(name, ev.DeadlinePassed())
            return
        service = member.service
        if member.begun:
            service = plan_update.renewed(service)
        service = rest.ready_to_begin(service)
        self._put(name, member.replace(service=service, begun=True, stop_at=None))
        self.tell(name, ev.Began())

    def refuse(self, name: str, reason: str) -> None:
        """A service that is wanted can never start."""
        member = self.members[name]
        if not member.down:
            self.tell(name, StopService(service=name))
            member = self.members[name]
        self.ended.append(name)
        self._set(name, up=False, again=False, refused=reason)
