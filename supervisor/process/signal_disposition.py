"""How a process would take a signal, as /proc shows it now, and whether the signal may be sent.

An app takes a signal with a handler, or blocked and waited for (sigwait(3), signalfd(2)); to any
other app most signals are the end. This module only looks; the main thread sends. It knows nothing
of reloads, versions or options.
"""

from __future__ import annotations

import enum
import os
import sys
import time
from contextlib import contextmanager

from ..runtime import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Numbers of rt_sigtimedwait and rt_sigtimedwait_time64 (asm/unistd.h), those of 32-bit programs
# included.
_SIGTIMEDWAIT: Mapping[str, frozenset[int]] = {
    "x86_64": frozenset({128, 177, 421}),
    "aarch64": frozenset({137, 177, 421}),
    "riscv64": frozenset({137}),
    "ppc64le": frozenset({176}),
    "s390x": frozenset({177}),
    "armv7l": frozenset({177, 421}),
    "i686": frozenset({177, 421}),
}
_MASK_BYTES = 8  # of the kernel's sigset_t
_HELD_SECONDS = (
    1.0  # a signal that is blocked this long, in all threads, is not blocked for a fork only
)
_SETTLED_SECONDS = (
    5.0  # age of an app that will have its handlers, where nothing can be seen of them
)


class Disposition(enum.Enum):
    """The ways in which a process may take a signal."""

    TAKEN = "has a handler, or waits for it"
    HELD = "blocks it in every thread, and does not wait for it now"
    IGNORED = "ignores it"
    DEFAULT = "leaves it to the default action, in one thread at least"
    CLOSED = "has no handler, and whether a thread waits for it is not shown to us"
    UNKNOWN = "shows nothing of its signals"


def has_handler(pid: int, signum: int) -> bool:
    """Whether the process has a handler: one look, cheap enough for the main thread."""
    return _has(_status(f"/proc/{pid}/status") or {}, "SigCgt", signum)


def of(pid: int, signum: int) -> Disposition:
    """How a process would take a signal at this moment. A process that is gone takes none."""
    status = _status(f"/proc/{pid}/status")
    if status is None and not _exists(pid):
        return Disposition.DEFAULT
    if not status or "SigCgt" not in status:
        return Disposition.UNKNOWN  # gVisor has no such lines, and hidepid (proc(5)) no such file
    if _has(status, "SigCgt", signum):
        return Disposition.TAKEN
    found = _of_threads(pid, signum)
    if found is Disposition.CLOSED and _is_foreign(status):
        with _as_user(status):
            found = _of_threads(pid, signum)
    if found is Disposition.DEFAULT and _has(status, "SigIgn", signum):
        return Disposition.IGNORED
    return found


def is_pending(pid: int, signum: int) -> bool:
    """Whether a signal was sent to the process that it has not taken yet."""
    return _has(_status(f"/proc/{pid}/status") or {}, "ShdPnd", signum)


class Gate:
    """Decides, look by look, whether a signal may be sent to a process; one gate for
    one delivery.
    """

    def __init__(self, signum: int, *, checked: bool) -> None:
        """Without `checked` it is open: the user knows what the app does with the signal."""
        self._signum, self._checked = signum, checked
        self._before = (0, Disposition.DEFAULT)
        self._since = 0.0  # when the disposition of this process became what it is
        self.held = (
            False  # it opened for an app that blocks the signal and was not seen to wait for it
        )

    def look(self, pid: int) -> str:
        """Empty when the signal may be sent, else why not."""
        if not self._checked:
            return ""
        now, found = time.monotonic(), of(pid, self._signum)
        if (pid, found) != self._before:
            self._before, self._since = (pid, found), now
        lasted = now - self._since
        match found:
            case Disposition.TAKEN:
                return ""
            case Disposition.HELD if lasted >= _HELD_SECONDS:
                self.held = True
                return ""
            case Disposition.UNKNOWN if max(lasted, _age(pid)) >= _SETTLED_SECONDS:
                return ""
        return _WHY_NOT[found].format(signals.name(self._signum))


_WHY_NOT = {
    Disposition.HELD: "blocks {} and does not wait for it",
    Disposition.IGNORED: "ignores {}; choose the signal that it reloads on with --reload-signal",
    Disposition.DEFAULT: (
        "does not catch {}, which would end it; "
        "choose the signal that it reloads on with --reload-signal"
    ),
    Disposition.CLOSED: (
        "has no handler for {}, and whether it waits for it cannot be seen (/proc/PID/syscall); "
        "add the capability SYS_PTRACE, or --reload-signal-check=off if it does"
    ),
    Disposition.UNKNOWN: "shows nothing of its signals, and may have no handler for {} yet",
}


