"""The parts beside the loop, put together from the settings: sync, reload, readiness, web, control, events.

Imported only by roles that need any of them. The order matters: the first configuration is fetched, and the app
started, before the web server and the metrics are imported.
"""

from __future__ import annotations

import os
import threading

from . import checks, feeds, hooks, log, reload, reloading, sync, threads
from . import events as ev
from .config import StartError
from .state import SourceState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .actions import Action
    from .generations import Generation
    from .inbox import Inbox
    from .loop import Loop, Observer
    from .settings import Settings
    from .state import State

_PATIENCE = 1.0  # seconds that what serves leaves the first configuration to be fetched undisturbed


class Assembly:
    """Builds the parts and hands them to the loop."""

    def __init__(self, settings: Settings, loop: Loop, inbox: Inbox) -> None:
        """Raises StartError when an option cannot be used."""
        threading.excepthook = _say_failure
        self._started = threading.Event()
        # A sidecar starts nothing: its first configuration is what it was busy with.
        first = (ev.Started, ev.ConfigApplied)
        loop.observers.append(lambda event, *_: self._started.set() if isinstance(event, first) else None)
        self._settings, self._loop, self._inbox = settings, loop, inbox
        self._root = feeds.root(settings)
        directory = settings.configroot or settings.config_dir or ""
        self._runner = hooks.Runner(inbox.put)
        ready = reloading.readiness(settings, directory)
        if ready is not None:
            loop.readiness = checks.Readiness(ready, self._runner, inbox.put)
        self._destination = sync.Destination(
            self._root, directory, dict(settings.map), reloading.validator(settings, self._runner)
        )
        self._way = reloading.way(settings, directory)

    def start_sync(self) -> None:
        """Follow the sources, if there are any."""
        settings, loop, put = self._settings, self._loop, self._inbox.put
        if not settings.configured:
            return
        loop.state = loop.state.replace(sources=tuple(SourceState(name) for name in feeds.names(settings)))
        loop.reload = reload.Reloader(self._way, put, self._runner)
        syncer = sync.Sync(feeds.feeds(settings), self._destination, put, lambda: loop.state.config.good)
        loop.sync = syncer
        syncer.start()

    def start_web(self, listen: tuple[str, int]) -> None:
        """Serve in a thread that imports what it needs once the app runs; count from the very first event."""
        loop, inbox = self._loop, self._inbox
        method = self._way.method.name if self._settings.configured else ""
        backlog = Backlog()
        loop.observers.append(backlog.observe)

        def serve() -> None:
            self._started.wait(_PATIENCE)
            try:
                from . import metrics, web  # noqa: PLC0415 - 50 ms and 9 MiB, after the app was started

                page = metrics.Metrics(lambda: loop.state, method)
                log.capture()
            except Exception as error:  # noqa: BLE001 - a broken installation of a library must not end the app
                backlog.close()
                log.warning(f"cannot serve metrics and probes: {error!r}; everything else goes on")
                return
            backlog.open(page.observe)
            inbox.put(ev.Probed(lambda: None))  # a turn, so that what happened so far is counted
            pages = web.Pages(loop, lambda reply: inbox.put(ev.Probed(reply)), page.page)
            web.serve(listen, pages)

        threads.start(serve, "web")

    def start_control(self) -> None:
        """Listen for supervisorctl, if there is a place for the socket."""
        from . import health, paths  # noqa: PLC0415 - only with a control socket

        path = self._settings.control or paths.default_path()
        if path is None:
            log.debug("no control socket: neither /run nor /tmp can be written to")
            return
        loop, inbox = self._loop, self._inbox

        def serve() -> None:
            self._started.wait(_PATIENCE)
            from . import control, web  # noqa: PLC0415 - in its own thread

            server = control.Control(path, lambda: loop.state, inbox.put, self._generations, web.status)
            server.live = lambda state: health.live(state, loop.policy)
            loop.at_end.append(server.close)
            server.serve()

        threads.start(serve, "control")

    def _generations(self) -> Sequence[Generation]:
        return self._root.generations() if self._root else ()

    def start_events(self) -> None:
        """Tell about the configuration by Kubernetes Events. Raises StartError outside of a pod."""
        from . import notices  # noqa: PLC0415 - opt-in
        from .sources import kube_events  # noqa: PLC0415 - as above; it imports the client in its own thread
        from .sources.kube_access import Access  # noqa: PLC0415 - as above

        pod = kube_events.pod_of(os.environ)
        if pod is None:
            raise StartError("--events needs POD_NAME, POD_NAMESPACE and POD_UID by the downward API (see README)")
        teller = kube_events.Teller(pod, Access(self._settings.kubeconfig, self._settings.context))

        def observe(event: ev.Event, before: State, after: State, _: Sequence[Action]) -> None:
            for notice in notices.notices(event, before, after):
                teller.tell(notice.reason, notice.note, warning=notice.warning)

        self._loop.observers.append(observe)
        threads.start(teller.run, "events")


def _say_failure(failure: threading.ExceptHookArgs) -> None:
    """What a thread did not expect: one line, no traceback; everything else goes on."""
    name = failure.thread.name if failure.thread else "?"
    log.error(f"internal error in thread {name}: {failure.exc_value!r}")


class Backlog:
    """Keeps what the metrics must count until they are imported; all counting happens in the main thread."""

    def __init__(self) -> None:
        self._turns: list[tuple[ev.Event, State, State, tuple[Action, ...]]] | None = []
        self._target: Observer | None = None

    def observe(self, event: ev.Event, before: State, after: State, actions: tuple[Action, ...]) -> None:
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
