"""The children of this process: the only place that signals and reaps; `spawning` forks for it.

Only the main thread may use it, so no pid is reaped before a signal to it. It knows no policy: the
core decides about starts and ends.

Children of other threads (a credential plugin of the Kubernetes client) stay with their threads by
`__WNOTHREAD` (wait(2)); orphans always come to the main thread. So nothing is stolen or missed.
"""

from __future__ import annotations

import posix as os
import time

from ..core import events as ev
from ..core.errors import BY_SIGNAL
from ..core.events import APP
from ..core.primitives import partial
from ..core.signal_numbers import CONT, KILL, STOP, TERM
from . import open_files, terminal
from .spawning import Spawner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..runtime.signals import Inherited
    from .spawning import Child, Command

# Seconds between two looks for an exec, growing: usually an exec takes half a millisecond.
_LOOK_FIRST = 0.001
_LOOK_MOST = 0.25
# In the environment of a service and its descendants, where there are several services.
SERVICE_MARK = "_SUPERVISOR_SERVICE"
HOOK_MARK = "_SUPERVISOR_HOOK"  # in the environment of a hook and its descendants
_ROUNDS = 3  # of killing the leftovers of a hook, which may fork meanwhile
_WNOTHREAD = 0x20000000  # linux/wait.h; not in Python's os


class _App:
    """The process of a service."""

    def __init__(self, service: str, child: Child, *, foreground: bool) -> None:
        self.service = service
        self.pid = child.pid  # 0 after its end
        self.group = child.pid
        self.foreground = foreground  # whether it began in the foreground of a terminal
        self.starting: Child | None = child  # until its program runs
        self.pause = _LOOK_FIRST
        self.look_at = time.monotonic() + self.pause
        self.ending = False  # whether its leftovers have their time
        self.others = False  # whether other children of ours live beside its leftovers

    def look_later(self, pause: float) -> None:
        self.pause = pause
        self.look_at = time.monotonic() + pause


