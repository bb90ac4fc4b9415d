"""Signals: handlers that only leave a byte in a pipe, what was inherited, and names.

The C half of Python's handler writes the signal's number into the wake-up pipe, at any moment and in the order
of arrival; the inbox reads it there. The Python half does nothing. Reading numbers from a pipe that `poll`
watches has no gap between "nothing to do" and "asleep"; a queue that a handler fills has one (see HACKING.md,
"Why not SimpleQueue").
"""

from __future__ import annotations

import os
import signal

from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

# Raised by the processor for what this process itself did: signal(7), "Standard signals", action Core.
FAULTS = frozenset(
    {
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGSEGV,
        signal.SIGSYS,
    }
)
# 32 and 33 belong to the C library (nptl(7)) and are not in valid_signals().
FORWARDED = frozenset(signal.valid_signals()) - FAULTS - {signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP}
JOB_CONTROL = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
# The interpreter itself ignores these two before any code of ours runs, so what was inherited cannot be known:
# the app gets the default, as from a shell.
_IGNORED_BY_PYTHON = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


class Inherited(Record):
    """What this process was started with, and the pipe that its signals come through."""

    mask: frozenset[int]  # blocked signals that the app is to start with
    ignored: frozenset[int]  # signals that stay ignored, here and in the app
    read_fd: int
    write_fd: int


def _note(signum: int, frame: FrameType | None) -> None:
    """The Python half of every handler: the C half has already written the number."""


def install() -> Inherited:
    """Handle every signal that can be forwarded, unless it was ignored when we started; unblock all."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    ignored = set()
    for signum in FORWARDED | {signal.SIGCHLD}:
        if signum not in _IGNORED_BY_PYTHON and signal.getsignal(signum) is signal.SIG_IGN:
            ignored.add(int(signum))
            if signum != signal.SIGCHLD:  # ignored, the kernel would discard the app's exit status
                continue
        signal.signal(signum, _note)
    mask = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if mask >= FORWARDED:
        # No app is meant to run with everything blocked: `env --block-signal supervisor ...` is the way to keep
        # signals pending, even for PID 1, until the interpreter is up.
        mask = set()
    return Inherited(frozenset(map(int, mask)), frozenset(ignored), read_fd, write_fd)


def name(signum: int) -> str:
    """`SIGHUP` for 1, `SIGRTMIN+3` for 37."""
    if signal.SIGRTMIN < signum < signal.SIGRTMAX:
        return f"SIGRTMIN+{signum - signal.SIGRTMIN}"
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"


def number(text: str) -> int:
    """The signal that a person means by `HUP`, `SIGHUP`, `sighup`, `RTMIN+3`, `RTMAX-1` or `1`.

    Raises ValueError for anything else.
    """
    word = text.strip().upper().removeprefix("SIG")
    base, sign, offset = word, "", "0"
    for mark in "+-":
        if word.startswith(("RTMIN", "RTMAX")) and mark in word:
            base, sign, offset = word.partition(mark)
    if word.isdecimal() and word.isascii():
        signum = int(word)
    elif f"SIG{base}" in signal.Signals.__members__ and offset.isdecimal():
        signum = signal.Signals[f"SIG{base}"] + (-int(offset) if sign == "-" else int(offset))
    else:
        signum = 0
    if signum not in signal.valid_signals():
        raise ValueError(f"{text!r} is not a signal (a name such as HUP or SIGHUP, RTMIN+n, or a number)")
    return int(signum)
