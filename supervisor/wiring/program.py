"""The parts beside the loop, put together from the settings: sync, reload, readiness, web, control,
events.

Imported only by roles with any of them. The order matters: the first configuration is fetched, and
the app started, before the imports for later: reloads, the web server, the metrics, the control
socket.
"""

from __future__ import annotations

import posix
import time

from .. import __version__
from ..core import events as ev
from ..core.errors import StartError
from ..core.life_state import ended_unstarted
from ..core.paths import base_name
from ..core.primitives import partial
from ..core.rollout_state import Rollout, RolloutPolicy, rollout_of
from ..core.service import Service
from ..core.source_states import SourceState
from ..core.versions import Pace, Versions
from ..runtime import log, threads
from ..runtime.loop import Parts
from ..store import delivery
from . import destination, sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..control.server import Control
    from ..core.service import FleetRules, Policy
    from ..observe.metrics import Metrics
    from ..options.declarations import Settings
    from ..process.spawning import Command
    from ..runtime.loop import Current
    from ..runtime.protocols import FleetDeeds, Observer, Order, Readiness, Reloader
    from ..store.configroot import Root
    from ..store.manifest import Generation
    from ..store.marks_file import MarksFile

_FURTHER_PORTS, _LAST_PORT = 9, 65535  # with --listen-next
_PATIENCE = 1.0  # seconds for the first configuration, undisturbed by the imports of servers
_LAST_WORDS = 2.0  # seconds for the Event about an app that was not started
# Options with a program, perhaps, which is looked up before the app is started.
_HOOKS = ("validate", "ready", "verify", "fleet_check")


def first_state(settings: Settings, policy: Policy) -> Service:
    """The service before its first event."""
    if not settings.configured:
        return Service()
    states = tuple(SourceState(name) for name in sources.names(settings))
    if policy.fleet is None:
        return Service(rollout=Rollout(), sources=states)
    gated = Rollout(versions=Versions(gated=True))
    return Service(rollout=gated, sources=states, fleet=policy.fleet.begin())


def fleet_rules(settings: Settings, service: str = ev.APP) -> FleetRules | None:
    """The rules of --fleet."""
    if not settings.fleet:
        return None
    import os

    from . import fleet

    return fleet.rules(settings, os.environ, service)


def rollout_policy(settings: Settings) -> RolloutPolicy:
    """The rules for versions and reloads."""
    method = settings.reload_method
    return RolloutPolicy(
        sidecar=not settings.command,
        once=settings.once,
        validate=settings.validate is not None,
        verify=settings.verify is not None,
        reload_signal=getattr(settings, method.signal) if method.signal else 0,
        signal_checked=settings.reload_signal_check == "auto",
        restart_to_reload=method.restarts,
        rollback=settings.rollback and settings.configroot is not None,
        unhealthy_on_failure=settings.unhealthy_on_reload_failure,
        initial_sync_timeout=settings.initial_sync_timeout,
        pace=Pace(settings.reload_interval, settings.reload_quiet, settings.reload_splay),
        windows=settings.reload_window,
        reload_timeout=settings.reload_timeout,
        verify_window=settings.verify_window,
    )


