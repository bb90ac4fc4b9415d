"""The plan in use: its roster, commands and readiness checks, replaced as a whole when all services
start again, and group by group by an update.

It composes readers and makers; it decides nothing and starts nothing.
"""

from __future__ import annotations

import os

from ..core.errors import UsageError
from ..core.service import Policy
from ..runtime import log, threads
from . import roster as rosters
from .plan_difference import difference
from .service_commands import ServiceCommands
from .service_policy import life_policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core import events as ev
    from ..core.source_states import SourceState
    from ..process.spawning import Command
    from ..runtime.protocols import Readiness
    from .plan import Group, Plan, Service
    from .plan_difference import Difference
    from .roster import Roster

_DICE_BYTES = 2


class RunningPlan:
    """All that the loop asks about services, by identity.

    Any thread may prepare the next plan; the loop looks its services up meanwhile.
    """

    def __init__(self, plan: Plan, read: Callable[[], Plan], reopen: Callable[[], None]) -> None:
        """`read` reads the file again, and raises UsageError where it is refused; `reopen` opens
        our log files again.
        """
        self._read = read
        self._reopens = [reopen]
        self._lock = threads.Lock()
        self._use(plan)

    def _use(self, plan: Plan) -> None:
        roster = _roster(plan)
        commands = ServiceCommands(plan)
        # All of them, or none where one of these raises.
        with self._lock:
            self.plan: Plan = plan  # in use, with the changes that were ordered
            self.configured: Plan = plan  # as the file was when it was last read
            self.roster: Roster = roster
            self._commands = dict.fromkeys(roster.places, commands)
            self._waiting: dict[str, Readiness] = {}
            self._prepared: list[Roster] = []

    def add_logs(self, reopen: Callable[[], None]) -> None:
        """Add logs to open again."""
        self._reopens.append(reopen)

    def reopen_logs(self) -> None:
        for reopen in self._reopens:
            reopen()

    def command(self, service: str) -> Command:
        """The command of a service. Raises SpawnError."""
        return self._commands[service](service)

    def service(self, identity: str) -> Service:
        """The record of a service, also of one that is leaving."""
        return self._commands[identity].service(identity)

    def group(self, service: Service) -> Group | None:
        """The group that a service is of now."""
        return next((one for one in self.plan.groups if one.name == service.group), None)

    def word(self, service: str) -> str:
        """The program of a service, as it is written."""
        commands = self._commands.get(service)
        return "" if commands is None else commands.word(service)

    def read_again(self) -> Roster:
        """The roster of the file as it is now; that of the old plan where it is refused."""
        try:
            self._use(self._read())
        except UsageError as error:
            log.error(
                f"cannot use the changed file: {error}; the services start again as before",
                event="plan_refused",
            )
        return self.roster

    def reread(self) -> Difference:
        """Read the file, and compare it with the plan in use. Raises UsageError."""
        configured = self._read()
        with self._lock:
            self.configured = configured
            return difference(self.plan, configured)

    def prepare(self, change: Callable[[Plan, Plan], Plan], send: Callable[[Roster], None]) -> None:
        """Let `change` make the next plan of the plan in use and the configured one, and `send` its
        roster to the loop.

        Services that leave stay known until the next change. Changes keep their order.
        """
        with self._lock:
            plan = change(self.plan, self.configured)
            roster = _roster(plan)
            new = ServiceCommands(plan)
            before = self.roster.places
            commands = {name: self._commands[name] for name in before}
            for name, place in roster.places.items():
                if name not in before or before[name].service != place.service:
                    commands[name] = new
                    self._waiting.pop(name, None)
            self.plan = plan
            self.roster = roster
            self._commands = commands
            self._prepared.append(roster)
            send(roster)

    def takes(self, roster: Roster) -> bool:
        """Whether a prepared roster is still wanted: all may have started again since."""
        with self._lock:
            wanted = any(one is roster for one in self._prepared)
            self._prepared = [one for one in self._prepared if one is not roster]
            return wanted

    def readiness(self, service: str, put: Callable[[ev.Event], None]) -> Readiness:
        """The readiness check of a service, which reports to `put`."""
        if service not in self._waiting:
            from . import service_readiness

            self._waiting[service] = service_readiness.of_service(self.service(service), put)
        return self._waiting[service]


def _roster(plan: Plan) -> Roster:
    policies = {one.identity: _policy(one, plan) for one in plan.services}
    return rosters.roster(plan, policies, _sources(plan))


def _policy(service: Service, plan: Plan) -> Policy:
    # `random` would take longer to import than all of this role.
    dice = int.from_bytes(os.urandom(_DICE_BYTES), "big") / (256**_DICE_BYTES - 1)
    life = life_policy(service, dice, leftovers=plan.ends_leftovers)
    if service.settings is None or not service.settings.configured:
        return Policy(life)
    from ..wiring import program

    rules = program.fleet_rules(service.settings, service.identity)
    return Policy(life, program.rollout_policy(service.settings), rules)


def _sources(plan: Plan) -> dict[str, tuple[SourceState, ...]]:
    """The sources of the services with a configuration, by identity, before the first look."""
    found = {}
    for one in plan.services:
        if one.settings is not None and one.settings.configured:
            from ..core.source_states import SourceState
            from ..wiring import sources

            found[one.identity] = tuple(map(SourceState, sources.names(one.settings)))
    return found
