"""From fork to exec: how a child becomes the app or a hook, and the reason where it cannot.

Only `process.py` uses it, in the main thread. Between fork and exec all signals are blocked and nothing is imported,
logged or looked up: the process may have threads, and whatever lock they hold stays locked in the child.
"""

from __future__ import annotations

import errno
import os
import signal
import struct

from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .environment import Environment
    from .signals import Inherited

# Which step of the child failed (0 terminal, 1 directory, 2 user, 3 exec), and its errno; 0, and words, for the rest.
_REPORT = struct.Struct("=ii")
_MOST_WORDS = 500  # bytes: the whole report goes into a pipe at once (pipe(7), PIPE_BUF)


class User(Record):
    uid: int
    gid: int
    groups: tuple[int, ...]


class Command(Record):
    """What to start, and in which surroundings."""

    argv: tuple[str, ...]
    env: Environment
    workdir: str | None = None  # None: where the supervisor was started
    user: User | None = None
    umask: int | None = None


class SpawnError(Exception):
    """The program could not be started; `code` is the exit code that a shell would end with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Spawner:
    """Starts programs where the supervisor was started, with the signals that it inherited."""

    def __init__(self, inherited: Inherited) -> None:
        self._inherited = inherited
        self._start_dir = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def start(self, command: Command, *, terminal: bool = False, output: int | None = None) -> int:
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
            raise _spawn_error(command, report)
        return pid

    def _become(self, command: Command, report_fd: int, *, terminal: bool, output: int | None) -> None:
        """In the child: turn into the command. Never returns; tells the parent why if it cannot."""
        step = 0
        try:
            os.setpgid(0, 0)
            if terminal:
                take_terminal(os.getpgrp())  # TTOU is blocked here, so this does not stop us
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
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
            os.write(report_fd, _REPORT.pack(step, 0) + repr(error).encode(errors="backslashreplace")[:_MOST_WORDS])
        finally:
            os._exit(125)


def holds_terminal() -> bool:
    """Whether standard input is our controlling terminal and we are its foreground group."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def take_terminal(group: int) -> None:
    try:
        os.tcsetpgrp(0, group)
    except OSError:
        pass  # it was hung up, or its session ended: the app goes on without


def _exec(argv: tuple[str, ...], env: Environment) -> None:
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
            env.execve(path, argv)
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                env.execve("/bin/sh", ("/bin/sh", path, *argv[1:]))  # as execvp does
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


def _spawn_error(command: Command, report: bytes) -> SpawnError:
    program = command.argv[0]
    step, number = _REPORT.unpack_from(report)
    if number == 0:
        return SpawnError(125, f"cannot start {program}: internal error: {report[_REPORT.size :].decode()}")
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
