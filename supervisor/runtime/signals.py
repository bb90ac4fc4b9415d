"""Signals: taken one by one, never handled; what was inherited; names.

All signals that can be forwarded are blocked from the first moment on, in all threads, and the main
thread takes them with sigtimedwait(2): a blocked signal stays pending, even for PID 1, and comes
out in the kernel's order. Handlers lose both: see HACKING.md, "Why not signal handlers".
"""

from __future__ import annotations

import signal

from ..core.record import Record
from ..core.signal_numbers import CHLD, UNCATCHABLE

# Made once: each call makes an enum of every number. 32 and 33 belong to the C library (nptl(7)) and
# are not in it. ILL, TRAP, ABRT, BUS,
# FPE, SEGV and SYS are forwarded when a process sends them: a fault of ours ends us all the same,
# since the kernel does not let a thread block those that it causes itself (sigprocmask(2),
# "Notes").
_VALID = frozenset(signal.valid_signals())
FORWARDED = _VALID - UNCATCHABLE - {CHLD}
# The interpreter ignores the first two and handles the third before any code of ours runs; what was
# inherited for the first two cannot be known, so the app gets the default, as from a shell.
_CHANGED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT)

_MOST_DIGITS = 3  # of a signal's number


class Inherited(Record):
    """What this process was started with."""

    mask: frozenset[int]  # blocked signals that the app is to start with
    ignored: frozenset[int]  # signals that stay ignored, here and in the app
    taken: frozenset[int]  # what the inbox takes: all that is forwarded, and SIGCHLD
    files: tuple[int, ...] = ()  # descriptors above 2 that the app is to start with


def install() -> Inherited:
    """Block what can be forwarded; put back what Python changed."""
    mask = signal.pthread_sigmask(signal.SIG_SETMASK, FORWARDED | {signal.SIGCHLD})
    for signum in _CHANGED_BY_PYTHON:
        if signum != signal.SIGINT or signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)
    ignored = {
        int(s) for s in FORWARDED | {signal.SIGCHLD} if signal.getsignal(s) is signal.SIG_IGN
    }
    # Blocked, a signal that is ignored stays pending all the same: it is forwarded, and the app
    # decides.
    taken = {int(s) for s in FORWARDED} | {int(signal.SIGCHLD)}
    if signal.SIGCHLD in ignored:
        signal.signal(
            signal.SIGCHLD, signal.SIG_DFL
        )  # ignored, the kernel would discard the app's exit status
    signal.pthread_sigmask(signal.SIG_SETMASK, taken)
    if mask >= FORWARDED:
        # No app is meant to run with everything blocked: `env --block-signal supervisor ...` is the
        # way to keep signals pending, even for PID 1, until the interpreter is up.
        mask = set()
    return Inherited(frozenset(map(int, mask)), frozenset(ignored), frozenset(taken))


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
    if word.isdecimal() and word.isascii() and len(word) <= _MOST_DIGITS:
        signum = int(word)
    elif (
        f"SIG{base}" in signal.Signals.__members__
        and offset.isdecimal()
        and len(offset) <= _MOST_DIGITS
    ):
        signum = signal.Signals[f"SIG{base}"] + (-int(offset) if sign == "-" else int(offset))
    else:
        signum = 0
    if signum not in _VALID:
        raise ValueError(
            f"{text!r} is not a signal (a name such as HUP or SIGHUP, RTMIN+n, or a number)"
        )
    return int(signum)