class Assembly:
    """Makes the parts of a role, and starts their threads."""

    def __init__(
        self, settings: Settings, current: Current, put: Callable[[ev.Event], None]
    ) -> None:
        """Raises UsageError when an option cannot be used."""
        self._settings = settings
        self._current = current
        self._put = put
        self._root = destination.root(settings)
        self._directory = settings.configroot or settings.config_dir or ""
        self._started = threads.Gate()
        self._observers: list[Observer] = [self._note_start]
        self._at_end: list[Callable[[], None]] = []

    def parts(self, command: Command, observer: Observer) -> Parts:
        """All parts of the role, with a further observer.

        Raises UsageError when an option cannot be used, StartError when the program of a hook
        cannot be run, or outside of a pod with --events; RuntimeError without threads.
        """
        settings = self._settings
        self._observers.insert(0, observer)
        self._check_hooks(command)
        if settings.events:
            self._start_events()
        if settings.reload_notify:
            from . import app_reports

            app_reports.listen(command, self._current)
        readiness = self._readiness()
        reload = self._reload() if settings.configured else None
        sync = self._start_sync() if settings.configured else None
        fleet = self._fleet(sync) if settings.fleet and sync else None
        served = settings.served_at[1] >= 0
        if served:
            self._start_web(settings.served_at)
        if settings.control != "off" and (served or settings.control):
            self._start_control()
        return Parts(sync, reload, readiness, fleet, tuple(self._observers), tuple(self._at_end))

    def _note_start(self, event: ev.Event, *_: object) -> None:
        # Not before the app's exec, which would wait for a processor. A sidecar starts nothing: its
        # first configuration kept it busy.
        if isinstance(event, ev.Started if self._settings.command else ev.ConfigApplied):
            self._started.open()

    def _check_hooks(self, command: Command) -> None:
        settings = self._settings
        if settings.reload_method.command or any(getattr(settings, name) for name in _HOOKS):
            from ..process import executables
            from . import reload_plan

            found = tuple(reload_plan.commands(settings, self._directory))
            changing = tuple(path for path in (settings.configroot, settings.config_dir) if path)
            executables.check(found, command, changing)

    def _readiness(self) -> Readiness | None:
        settings = self._settings
        put = self._put
        if settings.ready is None:
            return None
        from ..process import hooks
        from ..reload import readiness
        from . import reload_plan

        check = reload_plan.readiness(settings, settings.ready, self._directory)
        return readiness.Readiness(check, hooks.Runner(put), put, settings.reload_timeout)

    def _fleet(self, files: delivery.Delivery) -> FleetDeeds:
        from . import fleet

        check = fleet.check(self._settings, self._directory, self._put)
        app = fleet.AppView(lambda: self._current.state, files)
        deeds = fleet.FleetDeeds(self._settings, self._put, app, check)
        self._at_end.insert(-2, deeds.end)  # before the keys for its last request go
        return deeds

    def _start_sync(self) -> delivery.Delivery:
        """Follow the sources."""
        settings = self._settings
        self._warn_of_owner()
        place = delivery.Destination(
            self._root, self._directory, dict(settings.map), self._validator(), self._marks_file()
        )
        declared = sources.declared(settings)
        syncer = delivery.Delivery(declared, place, self._put, self._versions)
        self._introduce(sources.names(settings))
        self._at_end += [syncer.end, sources.remove_key_files, sources.leave_watches]
        syncer.start()
        return syncer

    def _marks_file(self) -> MarksFile | None:
        if self._root is None or not self._settings.rollback:
            return None
        from ..store import marks_file

        return marks_file.MarksFile(self._root, self._versions, appless=self._settings.once)

    def _versions(self) -> Versions:
        return rollout_of(self._current.state).versions

    def _introduce(self, sources: list[str]) -> None:
        settings = self._settings
        role = "app" if settings.command else "once" if settings.once else "sidecar"
        whom = base_name(settings.command[0]) if settings.command else ""
        into = f" into {settings.configroot}" if settings.configroot else ""
        log.write(
            "debug" if settings.once else "info",  # --once has a line of its own, at its end
            f"supervisor {__version__} ({' '.join(filter(None, (role, whom)))}): "
            f"configuration from {', '.join(sources)}{into}",
            event="supervisor_started",
            service=whom,
            role=role,
            release=__version__,
            source=", ".join(sources),
            method=settings.reload_method.name,
        )

    def _reload(self) -> Reloader:
        # Wrong values of other methods, and of --verify, are an error before the app starts.
        usual = not self._settings.reload_method.option and self._settings.verify is None
        return LateReloader(self._reloader) if usual else self._reloader()

    def _reloader(self) -> Reloader:
        from ..process import hooks
        from ..reload import reloader
        from . import reload_plan

        plan = reload_plan.plan(self._settings, self._directory)
        return reloader.Reloader(plan, self._put, hooks.Runner(self._put))

    def _warn_of_owner(self) -> None:
        settings = self._settings
        chosen = settings.owner or settings.file_mode is not None
        if (
            not settings.secret
            or not settings.user
            or chosen
            or posix.geteuid() != 0
            or settings.user[0] in ("root", "0")
        ):
            return
        name = ":".join(filter(None, settings.user))
        log.warning(
            f"the files of --secret are for their owner only, root: give --owner {name}, or the app"
            f" (--user {name}) cannot read them",
            event="secret_without_owner",
        )

    def _validator(self) -> delivery.Validator | None:
        argv = self._settings.validate
        if argv is None:
            return None
        # Without a configroot the command reads the new files where the app does.
        seen = "{dir}" if self._root else self._directory
        if not any(part in word for part in ("{dir}", seen) for word in argv):
            log.warning(
                "--validate: the command has no {dir}, so it does not look at the new files",
                event="validation_blind",
            )
        from ..process import hooks
        from . import reload_plan

        return reload_plan.validator(self._settings, argv, hooks.Runner(self._put))

    def _start_web(self, listen: tuple[str, int]) -> None:
        """Serve metrics and probes, in a thread whose imports wait for the app."""
        host, port = listen
        further = self._settings.listen_next and port
        last = min(port + _FURTHER_PORTS, _LAST_PORT) if further else port
        from ..observe.turn_backlog import Backlog

        backlog = Backlog()
        self._observers.append(backlog.observe)
        make = partial(self._port, host, range(port, last + 1))

        def serve() -> None:
            self._started.wait(_PATIENCE)
            from ..observe import port_thread

            port_thread.run(make, backlog, self._probe)

        threads.start(serve, "web")

    def _probe(self, reply: Callable[[], None]) -> None:
        self._put(ev.Probed(reply))

    def _port(self, host: str, ports: Sequence[int]) -> tuple[Metrics, Callable[[], None]]:
        """The metrics, and the way to serve them."""
        from ..observe import listener, metrics, pages

        log.capture()
        method = self._settings.reload_method.name if self._settings.configured else ""
        made = metrics.Metrics(lambda: self._current.state, method)
        site = pages.Site(self._current, self._probe, made.page)
        return made, partial(listener.serve, host, ports, site)

    def _start_control(self) -> None:
        """Listen for supervisorctl, if there is a place for the socket."""
        late = LateControl()
        self._observers.append(late.observe)
        self._at_end.append(late.end)
        threads.start(partial(self._serve_control, late), "control")

    def _serve_control(self, late: LateControl) -> None:
        self._started.wait(_PATIENCE)
        from ..runtime import shortages

        late.control = shortages.outlast("serve supervisorctl", self._control)
        late.control.run()

    def _control(self) -> Control:
        from ..control import server, socket_files

        place = socket_files.ControlSocket(self._settings.control)
        return server.Control(place, self._current, self._put, _Pages(self._root))

    def _start_events(self) -> None:
        """Tell about the configuration by Kubernetes Events. Raises StartError outside of a pod."""
        import os

        from ..observe import pod_events
        from ..sources.kubernetes import event_sender
        from ..sources.kubernetes.credentials import Access

        pod = event_sender.pod_of(os.environ)
        if pod is None:
            raise StartError(
                "--events needs POD_NAME, POD_NAMESPACE and POD_UID by the downward API (see"
                " docs/rbac.md)"
            )
        access = Access(self._settings.kubeconfig, self._settings.context)
        sender = event_sender.EventSender(pod, access)

        def observe(event: ev.Event, before: Service, after: Service, _: Sequence[Order]) -> None:
            for notice in pod_events.notices(event, before, after):
                sender.send(notice.reason, notice.note, warning=notice.warning)

        def explain_end() -> None:
            if ended_unstarted(self._current.state.life):
                sender.finish(_LAST_WORDS)

        self._observers.append(observe)
        self._at_end.append(explain_end)
        threads.start(sender.run, "events")


