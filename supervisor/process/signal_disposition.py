"""Whether an app takes a signal: how a process would take it, and whether it may be sent now.

An app takes a signal by a handler, or blocks it and waits for it (sigwait(3), signalfd(2)); any
other app would mostly be ended by it. This module looks and decides, with `SignalGate`, for the
thread of a reload; the main thread sends, after the last look of `children.signal_if_caught`. It
must not know versions or the course of a reload.
"""

from __future__ import annotations

import enum
import os
import sys
import time
from contextlib import contextmanager

from ..runtime import signals
from . import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .procfs import Status

# Numbers of rt_sigtimedwait and rt_sigtimedwait_time64 (asm/unistd.h), also for 32-bit programs.
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
# A signal that all threads block for so long is not blocked for a fork only.
_HELD_SECONDS = 1.0
# At this age an app has its handlers, where /proc shows nothing of them.
_SETTLED_SECONDS = 5.0


class Disposition(enum.Enum):
    """The ways in which a process takes a signal."""

    TAKEN = "has a handler, or waits for it"
    HELD = "blocks it in every thread, and does not wait for it now"
    IGNORED = "ignores it"
    DEFAULT = "leaves it to the default action, in a thread at least"
    CLOSED = "has no handler, and hides whether a thread waits for it"
    UNKNOWN = "shows nothing of its signals"


def of(pid: int, signum: int) -> Disposition:
    """How a process would take a signal at this moment; by default, if it is gone."""
    try:
        status = procfs.status(pid)
    except procfs.Gone:
        return Disposition.DEFAULT
    except OSError:
        return Disposition.UNKNOWN  # hidepid (proc(5)) shows no such file
    if status.caught is None:
        return Disposition.UNKNOWN  # gVisor has no such lines
    if procfs.has(status.caught, signum):
        return Disposition.TAKEN
    found = _of_threads(pid, signum)
    if found is Disposition.CLOSED and _is_foreign(status):
        with _as_user(status):
            found = _of_threads(pid, signum)
    if found is Disposition.DEFAULT and procfs.has(status.ignored, signum):
        return Disposition.IGNORED
    return found


def is_pending(pid: int, signum: int) -> bool:
    """Whether a signal waits for the process to take it."""
    try:
        return procfs.has(procfs.status(pid).pending, signum)
    except OSError:
        return False


class SignalGate:
    """Decides, look by look, whether a signal may be sent to a process; made for each delivery."""

    def __init__(self, signum: int, *, checked: bool) -> None:
        """Without `checked` it is open: the user vouches for the app."""
        self._signum = signum
        self._checked = checked
        self._before = (0, Disposition.DEFAULT)
        self._since = 0.0  # when the disposition of this process became what it is
        # Whether it opened for an app that blocks the signal and was not seen to wait for it.
        self.held = False

    def look(self, pid: int) -> str:
        """Why the signal may not be sent; empty if it may."""
        if not self._checked:
            return ""
        now = time.monotonic()
        found = of(pid, self._signum)
        if (pid, found) != self._before:
            self._before = (pid, found)
            self._since = now
        lasted = now - self._since
        match found:
            case Disposition.TAKEN:
                return ""
            case Disposition.HELD if lasted >= _HELD_SECONDS:
                self.held = True
                return ""
            case Disposition.UNKNOWN if max(lasted, procfs.age(pid)) >= _SETTLED_SECONDS:
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


# --- threads ------------------------------------------------------------------------------------


def _of_threads(pid: int, signum: int) -> Disposition:
    """The disposition of a process without a handler, by its threads.

    The kernel gives it to any thread that does not block it (signal(7)), so a single such thread
    decides, unless it waits. While sigtimedwait(2) waits for a signal, /proc shows the signal as
    not blocked.
    """
    waits = False
    try:
        for thread in procfs.threads(pid):
            if not _may_take(pid, thread, signum):
                continue
            if not _waits(pid, thread, signum):
                return Disposition.DEFAULT
            waits = True
        if waits or any(procfs.has(mask, signum) for mask in procfs.signalfd_masks(pid)):
            return Disposition.TAKEN
    except procfs.Hidden:
        return Disposition.HELD if not waits and _all_block(pid, signum) else Disposition.CLOSED
    except OSError:
        return Disposition.DEFAULT  # gone while we looked
    return Disposition.HELD


def _may_take(pid: int, thread: int, signum: int) -> bool:
    """Whether a thread lives and does not block a signal."""
    try:
        status = procfs.status(pid, thread)
    except OSError:
        return False
    return status.state not in procfs.DEAD and not procfs.has(status.blocked, signum)


def _all_block(pid: int, signum: int) -> bool:
    """Whether every thread blocks a signal; /proc shows this to all users."""
    try:
        return not any(_may_take(pid, thread, signum) for thread in procfs.threads(pid))
    except OSError:
        return False


def _waits(pid: int, thread: int, signum: int) -> bool:
    """Whether a thread is in sigtimedwait(2) for a signal. Raises Gone, Hidden, Unreadable."""
    call = procfs.syscall(pid, thread)
    if call is None or call[0] not in _SIGTIMEDWAIT.get(os.uname().machine, ()):
        return False
    mask = procfs.memory(pid, thread, call[1], _MASK_BYTES)
    return procfs.has(int.from_bytes(mask, sys.byteorder), signum)


# --- looking as the app's user --------------------------------------------------------------------


def _is_foreign(status: Status) -> bool:
    """Whether the process belongs to a single other user, whom root may look as."""
    users = set(status.uids)
    return os.geteuid() == 0 and len(users) == 1 and users != {0}


@contextmanager
def _as_user(status: Status) -> Iterator[None]:
    """Look at files as the process's user, in this thread alone.

    Root in a container has no CAP_SYS_PTRACE, and without it ptrace(2), "Ptrace access mode
    checking", wants the same user and group: setfsuid(2) sets them for the calling thread.
    """
    import ctypes

    libc = ctypes.CDLL(None)
    libc.setfsgid(status.gids[1])
    libc.setfsuid(status.uids[1])
    try:
        yield
    finally:
        libc.setfsuid(0)
        libc.setfsgid(os.getegid())
