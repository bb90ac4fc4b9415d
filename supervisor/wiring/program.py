"""The parts beside the loop, put together from the settings: sync, reload, readiness, web, control,
events.

Imported only by roles that need any of them. The order matters: the first configuration is fetched,
and the app started, before anything is imported that is for later: reloads, the web server, the
metrics, the control socket.
"""

from __future__ import annotations

import os
import time

from .. import __version__
from ..core import events as ev
from ..core.errors import StartError
from ..core.life_state import ended_unstarted
from ..core.rollout_state import Rollout
from ..core.source_states import SourceState
from ..runtime import log, threads
from ..store import delivery
from . import destination, sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..core.service import Service
    from ..core.versions import Versions
    from ..options.declarations import Settings
    from ..runtime.inbox import Inbox
    from ..runtime.loop import Loop
    from ..runtime.protocols import Observer, Order, Reloader
    from ..store.configroot import Root
    from ..store.manifest import Generation
    from ..store.marks_file import MarksFile

_FURTHER_PORTS, _LAST_PORT = 9, 65535  # with --listen-next
_PATIENCE = 1.0  # seconds that what serves leaves the first configuration to be fetched undisturbed
_LAST_WORDS = 2.0  # seconds for the Event that explains why the app was not started
# Options that may name a program, which is looked up before the app is started.
_HOOKS = ("validate", "ready", "verify")


