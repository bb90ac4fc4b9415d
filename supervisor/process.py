"""Processes: the only place in the program that signals and waits; `spawning.py` forks for it.

Only the main thread may use it, so a pid that is signalled here has not been reaped yet. It knows nothing of
policy: `machine.py` says whom to start and whom to end.

Children of other threads (a credential plugin that the Kubernetes client runs) are not ours to wait for:
`__WNOTHREAD` (wait(2)) leaves them to the thread that started them, and orphans always come to the main
thread, so nothing is stolen and nothing is missed.
"""

from __future__ import annotations

import os
import signal

from . import events as ev
from .signals import JOB_CONTROL
from .spawning import Spawner, holds_terminal, take_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .signals import Inherited
    from .spawning import Command

_WNOTHREAD = 0x20000000  # linux/wait.h; not in Python's os
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


class Processes:
    """Starts the app, tells it signals, reaps it and every orphan."""

    def __init__(self, inherited: Inherited) -> None:
        self._spawner = Spawner(inherited)
        self._app = 0
        self._hooks: set[int] = set()

    def spawn(self, command: Command) -> ev.Started:
        """Start the app as the leader of its own process group, on our terminal if we hold it.

        Returns once the program runs, that is after exec; raises SpawnError.
        """
        terminal = holds_terminal()
        pid = self._spawner.start(command, terminal=terminal)
        self._app = pid
        return ev.Started(pid, terminal)

    def spawn_hook(self, command: Command, output: int) -> int:
        """Start a command beside the app, in its own process group, without input, its output in a pipe.

        Returns its pid; raises SpawnError. Its end is reported as `HookExited`.
        """
        pid = self._spawner.start(command, output=output)
        self._hooks.add(pid)
        return pid

    def kill_hook(self, pid: int) -> None:
        """End a hook and what it has started."""
        if pid in self._hooks:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has just ended

    def kill_hooks(self) -> None:
        """End all hooks: nobody waits for what they find out any more."""
        for pid in self._hooks:
            self.kill_hook(pid)

    def kill_other(self, pid: int, signum: int) -> None:
        """Signal a process that is not ours (another container's); that it is gone is no error."""
        try:
            os.kill(pid, signum)
        except (ProcessLookupError, PermissionError):
            pass  # whoever asked has checked both just before

    def kill(self, signum: int, *, group: bool) -> None:
        """Send the app (or its process group) a signal; no app is no error."""
        if not self._app:
            return
        try:
            if group:
                os.killpg(self._app, signum)
            else:
                os.kill(self._app, signum)
        except ProcessLookupError:
            pass  # it ended, and its end will be reaped
        except PermissionError:
            pass  # it became another user; signal(7) forbids it, and there is nobody to tell but the log

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
                return
            if os.WIFSTOPPED(status):
                if pid == self._app and os.WSTOPSIG(status) in JOB_CONTROL:
                    yield ev.Stopped(pid, os.WSTOPSIG(status))
            elif pid != self._app and pid not in self._hooks:
                yield ev.OrphanReaped(pid)
            else:
                signum = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
                code = 128 + signum if signum else os.WEXITSTATUS(status)
                if pid in self._hooks:
                    self._hooks.remove(pid)
                    yield ev.HookExited(pid, code)
                else:
                    self._app = 0
                    yield ev.Exited(pid, code, signum)

    def kill_leftovers(self, signum: int, *, everything: bool) -> None:
        """Signal what the app left behind: our descendants, and as PID 1 all of the namespace at its end."""
        if everything:
            self.kill_hooks()
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            if not everything or os.getpid() != 1:
                return  # no child, no descendant: /proc need not be searched
        # A stopped process takes TERM only once it continues.
        wanted = (signum, signal.SIGCONT) if signum == signal.SIGTERM else (signum,)
        if everything and os.getpid() == 1:
            targets: list[int] = [-1]  # kill(2): everybody but ourselves, in one step that no fork outruns
        else:
            targets = [pid for pid in descendants(os.getpid()) if pid not in self._hooks]
        for one in wanted:
            for pid in targets:
                try:
                    os.kill(pid, one)
                except (ProcessLookupError, PermissionError):
                    continue

    def give_up(self) -> int:
        """The last resort: TERM to the app, and its exit code once it has ended."""
        self.kill(signal.SIGTERM, group=False)
        while self._app:
            status = os.waitpid(self._app, 0)[1]
            self._app = 0
            if os.WIFSIGNALED(status):
                return 128 + os.WTERMSIG(status)
            return os.WEXITSTATUS(status)
        return 125

    def suspend_ourselves(self) -> None:
        """Stop as a job does; returns once somebody continues us."""
        os.kill(os.getpid(), signal.SIGSTOP)

    def take_foreground(self) -> None:
        """After a stop, give the app the terminal that its shell has given back to us."""
        if self._app and holds_terminal():
            take_terminal(self._app)


def descendants(root: int) -> list[int]:
    """Pids of the children of `root`, their children, and so on, as /proc shows them now; zombies left out."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdecimal():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                # proc(5): "pid (comm) state ppid ..."; comm may hold spaces and parentheses.
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except OSError:
            continue  # gone meanwhile
        if state != b"Z":
            children.setdefault(int(parent), []).append(int(entry))
    found: list[int] = []
    wave = [root]
    while wave:
        wave = [child for pid in wave for child in children.get(pid, ())]
        found += wave
    return found


def close_inherited_files() -> None:
    """Close what our parent left open beyond 0, 1 and 2, so that neither we nor the app hold it.

    All that this program opens itself is close-on-exec (PEP 446), so the app gets 0, 1 and 2 only.
    """
    try:
        fds = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        fds = list(range(3, 256))  # no /proc: what a careless parent may have left
    for fd in fds:
        if fd > 2:
            try:
                os.close(fd)
            except OSError:
                continue  # the one that listed the directory


def become_subreaper() -> None:
    """Have orphaned descendants come to us instead of to PID 1; for when we are not PID 1 (prctl(2))."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "become a child subreaper")


def die_with_parent(signum: int) -> None:
    """Get `signum` when the process that started us ends (prctl(2)); at once if it has ended already."""
    parent = os.getppid()
    _prctl(_PR_SET_PDEATHSIG, signum, "ask for a signal at the parent's death")
    if os.getppid() != parent:
        os.kill(os.getpid(), signum)


def _prctl(option: int, value: int, what: str) -> None:
    import ctypes  # noqa: PLC0415 - 5 ms and 1 MiB that PID 1 of a container does not need

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"cannot {what}")
