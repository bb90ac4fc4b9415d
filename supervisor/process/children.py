"""Processes: the only place in the program that signals and waits; `spawning.py` forks for it.

Only the main thread may use it, so a pid that is signalled here has not been reaped yet. It knows
nothing of policy: `machine.py` says whom to start and whom to end.

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
HOOK_MARK = "_SUPERVISOR_HOOK"  # in the environment of a hook and of all that it starts
_ROUNDS = 3  # of killing what a hook left behind, which may fork meanwhile
_WNOTHREAD = 0x20000000  # linux/wait.h; not in Python's os


class Processes:
    """Starts the app, sends it signals, reaps it and every orphan."""

    def __init__(self, inherited: Inherited, *, keep_files: bool = True) -> None:
        """Unless `keep_files`, the files that are for the app are closed here once it runs."""
        self._spawner = Spawner(inherited)
        self._to_close = () if keep_files else inherited.files
        self.reserve = self._spawner.reserve
        self._app = 0
        self._foreground = False  # whether the app was started in the foreground of a terminal
        self._starting: Child | None = None  # the app before its program runs
        self._look_at, self._pause = 0.0, 0.0
        self._hooks: dict[int, Child] = {}
        self._marks: dict[int, str] = {}  # of hooks: HOOK_MARK in their environment
        self._hooks_started = 0
        self._group = 0  # of the app, also when it has ended
        self._others = (
            False  # while leftovers have their time: whether other children of ours live than those
        )
        self.adopts = os.getpid() == 1  # whether orphans come to us

    def undo_in_children(self, undo: Callable[[], None]) -> None:
        """Have a function called in each child before exec; it must not import, nor wait for a
        lock.
        """
        self._spawner.undo = undo

    def spawn(self, command: Command) -> ev.Forked:
        """Start the app as the leader of its own process group, on our terminal if we hold it.

        Returns once it has a pid; `look` or `reap` report whether the program runs. Raises
        SpawnError.
        """
        self._foreground = terminal.holds()
        child = self._starting = self._spawner.start(command, foreground=self._foreground)
        self._app = self._group = child.pid
        self._others = False
        self._pause, self._look_at = _LOOK_FIRST, time.monotonic() + _LOOK_FIRST
        return ev.Forked(child.pid, self._foreground)

    def look_at(self) -> float | None:
        """When `look` is due (monotonic): no signal tells of an exec. None if there is nothing to
        look at.
        """
        return self._look_at if self._starting else None

    def look(self) -> Iterator[ev.Event]:
        """`Started` once the app's program runs."""
        if self._starting is None:
            return
        if self._starting.pending():
            self._pause = min(self._pause * 1.2, _LOOK_MOST)
            self._look_at = time.monotonic() + self._pause
        elif self._starting.error() is None:
            self._starting = None
            open_files.close(self._to_close)
            self._to_close = ()
            yield ev.Started(self._app, self._foreground)
        else:
            self._look_at = time.monotonic() + _LOOK_MOST  # it ends now, and is reaped

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
            ours = {self._app, *self._hooks}
            roots = [
                one for one, row in rows.items() if row.parent == os.getpid() or not self.adopts
            ]
            found = leftovers.of_hook(rows, [one for one in roots if one not in ours], pid, mark)
            if not found:
                return
            _signal(found, signal.SIGKILL)

    def _orphans(self) -> bool:
        """Whether we have other children than the app and the hooks, as far as the kernel tells."""
        from . import procfs

        try:
            children = self.reserve.lend(partial(procfs.children, os.getpid()))
        except OSError:
            return True  # a kernel without it (CONFIG_PROC_CHILDREN)
        return bool(children - {self._app, *self._hooks})

    def kill_other(self, pid: int, signum: int) -> None:
        """Signal a process that is not ours (another container's); that it is gone is no error."""
        try:
            os.kill(pid, signum)
        except (ProcessLookupError, PermissionError):
            pass  # whoever asked has checked both just before

    def kill(self, signum: int, *, group: bool) -> None:
        """Send the app (or its process group) a signal; no app is no error. Raises OSError."""
        if self._app:
            _kill(self._app, signum, group=group)

    def reap(self) -> Iterator[ev.Event]:
        """Everything that ended or stopped, then `NothingLeft` if no child remains."""
        options = os.WNOHANG | os.WUNTRACED | _WNOTHREAD
        while True:
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                yield ev.NothingLeft()
                return
            if pid == 0:
                if self._others and not self._left():
                    yield ev.NothingLeft()
                return
            if os.WIFSTOPPED(status):
                if pid == self._app:
                    yield ev.Stopped(pid, os.WSTOPSIG(status))
            elif pid == self._app:
                yield from self._app_ended(
                    _code(status), os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
                )
            elif pid in self._hooks:
                error = self._hooks.pop(pid).error()
                yield ev.HookExited(pid, error.code if error else _code(status), str(error or ""))
            else:
                yield ev.OrphanReaped(pid)

    def _app_ended(self, code: int, signum: int) -> Iterator[ev.Event]:
        pid, self._app = self._app, 0
        if self._foreground:
            terminal.reclaim(
                pid
            )  # the keys reach us until the next run, which gets the terminal as the first one did
        child, self._starting = self._starting, None
        if child is not None:
            error = child.error()
            if error is not None:
                yield ev.StartFailed(error.code, str(error), error.short)
                return
            yield ev.Started(pid, self._foreground)
        yield ev.Exited(pid, code, signum)

    def kill_leftovers(
        self, signum: int, *, everything: bool, told: bool = False
    ) -> ev.NothingLeft | None:
        """Signal what the app left behind; `NothingLeft` if there is nothing, whatever other
        children we have.

        `everything`: the container ends, hooks do so too. `told`: its process group has got the
        stop signal already. Raises OSError.
        """
        if everything:
            self.kill_hooks()
        if not self._something_left():
            return None
        if everything and signum == signal.SIGKILL and os.getpid() == 1:
            os.kill(-1, signum)  # as our own end would do a moment later; no fork outruns it
            return None
        found = self._left(everything=everything)
        if not found:
            return ev.NothingLeft()
        _signal([pid for pid, group in found.items() if not told or group != self._group], signum)
        return None

    def _something_left(self) -> bool:
        """Whether /proc need be searched."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return not self.adopts and _has_members(self._group)
        return True

    def _left(self, *, everything: bool = False) -> dict[int, int]:
        """What the app has left behind, with its process group; notes whether other children live
        beside it.
        """
        from . import leftovers, procfs

        rows = self.reserve.lend(procfs.processes)
        hooks = () if everything else tuple(self._hooks)
        found = leftovers.of_app(rows, hooks, 0 if self.adopts else self._group)
        self._others = any(
            row.parent == os.getpid() and pid not in found for pid, row in rows.items()
        )
        return {pid: rows[pid].group for pid in found}

    def suspend_ourselves(self) -> None:
        """Stop as a job does; returns once somebody continues us."""
        os.kill(os.getpid(), signal.SIGSTOP)

    def take_foreground(self) -> None:
        """After a stop, give the app the terminal that its shell has given back to us."""
        if self._app and terminal.holds():
            terminal.give(self._app)


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