class Assembly:
    """Builds the parts and hands them to the loop."""

    def __init__(self, settings: Settings, loop: Loop, inbox: Inbox) -> None:
        """Raises UsageError when an option cannot be used, StartError when the program of a hook
        cannot be run.
        """
        self._started = threads.Gate()
        # A sidecar starts nothing: its first configuration is what it was busy with.
        first = (ev.Started, ev.ConfigApplied)
        loop.observers.append(
            lambda event, *_: self._started.open() if isinstance(event, first) else None
        )
        self._settings, self._loop, self._inbox = settings, loop, inbox
        self._root = destination.root(settings)
        self._directory = settings.configroot or settings.config_dir or ""
        if settings.reload_method.command or any(getattr(settings, name) for name in _HOOKS):
            from ..process import executables
            from . import reloads

            found = tuple(reloads.commands(settings, self._directory))
            changing = tuple(path for path in (settings.configroot, settings.config_dir) if path)
            executables.check(found, loop.command, changing)
        if settings.ready is not None:
            from ..process import hooks
            from ..reload import readiness
            from . import reloads

            ready = reloads.readiness(settings, settings.ready, self._directory)
            loop.readiness = readiness.Readiness(
                ready, hooks.Runner(inbox.put), inbox.put, settings.reload_timeout
            )

    def start_sync(self) -> None:
        """Follow the sources, if there are any."""
        settings, loop, put = self._settings, self._loop, self._inbox.put
        if not settings.configured:
            return
        names = sources.names(settings)
        states = tuple(SourceState(name) for name in names)
        loop.state = loop.state.replace(rollout=Rollout(), sources=states)
        self._warn_of_owner()
        # Values of other methods and of --verify may be wrong, which is said before the app starts.
        usual = not settings.reload_method.option and settings.verify is None
        loop.reload = _Late(self._reloader) if usual else self._reloader()
        place = delivery.Destination(
            self._root, self._directory, dict(settings.map), self._validator(), self._marks_file()
        )
        syncer = delivery.Delivery(sources.declared(settings), place, put, self._versions)
        loop.sync = syncer
        self._introduce(names)
        loop.at_end += [syncer.end, sources.remove_key_files]
        syncer.start()

    def _marks_file(self) -> MarksFile | None:
        if self._root is None or not self._settings.rollback:
            return None
        from ..store import marks_file

        return marks_file.MarksFile(self._root, self._versions)

    def _versions(self) -> Versions:
        return (self._loop.state.rollout or Rollout()).versions

    def _introduce(self, sources: list[str]) -> None:
        settings = self._settings
        role = "app" if settings.command else "once" if settings.once else "sidecar"
        whom = os.path.basename(settings.command[0]) if settings.command else ""
        into = f" into {settings.configroot}" if settings.configroot else ""
        log.write(
            "debug" if settings.once else "info",  # which has one line to say: that it has written
            f"supervisor {__version__} ({' '.join(filter(None, (role, whom)))}): "
            f"configuration from {', '.join(sources)}{into}",
            event="supervisor_started",
            service=whom,
            role=role,
            release=__version__,
            source=", ".join(sources),
            method=settings.reload_method.name,
        )

    def _reloader(self) -> Reloader:
        from ..process import hooks
        from ..reload import reloader
        from . import reloads

        put = self._inbox.put
        return reloader.Reloader(
            reloads.plan(self._settings, self._directory), put, hooks.Runner(put)
        )

    def _warn_of_owner(self) -> None:
        settings = self._settings
        chosen = settings.owner or settings.file_mode is not None
        if (
            not settings.secret
            or not settings.user
            or chosen
            or os.geteuid() != 0
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
        seen = (
            "{dir}" if self._root else self._directory
        )  # in place, the files are new already when it runs
        if not any(part in word for part in ("{dir}", seen) for word in argv):
            log.warning(
                "--validate: the command has no {dir}, so it does not look at the new files",
                event="validation_blind",
            )
        from ..process import hooks
        from . import reloads

        return reloads.validator(self._settings, argv, hooks.Runner(self._inbox.put))

    def start_web(self, listen: tuple[str, int]) -> None:
        """Serve in a thread that imports what it needs once the app runs; count from the very first
        event.
        """
        loop, inbox = self._loop, self._inbox
        host, port = listen
        last = (
            min(port + _FURTHER_PORTS, _LAST_PORT) if self._settings.listen_next and port else port
        )
        backlog = Backlog()
        loop.observers.append(backlog.observe)

        def serve() -> None:
            self._started.wait(_PATIENCE)
            try:
                from ..observe import listener, metrics, pages

                method = self._settings.reload_method.name if self._settings.configured else ""
                page = metrics.Metrics(lambda: loop.state, method)
                log.capture()
            except Exception as error:  # a broken installation of a library must not end the app
                backlog.close()
                log.warning(
                    f"cannot serve metrics and probes: {error!r}; everything else goes on",
                    event="listen_failed",
                )
                return
            backlog.open(page.observe)
            inbox.put(ev.Probed(lambda: None))  # a turn, so that what happened so far is counted
            site = pages.Site(loop, lambda reply: inbox.put(ev.Probed(reply)), page.page)
            listener.serve(host, range(port, last + 1), site)

        threads.start(serve, "web")

    def start_control(self) -> None:
        """Listen for supervisorctl, if there is a place for the socket."""
        loop, inbox = self._loop, self._inbox

        def serve() -> None:
            self._started.wait(_PATIENCE)
            from ..control import server, socket_files

            place = socket_files.ControlSocket(self._settings.control)
            control = server.Control(place, loop, inbox.put, _Pages(self._root))
            loop.observers.append(control.observe)
            loop.at_end.append(control.end)
            control.run()

        threads.start(serve, "control")

    def start_events(self) -> None:
        """Tell about the configuration by Kubernetes Events. Raises StartError outside of a pod."""
        from ..observe import pod_events
        from ..sources.kubernetes import event_sender
        from ..sources.kubernetes.credentials import Access

        pod = event_sender.pod_of(os.environ)
        if pod is None:
            raise StartError(
                "--events needs POD_NAME, POD_NAMESPACE and POD_UID by the downward API (see"
                " docs/rbac.md)"
            )
        sender = event_sender.EventSender(
            pod, Access(self._settings.kubeconfig, self._settings.context)
        )

        def observe(event: ev.Event, before: Service, after: Service, _: Sequence[Order]) -> None:
            for notice in pod_events.notices(event, before, after):
                sender.send(notice.reason, notice.note, warning=notice.warning)

        def explain_end() -> None:
            if ended_unstarted(self._loop.state.life):
                sender.finish(_LAST_WORDS)

        self._loop.observers.append(observe)
        self._loop.at_end.append(explain_end)
        threads.start(sender.run, "events")


class _Pages:
    """What the control socket shows beside the state."""

    def __init__(self, root: Root | None) -> None:
        self._root = root

    def generations(self) -> Sequence[Generation]:
        return self._root.generations() if self._root else ()

    def status(self, service: Service) -> Mapping[str, object]:
        from ..observe import status

        return status.shown(service, time.monotonic(), time.time(), words=True)


class _Late:
    """A reloader that is made when it is first needed: what it imports is not for the time before
    the app runs.
    """

    def __init__(self, make: Callable[[], Reloader]) -> None:
        self._make, self._lock = make, threads.Lock()
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


class Backlog:
    """Keeps what the metrics must count until they are imported; all counting happens in the main
    thread.
    """

    def __init__(self) -> None:
        self._turns: list[tuple[ev.Event, Service, Service, tuple[Order, ...]]] | None = []
        self._target: Observer | None = None

    def observe(
        self, event: ev.Event, before: Service, after: Service, actions: tuple[Order, ...]
    ) -> None:
        if self._turns is None:
            return
        self._turns.append((event, before, after, actions))
        if self._target is not None:
            turns, self._turns = self._turns, []
            for turn in turns:
                self._target(*turn)

    def open(self, target: Observer) -> None:
        self._target = target

    def close(self) -> None:
        self._turns = None
