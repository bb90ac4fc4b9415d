"""The configuration of one service: its delivery, its reloads, and the checks of its files.

It makes these parts from the settings of the service, as `wiring.program` does for a single app.
Their events carry the name of the service, and end with the release. It decides nothing, and must
not know of other services. Imported once a service of the plan has a configuration.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.errors import CANNOT_RUN, SpawnError, StartError, UsageError
from ..core.primitives import partial
from ..core.rollout_state import rollout_of
from ..observe.journal import Journal
from ..process import executables, hooks
from ..runtime import log
from ..store import delivery
from ..wiring import destination, reload_plan, sources
from ..wiring.program import LateReloader
from .key_filter import KeyFilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core import service as core
    from ..core.versions import Versions
    from ..options.declarations import Settings
    from ..process.spawning import Command
    from ..runtime.protocols import Reloader
    from ..store.configroot import Root
    from ..store.manifest import Generation
    from ..wiring.fleet import FleetDeeds
    from .plan import Service
    from .shared_sources import SharedSources, Subscription

    Put = Callable[[ev.Event], None]

_HOOKS = ("validate", "verify", "fleet_check")  # options with a program


class ServiceConfiguration:
    """The parts of a service's rollout."""

    def __init__(self, service: Service, put: Put, state: Callable[[], core.Service]) -> None:
        """`state` returns the service as it is now. Raises UsageError."""
        self.service = service
        self._settings = settings = settings_of(service)
        self._forward = put
        self._released = False
        self.directory = settings.configroot or settings.config_dir or ""
        self.root: Root | None = destination.root(settings)
        self._runner = hooks.Runner(self.put)
        versions = partial(_versions, state)
        marks = None
        if self.root is not None and settings.rollback:
            from ..store import marks_file

            marks = marks_file.MarksFile(self.root, versions)
        place = delivery.Destination(
            self.root, self.directory, dict(settings.map), self._validator(), marks
        )
        self._declared = sources.declared(settings)
        self.delivery = delivery.Delivery(self._declared, place, self.put, versions)
        self._subscriptions: list[Subscription] = []
        self._keys = KeyFilter(service.identity, service.config_keys, sources=len(self._declared))
        self.reloader: Reloader = LateReloader(self._reloader)
        self.fleet = self._fleet(state) if settings.fleet else None

    def _fleet(self, state: Callable[[], core.Service]) -> FleetDeeds:
        from ..wiring import fleet

        check = fleet.check(self._settings, self.directory, self.put)
        app = fleet.AppView(state, self.delivery)
        return fleet.FleetDeeds(self._settings, self.put, app, check)

    def put(self, event: ev.Event) -> None:
        """Put an event of a part, with the name of the service. Safe from any thread."""
        if self._released:
            self._refuse(event)
            return
        if "service" in event.__match_args__:
            event = event.replace(service=self.service.identity)
        self._forward(event)

    def _refuse(self, event: ev.Event) -> None:
        """Have a hook of a service that has left end, or not begin; no report goes on."""
        if isinstance(event, ev.HookAbandoned):
            self._forward(event)
        elif isinstance(event, ev.HookOrdered):
            why = f"{self.service.identity} has left, or has another configuration"
            event.report(ev.HookReport(0, CANNOT_RUN, why))

    def _validator(self) -> delivery.Validator | None:
        argv = self._settings.validate
        if argv is None:
            return None
        # Without a configroot the command reads the new files where the service does.
        seen = "{dir}" if self.root else self.directory
        if not any(part in word for part in ("{dir}", seen) for word in argv):
            log.warning(
                f"{self.service.identity}: validate has no {{dir}}, so it does not look at the new"
                " files",
                event="validation_blind",
                service=self.service.identity,
            )
        return reload_plan.validator(self._settings, argv, self._runner)

    def _reloader(self) -> Reloader:
        from ..reload import reloader

        plan = reload_plan.plan(self._settings, self.directory)
        return reloader.Reloader(plan, self.put, self._runner)

    def check_programs(self, command: Callable[[str], Command]) -> None:
        """Raises StartError for a hook whose program is not there."""
        settings = self._settings
        if not settings.reload_method.command and not any(getattr(settings, n) for n in _HOOKS):
            return
        hooks_of = reload_plan.commands(settings.replace(ready=None), self.directory)
        found = tuple((key(option), argv) for option, argv in hooks_of)
        changing = tuple(path for path in (settings.configroot, settings.config_dir) if path)
        try:
            executables.check(found, command(self.service.identity), changing)
        except SpawnError:
            return  # its start will report that
        except StartError as error:
            raise StartError(f"{self.service.identity}: {error}") from error

    def journal(self) -> Journal:
        """The lines of the log about the versions of this service."""
        settings = self._settings
        return Journal(
            self.service.identity,
            True,
            settings.reload_method.name,
            settings.configroot or "",
            hook_output=settings.hook_output,
            debug=log.wanted("debug"),
        )

    def generations(self) -> list[Generation]:
        """The generations on disk, newest first; safe from any thread. Raises ApplyError."""
        return self.root.generations() if self.root else []

    def serves(self, service: Service) -> bool:
        """Whether these parts fit a new record of the service in the plan."""
        mine = self.service
        return (mine.settings, mine.config_keys) == (service.settings, service.config_keys)

    def follow(self, shared: SharedSources) -> None:
        """Take the reports of the sources. Raises RuntimeError without threads."""
        for index in range(len(self._declared)):
            self._subscriptions.append(self._subscribed(shared, index))

    def follow_again(self, shared: SharedSources) -> None:
        """Open the sources again which failed for good, for another start of the service."""
        for index, one in enumerate(self._subscriptions):
            if one.over:
                one.release()
                self._subscriptions[index] = self._subscribed(shared, index)

    def _subscribed(self, shared: SharedSources, index: int) -> Subscription:
        # The thread of a source serves others too: it must not wait for the orders of this service.
        outlets = self.delivery.outlets().replace(lend=_go_on)
        return shared.follow(self._declared[index], index, outlets, self._keys)

    def leads(self, source: int) -> bool:
        """Whether the log tells the failures of a source by this service, and by no other."""
        return source >= len(self._subscriptions) or self._subscriptions[source].leads

    def release(self) -> None:
        """Report nothing more: the service has left, or has another configuration."""
        self._released = True
        if self.fleet is not None:
            self.fleet.leave()
        for one in self._subscriptions:
            one.release()


def _versions(state: Callable[[], core.Service]) -> Versions:
    return rollout_of(state()).versions


def _go_on() -> None:
    """For a thread of a source after a new version."""


def key(option: str) -> str:
    """The key of an option that is written as a flag."""
    return option.removeprefix("--").replace("-", "_")


def settings_of(service: Service) -> Settings:
    settings = service.settings
    if settings is None or not settings.configured:
        raise UsageError(f"{service.identity} has no configuration")
    return settings