class _Pages:
    """The pages of the control socket beside the state."""

    def __init__(self, root: Root | None) -> None:
        self._root = root

    def generations(self) -> Sequence[Generation]:
        return self._root.generations() if self._root else ()

    def status(self, service: Service) -> Mapping[str, object]:
        from ..observe import status

        return status.shown(service, time.monotonic(), time.time(), words=True)


class LateReloader:
    """Makes the reloader in the thread of the first reload, since its imports take time."""

    def __init__(self, make: Callable[[], Reloader]) -> None:
        self._make = make
        self._lock = threads.Lock()
        self._made: Reloader | None = None
        self._cancelled = 0  # attempts up to this

    def _reloader(self) -> Reloader:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def __call__(self, attempt: int, pid: int, *, told: bool = False) -> None:
        reloader = self._reloader()
        if attempt <= self._cancelled:  # the order came while it was made
            reloader.cancel(attempt)
        reloader(attempt, pid, told=told)

    def cancel(self, attempt: int) -> None:
        """From the main thread, which waits for no import."""
        self._cancelled = max(self._cancelled, attempt)
        if self._made is not None:
            self._made.cancel(attempt)


class LateControl:
    """Stands for the control socket until its thread has imported it."""

    def __init__(self) -> None:
        self.control: Control | None = None

    def observe(
        self, event: ev.Event, before: Service, after: Service, orders: tuple[Order, ...]
    ) -> None:
        if self.control is not None:
            self.control.observe(event, before, after, orders)

    def end(self) -> None:
        if self.control is not None:
            self.control.end()
