"""The composition root: settings, the parts, the app first, the exit code.

Only this module sees all settings; every part gets the few values it needs. What takes time to import is
imported where it is needed: a bare init loads neither threads nor ssl, kubernetes, prometheus_client.
"""

from __future__ import annotations

import os
import sys

from . import __version__, config, log, process, surroundings, threads
from . import events as ev
from .config import StartError
from .inbox import Inbox
from .journal import Journal
from .loop import Loop
from .process import Processes
from .state import Policy, SourceState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from .actions import Action
    from .config import Settings
    from .loop import Observer
    from .signals import Inherited
    from .state import State

DEFAULT_LISTEN = ("", 9911)
_WEB_WAITS = 1.0  # seconds that the web server leaves the first configuration to be fetched undisturbed


def main(argv: Sequence[str], inherited: Inherited) -> NoReturn:
    """Run a command line; ends the process."""
    try:
        settings = config.parse(argv, os.environ)
    except config.UsageError as error:
        log.complain(str(error))
        _leave(2)
    if settings.help or settings.version:
        sys.stdout.write(config.help_text() if settings.help else f"supervisor {__version__}\n")
        sys.stdout.flush()
        _leave(0)
    try:
        code = _run(settings, inherited)
    except StartError as error:
        log.error(str(error))
        code = 125
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        log.error(f"cannot run: internal error: {error!r}")
        code = 125
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End at once: no thread, no buffer and no finalizer can hold the container."""
    log.flush()
    os._exit(code)


def _run(settings: Settings, inherited: Inherited) -> int:
    log.configure("debug" if settings.verbose or settings.v else settings.log_level, settings.log_format)
    process.close_inherited_files()
    inbox = Inbox(inherited.taken)
    processes = Processes(inherited)
    loop = Loop(inbox, processes, surroundings.command(settings), _policy(settings))
    journal = Journal(os.path.basename(settings.command[0]), configured=settings.configured)
    loop.observers.append(lambda *turn: _announce(journal, *turn))
    settings = _absolute(settings)
    _prepare_process(settings)
    if settings.configured:
        _start_sync(settings, loop, inbox)
    listen = settings.listen or (DEFAULT_LISTEN if settings.configured else None)
    if listen is not None and listen[1] >= 0:
        _start_web(listen, settings, loop, inbox)
    try:
        return loop.run()
    except Exception as error:  # noqa: BLE001 - the last resort: the app still gets its chance to end well
        log.error(f"internal error, stopping: {error!r}")
        return processes.give_up()


def _announce(journal: Journal, event: ev.Event, before: State, after: State, actions: tuple[Action, ...]) -> None:
    del actions
    for level, message in journal.lines(event, before, after):
        log.write(level, message)


def _policy(settings: Settings) -> Policy:
    return Policy(
        rewrite=dict(settings.rewrite),
        group=settings.signal_group,
        is_init=os.getpid() == 1,
        stop_signal=settings.stop_signal,
        stop_delay=settings.stop_delay,
        stop_timeout=settings.stop_timeout,
        leftovers=settings.leftovers == "terminate",
        leftovers_timeout=settings.leftovers_timeout,
        restart=settings.restart,
        ok_exit_codes=frozenset(settings.ok_exit_code),
        configured=settings.configured,
        initial_sync_timeout=settings.initial_sync_timeout,
        reload_interval=settings.reload_interval,
        reload_quiet=settings.reload_quiet,
        reload_splay=settings.reload_splay,
        reload_timeout=settings.reload_timeout,
    )


def _absolute(settings: Settings) -> Settings:
    """Paths as they were meant: relative to where we were started. Then `/`, so that no mount is kept busy."""
    paths = {name: getattr(settings, name) for name in ("config_dir", "configroot", "kubeconfig")}
    absolute = {name: os.path.abspath(path) for name, path in paths.items() if path is not None}
    settings = settings.replace(**absolute)
    for outer, inner in (
        (settings.configroot, settings.config_dir),
        (settings.config_dir, settings.configroot),
    ):
        if outer and inner and f"{os.path.realpath(inner)}/".startswith(f"{os.path.realpath(outer)}/"):
            raise StartError(f"--configroot and --config-dir overlap ({inner} is in {outer}): choose another directory")
    os.chdir("/")
    return settings


def _prepare_process(settings: Settings) -> None:
    try:
        if settings.subreaper == "auto" and os.getpid() != 1:
            process.become_subreaper()
        if settings.parent_death_signal is not None:
            process.die_with_parent(settings.parent_death_signal)
    except OSError as error:
        log.warning(f"{error.strerror or error}; going on without")


# --- the configuration ------------------------------------------------------------------------------------


def _start_sync(settings: Settings, loop: Loop, inbox: Inbox) -> None:
    # Threads are coming: the default of 5 ms before one lets another run would be what a signal waits.
    sys.setswitchinterval(0.0005)
    from . import feeds, reload, sync  # noqa: PLC0415 - only with a configuration

    loop.state = loop.state.replace(sources=tuple(SourceState(name) for name in feeds.names(settings)))
    syncer = sync.Sync(feeds.feeds(settings), feeds.root(settings), dict(settings.map), inbox.put)
    loop.sync = syncer
    loop.reload = reload.Reloader(reload.Signal(settings.reload_signal), inbox.put, settings.reload_timeout)
    syncer.start()


def _start_web(listen: tuple[str, int], settings: Settings, loop: Loop, inbox: Inbox) -> None:
    """Serve in a thread that imports what it needs once the app runs; count from the very first event."""
    import threading  # noqa: PLC0415 - only with a web server

    backlog = Backlog()
    loop.observers.append(backlog.observe)
    started = threading.Event()
    loop.observers.append(lambda event, *_: started.set() if isinstance(event, ev.Started) else None)
    method = "signal" if settings.configured else ""

    def serve() -> None:
        started.wait(_WEB_WAITS)
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
        pages = web.Pages(lambda: loop.state, lambda reply: inbox.put(ev.Probed(reply)), page.page)
        web.serve(listen, pages)

    threads.start(serve, "web")


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
