"""The services with a configuration: their parts by name, from the roster in use.

A service that leaves, or gets another configuration, loses its parts; all others keep theirs. A
failure in one costs this one alone. Imported once a service of the plan has a configuration.
"""

from __future__ import annotations

import time

from ..core import events as ev
from ..core.errors import UsageError
from ..core.life_state import Phase
from ..core.primitives import partial
from ..core.service import Service
from ..observe import rollout_journal
from ..runtime import log
from ..sources.interface import FailureReason
from ..wiring import sources
from .service_configuration import ServiceConfiguration
from .shared_sources import SharedSources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..core.actions import Action
    from ..core.life_state import Ended
    from ..observe.journal import Journal, Line
    from ..process.spawning import Command
    from .conductor_state import Member, Out, Services
    from .roster import Place, Roster

    Put = Callable[[ev.Event], None]


class ConfiguredServices:
    """Made and called in the main thread; `of` is safe from any thread."""

    def __init__(self, put: Put, services: Callable[[], Services]) -> None:
        """`services` returns the present state."""
        self._put = put
        self._services = services
        self._parts: dict[str, ServiceConfiguration] = {}
        self._journals: dict[str, Journal] = {}
        self._sources = SharedSources()
        self._waiting: list[ServiceConfiguration] = []  # for the start of their sources
        self.begun = False  # the first services have started

    def of(self, name: str) -> ServiceConfiguration:
        """Raises KeyError for a service without a configuration."""
        return self._parts[name]

    def begin(self, roster: Roster, command: Callable[[str], Command]) -> None:
        """Take up the first roster. Raises UsageError and StartError: nothing runs yet."""
        for name, place in roster.places.items():
            if place.policy.rollout is not None:
                self._add(name, place)
                self._parts[name].check_programs(command)

    def take(self, roster: Roster) -> None:
        """Take up another roster, before the first order about a service of it: a part that leaves
        takes no order of a new record, and a report of it reaches none.
        """
        for name, part in tuple(self._parts.items()):
            place = roster.places.get(name)
            if place is None or not part.serves(place.service):
                part.release()
                del self._parts[name]
                del self._journals[name]
        for name, place in roster.places.items():
            if place.policy.rollout is not None and name not in self._parts:
                try:
                    self._add(name, place)
                except UsageError as error:
                    self._give_up(name, str(error))
        if self.begun:
            self._start()

    def _add(self, name: str, place: Place) -> None:
        part = ServiceConfiguration(place.service, self._put, partial(self._state, name))
        self._parts[name] = part
        self._journals[name] = part.journal()
        self._waiting.append(part)

    def _state(self, name: str) -> Service:
        member = self._services().members.get(name)
        return member.service if member else Service()

    def deeds(self) -> dict[type[Action | Ended], Callable[[Any], None]]:
        """The deeds that the fleets of services order; none without a fleet."""
        if all(part.fleet is None for part in self._parts.values()):
            return {}
        from ..wiring.fleet import ORDERS

        return dict.fromkeys(ORDERS, self._perform)

    def _perform(self, order: Any) -> None:
        name = order.service if "service" in order.__match_args__ else order.event.service
        part = self._parts.get(name)
        if part is not None and part.fleet is not None:
            part.fleet.perform(order)

    def _start(self) -> None:
        for part in self._waiting:
            try:
                part.follow(self._sources)
            except RuntimeError as error:  # the only error of _thread
                self._give_up(part.service.identity, f"cannot start a thread: {error}")
        self._waiting = []
        self._sources.start()

    def _give_up(self, name: str, error: str) -> None:
        """Have a service end that would wait for its first version without end."""
        failure = ev.SourceFailed(0, FailureReason.CONFIG, error, True, name)
        self._put(failure)

    def observe(self, event: ev.Event, before: Services, after: Services, _: Out) -> None:
        """Open the sources of services that start; write the lines of the log about versions."""
        if isinstance(event, ev.Began):
            # The first services start before the imports of sources take the processor.
            self.begun = True
            self._start()
        for name in after.changed:
            if name not in self._parts or name not in after.members:
                continue
            if _begins(before.members.get(name), after.members[name]):
                self._parts[name].follow_again(self._sources)
                self._sources.start()
        concerned = dict.fromkeys((getattr(event, "service", ""), *after.changed))
        for name in concerned:
            if name in self._journals and name in before.members and name in after.members:
                self._write(name, event, before.members[name].service, after.members[name].service)

    def _write(self, name: str, event: ev.Event, before: Service, after: Service) -> None:
        if before.rollout is None or after.rollout is None:
            return
        journal = self._journals[name]
        mine = event if getattr(event, "service", "") == name else _OTHER
        now = time.monotonic()
        for level, message, fields in _lines(journal, mine, before, after, now):
            kind = str(fields["event"])
            if not kind.startswith("source_"):
                log.write(level, _named(name, message, kind), **fields)
            elif self._parts[name].leads(getattr(event, "source", 0)):
                log.write(level, message, **fields)

    def end(self) -> None:
        """Note an ordered end of all, once nothing is left of the services."""
        parts = tuple(self._parts.values())
        for part in parts:
            part.delivery.end()
        by = time.monotonic() + _LAST_WORDS
        for part in parts:
            if part.fleet is not None:
                part.fleet.end(by)
        sources.remove_key_files()
        sources.leave_watches()


_LAST_WORDS = 1.0  # seconds for all fleets at the end
_OTHER = ev.DeadlinePassed()  # an event without a line of its own


def _lines(
    journal: Journal, event: ev.Event, before: Service, after: Service, now: float
) -> Iterator[Line]:
    yield from rollout_journal.lines(journal, event, before, after, now)
    if after.fleet is not None:
        from ..observe import fleet_journal

        yield from fleet_journal.lines(journal, event, before, after)


def _begins(before: Member | None, after: Member) -> bool:
    """Whether a service waits for its first version since this event."""
    waits = after.begun and after.life.phase is Phase.WAITING
    return waits and (before is None or before.down)


def _named(name: str, message: str, event: str) -> str:
    """A line about a version, or a fleet, names its service; those about starts and reloads do
    already.
    """
    of_version = event.startswith(("config_", "fleet_"))
    if of_version and not message.startswith(f"cannot start {name}"):
        return f"{name}: {message}"
    return message
