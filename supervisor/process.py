"""Processes: the only place in the program that forks, signals and waits.

Only the main thread may use it, so a pid that is signalled here has not been reaped yet. It knows nothing of
policy: `machine.py` says whom to start and whom to end.

Children of other threads (a credential plugin that the Kubernetes client runs) are not ours to wait for:
`__WNOTHREAD` (wait(2)) leaves them to the thread that started them, and orphans always come to the main
thread, so nothing is stolen and nothing is missed.
"""

from __future__ import annotations

import errno
import os
import signal
import struct

from . import events as ev
from .record import Record
from .signals import JOB_CONTROL, Inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WNOTHREAD = 0x20000000  # linux/wait.h; not in Python's os
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
# Which step of the child failed (0 terminal, 1 directory, 2 user, 3 exec), and its errno.
_REPORT = struct.Struct("=ii")


class User(Record):
    uid: int
    gid: int
    groups: tuple[int, ...]


class Command(Record):
    """What to start, and in which surroundings."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    workdir: str | None = None  # None: where the supervisor was started
    user: User | None = None
    umask: int | None = None


class SpawnError(Exception):
    """The program could not be started; `code` is the exit code that a shell would end with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Processes:
    """Starts the app, tells it signals, reaps it and every orphan."""

    def __init__(self, inherited: Inherited) -> None:
        self._inherited = inherited
        self._start_dir = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._app = 0
        self._hooks: set[int] = set()

    def spawn(self, command: Command) -> ev.Started:
        """Start the app as the leader of its own process group, on our terminal if we hold it.

        Returns once the program runs, that is after exec; raises SpawnError.
        """
        terminal = _holds_terminal()
        pid = self._fork(command, terminal=terminal)
        self._app = pid
        return ev.Started(pid, terminal)

    def spawn_hook(self, command: Command, output: int) -> int:
        """Start a command beside the app, in its own process group, without input, its output in a pipe.

        Returns its pid; raises SpawnError. Its end is reported as `HookExited`.
        """
        pid = self._fork(command, output=output)
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

    def _fork(self, command: Command, *, terminal: bool = False, output: int | None = None) -> int:
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        try:
            pid = os.fork()
            if pid == 0:
                self._become(command, write_fd, terminal=terminal, output=output)
        except OSError as error:
            os.close(read_fd)
            raise SpawnError(125, f"cannot start {command.argv[0]}: {_reason(error.errno)}") from error
        finally:
            os.close(write_fd)
        with open(read_fd, "rb") as pipe:
            report = pipe.read()
        if report:
            os.waitpid(pid, 0)
            raise _spawn_error(command, *_REPORT.unpack(report))
        return pid

    def _become(self, command: Command, report_fd: int, *, terminal: bool, output: int | None) -> None:
        """In the child: turn into the command. Never returns; tells the parent why if it cannot."""
        step = 0
        try:
            os.setpgid(0, 0)
            if terminal:
                _take_terminal(os.getpgrp())  # TTOU is blocked here, so this does not stop us
            if signal.SIGCHLD in self._inherited.ignored:
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            step = 1
            os.fchdir(self._start_dir)
            if command.workdir is not None:
                os.chdir(command.workdir)
            step = 2
            if command.user is not None:
                os.setgroups(command.user.groups)
                os.setresgid(command.user.gid, command.user.gid, command.user.gid)
                os.setresuid(command.user.uid, command.user.uid, command.user.uid)
            if command.umask is not None:
                os.umask(command.umask)
            if output is not None:
                os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
                os.dup2(output, 1)
                os.dup2(output, 2)
            step = 3
            signal.pthread_sigmask(signal.SIG_SETMASK, self._inherited.mask)
            _exec(command.argv, command.env)
        except OSError as error:
            os.write(report_fd, _REPORT.pack(step, error.errno or errno.EIO))
        finally:
            os._exit(125)

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
        if self._app and _holds_terminal():
            _take_terminal(self._app)


def _holds_terminal() -> bool:
    """Whether standard input is our controlling terminal and we are its foreground group."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _take_terminal(group: int) -> None:
    try:
        os.tcsetpgrp(0, group)
    except OSError:
        pass  # it was hung up, or its session ended: the app goes on without


def _exec(argv: tuple[str, ...], env: Mapping[str, str]) -> None:
    """execvp(3): look in PATH, and have /bin/sh run what the kernel does not know how to. Raises OSError."""
    program = argv[0]
    if not program:
        raise FileNotFoundError(errno.ENOENT, "no name")
    if "/" in program:
        paths = [program]
    else:
        paths = [os.path.join(d, program) for d in env.get("PATH", "/bin:/usr/bin").split(":")]
    denied = False
    for path in paths:
        try:
            os.execve(path, argv, env)  # noqa: S606 - what it is for
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                os.execve("/bin/sh", ["/bin/sh", path, *argv[1:]], env)  # noqa: S606 - as execvp does
            if error.errno == errno.EACCES:
                denied = True
            elif error.errno not in (
                errno.ENOENT,
                errno.ENOTDIR,
                errno.ESTALE,
                errno.ENODEV,
                errno.ETIMEDOUT,
            ):
                raise
    raise OSError(errno.EACCES if denied else errno.ENOENT, program)


def _spawn_error(command: Command, step: int, number: int) -> SpawnError:
    program = command.argv[0]
    if step == 1:
        where = command.workdir or "."
        return SpawnError(125, f"cannot start {program}: cannot enter directory {where}: {_reason(number)}")
    if step == 2 and command.user is not None:
        who = f"as uid {command.user.uid}, gid {command.user.gid}"
        return SpawnError(125, f"cannot start {program} {who} (--user): {_reason(number)}; only root may change users")
    if number == errno.ENOENT:
        if "/" not in program:
            path = command.env.get("PATH", "/bin:/usr/bin")
            return SpawnError(127, f"cannot start {program}: not found in PATH ({path})")
        if os.path.lexists(program):
            why = "the file is there, but its interpreter (the #! line, or the ELF loader) or a link's end is not"
            return SpawnError(127, f"cannot start {program}: {why}")
        return SpawnError(127, f"cannot start {program}: no such file")
    if step == 3 and number in (errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
        return SpawnError(127 if number == errno.ENOTDIR else 126, f"cannot start {program}: {_reason(number)}")
    code = 125 if number in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE) else 126
    hint = "; it is a directory" if number == errno.EACCES and os.path.isdir(program) else ""
    return SpawnError(code, f"cannot start {program}: {_reason(number)}{hint}")


def _reason(number: int | None) -> str:
    text = os.strerror(number or 0)
    return text[:1].lower() + text[1:]


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


def catches(pid: int, signum: int) -> bool:
    """Whether the process has a handler for a signal: the SigCgt mask in /proc/PID/status (proc(5))."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"SigCgt:"):
                    return bool(int(line.split()[1], 16) >> (signum - 1) & 1)
    except OSError:
        pass
    return False


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