# --- what /proc says ------------------------------------------------------------------------------


def _status(path: str) -> dict[str, str] | None:
    """The lines of a status file (proc(5)) by name; None if it cannot be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return {
                name: value.strip() for name, _, value in (line.partition(":") for line in file)
            }
    except OSError:
        return None


def _has(status: Mapping[str, str], name: str, signum: int) -> bool:
    """Whether a mask of signals has this one."""
    return bool(int(status.get(name, "0"), 16) >> (signum - 1) & 1)


def _exists(pid: int) -> bool:
    """Whether there is such a process, without /proc, which may hide it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _of_threads(pid: int, signum: int) -> Disposition:
    """The disposition of a process without a handler, by its threads.

    The kernel gives it to any thread that does not block it (signal(7)), so one such thread
    decides, unless it waits. While sigtimedwait(2) waits for a signal, /proc shows that signal as
    not blocked.
    """
    waits = False
    try:
        for thread in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
            folder = f"/proc/{pid}/task/{thread}"
            status = _status(f"{folder}/status")
            if status is None or status["State"][0] in "XZ" or _has(status, "SigBlk", signum):
                continue
            if not _waits(folder, signum):
                return Disposition.DEFAULT
            waits = True
        if waits or _reads(pid, signum):
            return Disposition.TAKEN
    except PermissionError:
        return Disposition.HELD if not waits and _all_block(pid, signum) else Disposition.CLOSED
    except (OSError, ValueError):
        return Disposition.DEFAULT  # gone while we looked
    return Disposition.HELD


def _all_block(pid: int, signum: int) -> bool:
    """Whether every thread blocks a signal, as far as files show that are never closed
    to others.
    """
    found = [
        _status(f"/proc/{pid}/task/{thread}/status") for thread in os.listdir(f"/proc/{pid}/task")
    ]
    return all(
        _has(status, "SigBlk", signum)
        for status in found
        if status and status["State"][0] not in "XZ"
    )


def _waits(folder: str, signum: int) -> bool:
    """Whether a thread is in sigtimedwait(2) for a signal. Raises PermissionError where that is not
    shown.
    """
    with open(f"{folder}/syscall", encoding="ascii") as file:
        words = file.read().split()  # number and arguments, or "running" (proc(5))
    if not words[0].isdecimal() or int(words[0]) not in _SIGTIMEDWAIT.get(os.uname().machine, ()):
        return False
    with open(f"{folder}/mem", "rb", buffering=0) as memory:
        memory.seek(int(words[1], 16))
        mask = memory.read(_MASK_BYTES)
    return bool(int.from_bytes(mask, sys.byteorder) >> (signum - 1) & 1)


def _reads(pid: int, signum: int) -> bool:
    """Whether the process has a signalfd(2) for a signal. Raises PermissionError where that is not
    shown.
    """
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        info = _status(f"/proc/{pid}/fdinfo/{name}")
        if info and _has(info, "sigmask", signum):
            return True
    return False


def _age(pid: int) -> float:
    """Seconds since a process began; 0 if that cannot be told."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # proc(5): starttime is field 22, the 20th behind the name; in ticks since boot.
            ticks = int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


# --- looking as the app's user --------------------------------------------------------------------


def _is_foreign(status: Mapping[str, str]) -> bool:
    """Whether the process belongs to another user, and to one only, whom root may look as."""
    users = set(status["Uid"].split())
    return os.geteuid() == 0 and len(users) == 1 and users != {"0"}


@contextmanager
def _as_user(status: Mapping[str, str]) -> Iterator[None]:
    """Let this thread, and no other, look at files as the process's user.

    Root in a container has no CAP_SYS_PTRACE, and without it ptrace(2), "Ptrace access mode
    checking", wants the same user and group: those that setfsuid(2) sets, for the calling thread
    alone.
    """
    import ctypes

    libc = ctypes.CDLL(None)
    libc.setfsgid(int(status["Gid"].split()[1]))
    libc.setfsuid(int(status["Uid"].split()[1]))
    try:
        yield
    finally:
        libc.setfsuid(0)
        libc.setfsgid(os.getegid())
