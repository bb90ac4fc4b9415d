"""Processes: the only place in the program that signals and waits; `spawning.py` forks for it.

Only the main thread may use it, so a pid that is signalled here has not been reaped yet. It knows
nothing of policy: the core decides whom to start and whom to end.

Children of other threads (a credential plugin that the Kubernetes client runs) are not ours to wait
for: `__WNOTHREAD` (wait(2)) leaves them to the thread that started them, and orphans always come to
the main thread, so nothing is stolen and nothing is missed.
"""

from __future__ import annotations

import os
import signal
import time
from functools import partial

from ..core import events as ev
from ..core.events import APP
from . import open_files, terminal
from .spawning import Spawner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..runtime.signals import Inherited
    from .spawning import Child, Command

# Seconds between two looks whether an exec has happened, growing: usually it takes half a
# millisecond.
_LOOK_FIRST, _LOOK_MOST = 0.001, 0.25
# In the environment of a service, and of all that it starts, where there are several.
SERVICE_MARK = "_SUPERVISOR_SERVICE"
HOOK_MARK = "_SUPERVISOR_HOOK"  # in the environment of a hook and of all that it starts
_ROUNDS = 3  # of killing what a hook left behind, which may fork meanwhile
_WNOTHREAD = 0x20000000  # linux/wait.h; not in Python's os


class _App:
    """The process of one service."""

    def __init__(self, service: str, child: Child, *, foreground: bool) -> None:
        self.service = service
        self.pid = self.group = child.pid  # the group stays when the process has ended
        self.foreground = foreground  # it was started in the foreground of a terminal
        self.starting: Child | None = child  # until its program runs
        self.pause = _LOOK_FIRST
        self.look_at = time.monotonic() + self.pause
        self.ending = False  # its leftovers are being ended
        self.others = False  # other children of ours live beside those

    def look_later(self, pause: float) -> None:
        self.pause = pause
        self.look_at = time.monotonic() + pause


