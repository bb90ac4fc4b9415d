"""From fork to exec: how a child becomes the app or a hook, and the reason where it cannot.

Only `children` starts anything with it, in the main thread; `wiring` makes its `Command`. It
decides neither when a program starts nor what its end means. Between fork and exec all signals are
blocked and nothing is imported, logged or looked up: the process may have threads, and a lock that
they hold stays locked in the child.
"""

from __future__ import annotations

import errno
import posix as os
from _stat import S_ISDIR

from ..core import errors
from ..core.errors import CANNOT_RUN, NOT_EXECUTABLE, NOT_FOUND, SHORTAGES, SpawnError, reason
from ..core.record import Record
from ..core.signal_numbers import CHLD
from ..runtime import signals
from . import open_files, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from ..runtime.signals import Inherited
    from .environment import Environment

    T = TypeVar("T")

# A report: a byte with the step of the child that failed, and its errno in _ERRNO bytes, which is
# 0, with words behind it, for an error without a number.
_ERRNO = 4
_MOST_WORDS = 500  # bytes: the whole report goes into a pipe at once (pipe(7), PIPE_BUF)
_TERMINAL, _DIRECTORY, _USER, _EXEC, _INTERPRETER, _IS_DIRECTORY, _STREAM = range(7)
# The same start may work in a moment; ETXTBSY: the program is being written.
_SHORTAGES = SHORTAGES | {errno.ETXTBSY}
_DEFAULT_PATH = "/bin:/usr/bin"  # as execvp(3) has it
_FOUND_NONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT)


class User(Record):
    uid: int
    gid: int
    groups: tuple[int, ...]


class Command(Record):
    """A program to start, with its arguments, environment, directory, user and umask."""

    argv: tuple[str, ...]
    env: Environment
    workdir: str | None = None  # None: where the supervisor was started
    user: User | None = None
    umask: int | None = None
    # By their numbers in the program: descriptors of ours, or paths of files to append to; {}: all
    # as ours.
    files: Mapping[int, int | str] = {}


class Reserve:
    """A few descriptors held back for the main thread: other threads and their peers can use up the
    rest.
    """

    def __init__(self) -> None:
        self._most = 0
        self._held: list[int] = []

    def hold(self, count: int) -> None:
        """Hold `count` descriptors from now on, or as many as there are."""
        self._most = count
        self._fill()

    def lend(self, use: Callable[[], T]) -> T:
        """The result of `use`; without a free descriptor it is called again with the reserve."""
        try:
            return use()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._held:
                raise
        while self._held:
            os.close(self._held.pop())
        try:
            return use()
        finally:
            self._fill()

    def _fill(self) -> None:
        try:
            while len(self._held) < self._most:
                self._held.append(os.open("/", os.O_PATH | os.O_CLOEXEC))
        except OSError:
            pass  # the next use tries again


class Child:
    """A process between fork and exec, which takes seconds on a file system that hangs."""

    def __init__(self, pid: int, report_fd: int, command: Command) -> None:
        self.pid = pid
        self._fd = report_fd
        self._command = command
        self._error: SpawnError | None = None

    def pending(self) -> bool:
        """Whether the exec is still to come; never blocks."""
        if self._fd < 0:
            return False
        try:
            report = os.read(self._fd, 1 + _ERRNO + _MOST_WORDS)
        except BlockingIOError:
            return True
        if report:
            self._error = _spawn_error(self._command, report)
        os.close(self._fd)
        self._fd = -1
        return False

    def error(self) -> SpawnError | None:
        """Why the exec failed; None if it succeeded, or if a signal ended the child before.

        For a child that has ended.
        """
        return None if self.pending() else self._error


class Spawner:
    """Starts programs in the directory and with the signals of the supervisor's own start."""

    def __init__(self, inherited: Inherited) -> None:
        self._inherited = inherited
        self._start_dir = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.reserve = Reserve()
        # Called in each child: it takes back a change of the supervisor's own process.
        self.undo: Callable[[], None] | None = None

    def start(
        self, command: Command, *, foreground: bool = False, output: int | None = None
    ) -> Child:
        """Fork a child that becomes the program; returns before its exec. Raises SpawnError.

        Without `output`, a descriptor for both output streams, it keeps our standard streams.
        """
        try:
            read_fd, write_fd = self.reserve.lend(lambda: os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))
        except OSError as error:
            raise _cannot_fork(command, error) from error
        try:
            pid = os.fork()
            if pid == 0:
                os.close(read_fd)  # the table may be full, and the child needs one of its own
                self._become(command, write_fd, foreground=foreground, output=output)
        except OSError as error:
            os.close(read_fd)
            raise _cannot_fork(command, error) from error
        finally:
            os.close(write_fd)
        return Child(pid, read_fd, command)

    def _become(
        self, command: Command, report_fd: int, *, foreground: bool, output: int | None
    ) -> None:
        """In the child: turn into the command. Never returns; writes an error into the report."""
        step = _TERMINAL
        try:
            _lead(session=output is not None, foreground=foreground)
            if CHLD in self._inherited.ignored:
                signals.ignore(CHLD)
            step = _DIRECTORY
            os.fchdir(self._start_dir)
            if self.undo is not None:
                self.undo()
            if command.files and output is None:
                step = _STREAM
                report_fd = _connect_files(command.files, report_fd)
                step = _DIRECTORY
            if command.workdir is not None:
                os.chdir(command.workdir)
            step = _USER
            _take_identity(command)
            if output is not None:
                _connect(output)
                open_files.close(self._inherited.files)
            else:
                command.env.hand_on_sockets(os.getppid(), os.getpid())
            step = _EXEC
            signals.set_mask(self._inherited.mask)
            _exec(command.argv, command.env)
        except OSError as error:
            if step == _EXEC:
                step = _look_closer(command.argv[0], error.errno)
            os.write(report_fd, _report(step, error.errno or errno.EIO))
        except Exception as error:  # the parent reports it
            words = repr(error).encode(errors="backslashreplace")
            os.write(report_fd, _report(step, 0) + words[:_MOST_WORDS])
        finally:
            os._exit(CANNOT_RUN)


