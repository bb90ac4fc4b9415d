"""Stands for the services with a configuration until the plan has any.

Light: a plan without a configuration imports nothing more.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..core import events as ev
    from ..core.actions import Action
    from ..core.life_state import Ended
    from ..process.children import Processes
    from ..process.spawning import Command
    from .conductor_state import Out, Services
    from .configured_services import ConfiguredServices
    from .roster import Roster
    from .service_configuration import ServiceConfiguration


class LateConfiguration:
    """For the main thread; `of` is safe from any thread."""

    def __init__(
        self,
        put: Callable[[ev.Event], None],
        services: Callable[[], Services],
        processes: Processes,
    ) -> None:
        self._put = put
        self._services = services
        self._processes = processes
        self._made: ConfiguredServices | None = None
        self.on_change: Callable[[], None] | None = None  # of a client that waits

    def of(self, name: str) -> ServiceConfiguration:
        """The parts of a service. Raises KeyError for a service without a configuration."""
        if self._made is None:
            raise KeyError(name)
        return self._made.of(name)

    def deeds(self) -> dict[type[Action | Ended], Callable[[Any], None]]:
        """The deeds that only some configurations have."""
        return {} if self._made is None else self._made.deeds()

    def begin(self, roster: Roster, command: Callable[[str], Command]) -> None:
        """Take up the first roster. Raises UsageError and StartError."""
        if _has_any(roster):
            self._make().begin(roster, command)

    def _make(self) -> ConfiguredServices:
        from ..process import core_dumps
        from .configured_services import ConfiguredServices

        # Our memory may hold Secrets from now on.
        self._processes.undo_in_children(core_dumps.Suppressed().restore)
        self._made = ConfiguredServices(self._put, self._services)
        return self._made

    def take(self, roster: Roster) -> None:
        """Take up another roster."""
        if self._made is None and _has_any(roster):
            self._make().begun = True
        if self._made is not None:
            self._made.take(roster)

    def observe(self, event: ev.Event, before: Services, after: Services, orders: Out) -> None:
        """Follow the versions."""
        if self._made is not None:
            self._made.observe(event, before, after, orders)
            if self.on_change is not None:
                self.on_change()

    def end(self) -> None:
        """All services have ended."""
        if self._made is not None:
            self._made.end()


def _has_any(roster: Roster) -> bool:
    return any(place.policy.rollout is not None for place in roster.places.values())