class Processes:
    """Starts the apps, sends them signals, reaps them and every orphan."""

    def __init__(self, inherited: Inherited, *, keep_files: bool = True) -> None:
        """Unless `keep_files`, the files that are for the app are closed here once it runs."""
        self._spawner = Spawner(inherited)
        self._to_close = () if keep_files else inherited.files
        self.reserve = self._spawner.reserve
        self._apps: dict[str, _App] = {}  # by service; an app stays here when it has ended
        self._hooks: dict[int, Child] = {}
        self._marks: dict[int, str] = {}  # of hooks: HOOK_MARK in their environment
        self._hooks_started = 0
        self.adopts = os.getpid() == 1  # whether orphans come to us

    def undo_in_children(self, undo: Callable[[], None]) -> None:
        """Have a function called in each child before exec; it must not import, nor wait for a
        lock.
        """
        self._spawner.undo = undo

    def spawn(self, command: Command, service: str = APP) -> ev.Forked:
        """Start an app as the leader of its own process group, on our terminal if we hold it.

        Returns once it has a pid; `look` or `reap` report whether the program runs. Raises
        SpawnError.
        """
        foreground = terminal.holds()
        if service != APP:
            command = command.replace(env=command.env.plus(SERVICE_MARK, service))
        child = self._spawner.start(command, foreground=foreground)
        self._apps[service] = _App(service, child, foreground=foreground)
        return ev.Forked(child.pid, foreground, service)

    def look_at(self) -> float | None:
        """When `look` is due (monotonic): no signal tells of an exec. None if there is nothing to
        look at.
        """
        return min((app.look_at for app in self._apps.values() if app.starting), default=None)

    def look(self) -> Iterator[ev.Event]:
        """`Started` for each app whose program runs by now."""
        for app in tuple(self._apps.values()):
            if app.starting is None:
                continue
            if app.starting.pending():
                app.look_later(min(app.pause * 1.2, _LOOK_MOST))
            elif app.starting.error() is None:
                app.starting = None
                open_files.close(self._to_close)
                self._to_close = ()
                yield ev.Started(app.pid, app.foreground, app.service)
            else:
                app.look_later(_LOOK_MOST)  # it ends now, and is reaped

    def spawn_hook(self, command: Command, output: int) -> int:
        """Start a command beside the app, in its own session, without input, its output in a pipe.

        Returns its pid, at once; raises SpawnError. Its end is reported as `HookExited`, a failure
        to start too.
        """
        self._hooks_started += 1
        mark = f"{os.getpid()}.{self._hooks_started}.{time.monotonic_ns():x}"
        child = self._spawner.start(
            command.replace(env=command.env.plus(HOOK_MARK, mark)), output=output
        )
        self._hooks[child.pid], self._marks[child.pid] = child, mark
        return child.pid

    def kill_hook(self, pid: int) -> None:
        """End a hook and what it has started. Raises OSError, for one that became another user."""
        if pid not in self._hooks:
            return
        from . import procfs

        try:
            started = self.reserve.lend(partial(procfs.descendants, pid))
        except OSError:
            started = []  # its group and, at its end, what is known by its session or mark
        _kill(pid, signal.SIGKILL, group=True)
        _signal(started, signal.SIGKILL)

    def kill_hooks(self) -> None:
        """End all hooks: their results are no longer needed."""
        for pid in self._hooks:
            try:
                _kill(pid, signal.SIGKILL, group=True)
            except OSError:
                continue  # it ends by itself, or with the container

    def end_strays(self, pid: int) -> None:
        """Kill what a hook that has ended left behind, in a session of its own or not. Raises
        OSError.
        """
        mark = f"{HOOK_MARK}={self._marks.pop(pid, '')}".encode()
        if self.adopts and not self._orphans():
            return
        from . import leftovers, procfs

        for _ in range(_ROUNDS):
            rows = self.reserve.lend(procfs.processes)
            ours = self._live()
            roots = [
                one for one, row in rows.items() if row.parent == os.getpid() or not self.adopts
            ]
            found = leftovers.of_hook(rows, [one for one in roots if one not in ours], pid, mark)
            if not found:
                return
            _signal(found, signal.SIGKILL)

    def _orphans(self) -> bool:
        """Whether we have other children than apps and hooks, as far as the kernel tells."""
        from . import procfs

        try:
            children = self.reserve.lend(partial(procfs.children, os.getpid()))
        except OSError:
            return True  # a kernel without it (CONFIG_PROC_CHILDREN)
        return bool(children - self._live())

    def _live(self) -> set[int]:
        """The pids of the apps and the hooks."""
        return {*self._hooks, *(app.pid for app in self._apps.values() if app.pid)}

    def kill_other(self, pid: int, signum: int) -> None:
        """Signal a process that is not ours (another container's); that it is gone is no error."""
        try:
            os.kill(pid, signum)
        except (ProcessLookupError, PermissionError):
            pass  # whoever asked has checked both just before

    def kill(self, service: str, signum: int, *, group: bool) -> None:
        """Send an app (or its process group) a signal; no app is no error. Raises OSError."""
        app = self._apps.get(service)
        if app is not None and app.pid:
            _kill(app.pid, signum, group=group)

    def reap(self) -> Iterator[ev.Event]:
        """Everything that ended or stopped, then `NothingLeft` for each app that left nothing."""
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
            app = next((one for one in self._apps.values() if one.pid == pid), None)
            if os.WIFSTOPPED(status):
                if app is not None:
                    yield ev.AppSuspended(pid, os.WSTOPSIG(status), app.service)
            elif app is not None:
                yield from self._app_ended(app, status)
            elif pid in self._hooks:
                error = self._hooks.pop(pid).error()
                yield ev.HookExited(pid, error.code if error else _code(status), str(error or ""))
            else:
                yield ev.OrphanReaped(pid)

    def _app_ended(self, app: _App, status: int) -> Iterator[ev.Event]:
        pid, app.pid = app.pid, 0
        if app.foreground:
            # The keys reach us until the next run, which gets the terminal as the first one did.
            terminal.reclaim(pid)
        child, app.starting = app.starting, None
        if child is not None:
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
        """Signal what an app left behind; `NothingLeft` if there is nothing, whatever other
        children we have.

        `everything`: the container ends, hooks do so too. `told`: its process group has got the
        stop signal already. Raises OSError.
        """
        if everything:
            self.kill_hooks()
        app = self._apps.get(service)
        if app is None:  # it was never started
            return ev.NothingLeft(service)
        app.ending = True
        if not self._something_left(app):
            return None
        if everything and signum == signal.SIGKILL and os.getpid() == 1:
            os.kill(-1, signum)  # as our own end would do a moment later; no fork outruns it
            return None
        found = self._left(app, everything=everything)
        if not found:
            app.ending = False
            return ev.NothingLeft(service)
        _signal([pid for pid, group in found.items() if not told or group != app.group], signum)
        return None

    def _something_left(self, app: _App) -> bool:
        """Whether /proc need be searched."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return not self.adopts and _has_members(app.group)
        return True

    def _left(self, app: _App, *, everything: bool = False) -> dict[int, int]:
        """What an app has left behind, with its process group; notes whether other children live
        beside it.
        """
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
        """Stop as a job does; returns once somebody continues us."""
        os.kill(os.getpid(), signal.SIGSTOP)

    def take_foreground(self, service: str) -> None:
        """After a stop, give an app the terminal that its shell has given back to us."""
        app = self._apps.get(service)
        if app is not None and app.pid and terminal.holds():
            terminal.give(app.pid)


def _kill(pid: int, signum: int, *, group: bool) -> None:
    """Signal a child, or its group; that it has ended, and its end will be reaped, is no error."""
    # A child that was forked just now has not made its group yet: then it is all that there is of
    # it.
    for send in (os.killpg, os.kill) if group else (os.kill,):
        try:
            send(pid, signum)
        except ProcessLookupError:
            continue
        return


def _signal(pids: list[int], signum: int) -> None:
    """Signal processes one by one; those that are gone, or another user's, are no error."""
    # A stopped process takes TERM only once it continues.
    for one in (signum, signal.SIGCONT) if signum == signal.SIGTERM else (signum,):
        for pid in pids:
            try:
                os.kill(pid, one)
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
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