def _take_identity(command: Command) -> None:
    """Become the user of the command, and take its umask."""
    user = command.user
    if user is not None:
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    if command.umask is not None:
        os.umask(command.umask)


def _report(step: int, number: int) -> bytes:
    return bytes((step,)) + number.to_bytes(_ERRNO, "little")


def _connect(output: int) -> None:
    """Give a hook no input, and a single pipe for both output streams."""
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _connect_files(files: Mapping[int, int | str], report_fd: int) -> int:
    """Give a service its descriptors, from where we were started, as our user.

    Returns the place of the report, which may have had the number of one of them.
    """
    least = max(files) + 1
    # Each source may have the number of another: the copies stand above all numbers first.
    copies = {
        number: _above(one if isinstance(one, int) else _open_to_append(one), least)
        for number, one in files.items()
    }
    report_fd = _above(report_fd, least)
    for number, copy in copies.items():
        os.dup2(copy, number)
    return report_fd


def _above(descriptor: int, least: int) -> int:
    """The descriptor, or a copy of it at `least` or above; the exec closes the copies."""
    while descriptor < least:
        descriptor = os.dup(descriptor)
    return descriptor


def _open_to_append(path: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_CLOEXEC
    return os.open(path, flags, 0o644)


def _lead(*, session: bool, foreground: bool) -> None:
    """Lead a process group, in the foreground of the terminal for the app, or a session.

    A hook's session marks the processes that it leaves behind.
    """
    if session:
        os.setsid()
        return
    os.setpgid(0, 0)
    if foreground:
        terminal.give(os.getpgrp())  # TTOU is blocked here, so this does not stop us


def _exec(argv: tuple[str, ...], env: Environment) -> None:
    """execvp(3): look in PATH, and let /bin/sh run a file without a #! line. Raises OSError."""
    program = argv[0]
    if not program:
        raise FileNotFoundError(errno.ENOENT, "no name")
    if "/" in program:
        paths = [program]
    else:
        paths = [_join(d, program) for d in env.get("PATH", _DEFAULT_PATH).split(":")]
    denied = False
    for path in paths:
        try:
            env.execve(path, argv)
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                env.execve("/bin/sh", ("/bin/sh", path, *argv[1:]))  # as execvp does
            if error.errno == errno.EACCES:
                denied = True
            elif error.errno not in _FOUND_NONE:
                raise
    raise OSError(errno.EACCES if denied else errno.ENOENT, program)


def _join(folder: str, program: str) -> str:
    return f"{folder}{program}" if folder.endswith("/") or not folder else f"{folder}/{program}"


def _look_closer(program: str, number: int | None) -> int:
    """In the child, which may wait for a file system: the cause that the errno does not tell."""
    try:
        if number == errno.ENOENT and "/" in program:
            os.lstat(program)
            return _INTERPRETER
        if number == errno.EACCES and S_ISDIR(os.stat(program).st_mode):
            return _IS_DIRECTORY
    except OSError:
        pass  # there is no such file, so the errno tells all
    return _EXEC


def _cannot_fork(command: Command, error: OSError) -> SpawnError:
    return SpawnError(
        CANNOT_RUN,
        f"cannot start {command.argv[0]}: {_reason(error.errno)}",
        short=error.errno in _SHORTAGES,
    )


def _spawn_error(command: Command, report: bytes) -> SpawnError:
    program = command.argv[0]
    step = report[0]
    number = int.from_bytes(report[1 : 1 + _ERRNO], "little")
    if number == 0:
        return SpawnError(
            CANNOT_RUN, f"cannot start {program}: internal error: {report[1 + _ERRNO :].decode()}"
        )
    if step == _DIRECTORY:
        where = command.workdir or "."
        return SpawnError(
            CANNOT_RUN, f"cannot start {program}: cannot enter directory {where}: {_reason(number)}"
        )
    if step == _STREAM:
        paths = ", ".join(one for one in command.files.values() if isinstance(one, str))
        why = f"cannot open its log {paths}" if paths else "cannot connect its streams"
        return SpawnError(CANNOT_RUN, f"cannot start {program}: {why}: {_reason(number)}")
    if step == _USER and command.user is not None:
        who = f"as uid {command.user.uid}, gid {command.user.gid}"
        return SpawnError(
            CANNOT_RUN,
            f"cannot start {program} {who} (--user): {_reason(number)}; only root may change users",
        )
    if step == _INTERPRETER:
        return SpawnError(NOT_FOUND, f"cannot start {program}: {errors.NO_INTERPRETER}")
    if number == errno.ENOENT:
        path = command.env.get("PATH", _DEFAULT_PATH)
        why = "no such file" if "/" in program else f"not found in PATH ({path})"
        return SpawnError(NOT_FOUND, f"cannot start {program}: {why}")
    hint = f"; {errors.IS_DIRECTORY}" if step == _IS_DIRECTORY else ""
    code = {errno.ENOTDIR: NOT_FOUND, errno.ETXTBSY: NOT_EXECUTABLE}.get(
        number, CANNOT_RUN if number in _SHORTAGES else NOT_EXECUTABLE
    )
    return SpawnError(
        code, f"cannot start {program}: {_reason(number)}{hint}", short=number in _SHORTAGES
    )


def _reason(number: int | None) -> str:
    return reason(OSError(number, os.strerror(number or 0)))