class Processes:
    """Starts apps and hooks, sends them signals, reaps them and every orphan."""

    def __init__(self, inherited: Inherited, *, keep_files: bool = True) -> None:
        """Unless `keep_files`, the files for the app are closed here once it runs."""
        self._spawner = Spawner(inherited)
        self._to_close = () if keep_files else inherited.files
        self.reserve = self._spawner.reserve
        self._apps: dict[str, _App] = {}  # by service; an app stays here after its end
        self._starting: list[_App] = []  # their programs may not run yet
        self._hooks: dict[int, Child] = {}
        self._marks: dict[int, str] = {}  # of hooks: HOOK_MARK in their environment
        self._hooks_started = 0
        self.adopts = os.getpid() == 1  # whether orphans come to us

    def undo_in_children(self, undo: Callable[[], None]) -> None:
        """Call a function in each child before exec; it must not import or wait for a lock."""
        self._spawner.undo = undo

    def spawn(self, command: Command, service: str = APP) -> ev.Forked:
        """Start an app as the leader of a process group, on our terminal if we hold it.

        Returns with its pid; `look` or `reap` report the start of its program. Raises SpawnError.
        """
        if service == APP:
            foreground = terminal.holds()
        else:  # the keys of a terminal reach us alone
            foreground = False
            command = command.replace(env=command.env.plus(SERVICE_MARK, service))
        child = self._spawner.start(command, foreground=foreground)
        app = self._apps[service] = _App(service, child, foreground=foreground)
        self._starting.append(app)
        return ev.Forked(child.pid, foreground, service)

    def look_at(self) -> float | None:
        """The time of the next `look` (monotonic), as no signal tells of an exec; None: never."""
        return min([app.look_at for app in self._starting]) if self._starting else None

    def look(self) -> Iterator[ev.Event]:
        """`Started` for each app with a program that runs by now."""
        for app in tuple(self._starting):
            if app.starting is None:
                continue  # it ended meanwhile
            if app.starting.pending():
                app.look_later(min(app.pause * 1.2, _LOOK_MOST))
            elif app.starting.error() is None:
                self._has_started(app)
                open_files.close(self._to_close)
                self._to_close = ()
                yield ev.Started(app.pid, app.foreground, app.service)
            else:
                app.look_later(_LOOK_MOST)  # it ends now, and is reaped

    def _has_started(self, app: _App) -> None:
        app.starting = None
        self._starting.remove(app)

    def spawn_hook(self, command: Command, output: int | None = None) -> int:
        """Start a command beside the app, in a session, without input, its output in a pipe.

        Without `output` it leads a process group, and has the streams of the command.

        Returns its pid at once; raises SpawnError. `HookExited` reports its end or failed exec.
        """
        self._hooks_started += 1
        mark = f"{os.getpid()}.{self._hooks_started}.{time.monotonic_ns():x}"
        child = self._spawner.start(
            command.replace(env=command.env.plus(HOOK_MARK, mark)), output=output
        )
        self._hooks[child.pid] = child
        self._marks[child.pid] = mark
        return child.pid

    def kill_hook(self, pid: int) -> None:
        """Kill a hook and its descendants. Raises OSError if it has become another user."""
        if pid not in self._hooks:
            return
        from . import procfs

        try:
            started = self.reserve.lend(partial(procfs.descendants, pid))
        except OSError:
            started = []  # its group; after its end, session and mark find the rest
        _kill(pid, KILL, group=True)
        _signal(started, KILL)

    def kill_hooks(self) -> None:
        """Kill all hooks: their results are no longer needed."""
        for pid in self._hooks:
            try:
                _kill(pid, KILL, group=True)
            except OSError:
                continue  # it ends alone, or with the container

    def end_strays(self, pid: int) -> None:
        """Kill the leftovers of a hook after its end, in any session. Raises OSError."""
        mark = f"{HOOK_MARK}={self._marks.pop(pid, '')}".encode()
        if self.adopts and not self._orphans():
            return
        from . import leftovers, procfs

        for _ in range(_ROUNDS):
            rows = self.reserve.lend(procfs.processes)
            ours = self._live()
            roots = [
                child
                for child, row in rows.items()
                if child not in ours and (row.parent == os.getpid() or not self.adopts)
            ]
            found = leftovers.of_hook(rows, roots, pid, mark)
            if not found:
                return
            _signal(found, KILL)

    def _orphans(self) -> bool:
        """Whether we have children beside apps and hooks, as far as the kernel tells."""
        from . import procfs

        try:
            children = self.reserve.lend(partial(procfs.children, os.getpid()))
        except OSError:
            return True  # a kernel without CONFIG_PROC_CHILDREN
        return bool(children - self._live())

    def _live(self) -> set[int]:
        """The pids of the apps and the hooks."""
        return {*self._hooks, *(app.pid for app in self._apps.values() if app.pid)}

    def services(self) -> dict[str, int]:
        """The services that were started, with their pids; 0 after the end."""
        return {name: app.pid for name, app in self._apps.items()}

    def group(self, service: str) -> int:
        """The process group of the last start of a service; 0 before its first."""
        app = self._apps.get(service)
        return 0 if app is None else app.group

    def kill_other(self, pid: int, signum: int) -> None:
        """Signal a process of another container; it may be gone."""
        try:
            os.kill(pid, signum)
        except (ProcessLookupError, PermissionError):
            pass  # the caller has checked both just before

    def kill(self, service: str, signum: int, *, group: bool) -> None:
        """Send a signal to an app or its process group, if it runs. Raises OSError."""
        app = self._apps.get(service)
        if app is not None and app.pid:
            _kill(app.pid, signum, group=group)

    def signal_if_caught(self, service: str, signum: int) -> bool:
        """Send an app a signal if it has a handler for that; whether it was sent. Raises OSError.

        One look at /proc, cheap enough for the main thread: the app is not reaped meanwhile.
        """
        from . import procfs

        app = self._apps.get(service)
        if app is None or not app.pid:
            return False
        try:
            caught = procfs.catches(app.pid, signum)
        except OSError:
            return False
        if caught:
            _kill(app.pid, signum, group=False)
        return caught

    def reap(self) -> Iterator[ev.Event]:
        """All ends and stops, then `NothingLeft` for each app without leftovers."""
        options = os.WNOHANG | os.WUNTRACED | _WNOTHREAD
        while True:
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                yield from self._nothing_left(lambda _: True)
                return
            if pid == 0:
                yield from self._nothing_left(lambda app: app.others and not self._left(app))
                return
            app = next((app for app in self._apps.values() if app.pid == pid), None)
            if os.WIFSTOPPED(status):
                if app is not None:
                    yield ev.AppSuspended(pid, os.WSTOPSIG(status), app.service)
            elif app is not None:
                yield from self._app_ended(app, status)
            elif pid in self._hooks:
                error = self._hooks.pop(pid).error()
                yield ev.HookExited(pid, error.code if error else _code(status), str(error or ""))
            else:
                yield ev.OrphanReaped(pid, status)

    def _app_ended(self, app: _App, status: int) -> Iterator[ev.Event]:
        pid = app.pid
        app.pid = 0
        if app.foreground:
            # The keys reach us until the next run, which gets the terminal again.
            terminal.reclaim(pid)
        child = app.starting
        if child is not None:
            self._has_started(app)
            error = child.error()
            if error is not None:
                yield ev.StartFailed(error.code, str(error), error.short, app.service)
                return
            yield ev.Started(pid, app.foreground, app.service)
        signum = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        yield ev.Exited(pid, _code(status), signum, app.service)

    def _nothing_left(self, gone: Callable[[_App], bool]) -> Iterator[ev.Event]:
        for app in tuple(self._apps.values()):
            if app.ending and gone(app):
                app.ending = False
                yield ev.NothingLeft(app.service)

    def kill_leftovers(
        self, service: str, signum: int, *, everything: bool, told: bool = False
    ) -> ev.NothingLeft | None:
        """Signal the leftovers of an app; `NothingLeft` if there are none, even beside other
        children of ours. Raises OSError.

        `everything`: the container ends, and with it all hooks and services. `told`: the process
        group of the app has got the stop signal already.
        """
        if everything:
            self.kill_hooks()
        app = self._apps.get(service)
        if app is None:  # before its first start
            return ev.NothingLeft(service)
        app.ending = True
        if not self._something_left(app):
            return None
        if everything and signum == KILL and os.getpid() == 1:
            os.kill(-1, signum)  # as at our own end a moment later; no fork outruns it
            return None
        found = self._left(app, everything=everything)
        if not found:
            app.ending = False
            return ev.NothingLeft(service)
        _signal([pid for pid, group in found.items() if not told or group != app.group], signum)
        return None

    def _something_left(self, app: _App) -> bool:
        """Whether to search /proc."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return not self.adopts and _has_members(app.group)
        return True

    def _left(self, app: _App, *, everything: bool = False) -> dict[int, int]:
        """The leftovers of an app with their process groups; sets `others` of the app."""
        from . import leftovers, procfs

        rows = self.reserve.lend(procfs.processes)
        hooks = () if everything else tuple(self._hooks)
        alone = everything or len(self._apps) == 1
        if alone:
            found = leftovers.of_app(rows, hooks, 0 if self.adopts else app.group)
        else:
            mark = f"{SERVICE_MARK}={app.service}".encode()
            roots = [pid for pid, row in rows.items() if row.parent == os.getpid()]
            free = [pid for pid in roots if pid not in self._live()]
            found = leftovers.of_service(rows, free, app.group, mark)
        app.others = any(
            row.parent == os.getpid() and pid not in found for pid, row in rows.items()
        )
        return {pid: rows[pid].group for pid in found}

    def suspend_ourselves(self) -> None:
        """Stop as a job does; returns after a CONT."""
        os.kill(os.getpid(), STOP)

    def take_foreground(self, service: str) -> None:
        """After a stop, give an app the terminal again, once our shell has given it to us."""
        app = self._apps.get(service)
        if app is not None and app.pid and terminal.holds():
            terminal.give(app.pid)


def _kill(pid: int, signum: int, *, group: bool) -> None:
    """Signal a child or its group; it may have ended, before its end is reaped."""
    try:
        if group:
            os.killpg(pid, signum)
        else:
            os.kill(pid, signum)
    except ProcessLookupError:
        if group:  # just after its fork, a child has no group yet, and no descendants
            _kill(pid, signum, group=False)


def _signal(pids: list[int], signum: int) -> None:
    """Signal processes in turn; they may be gone, or belong to another user."""
    # A stopped process takes TERM only once it continues.
    signums = (signum, CONT) if signum == TERM else (signum,)
    for number in signums:
        for pid in pids:
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                continue


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return True


def _code(status: int) -> int:
    """A wait status as a shell gives it."""
    return BY_SIGNAL + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
