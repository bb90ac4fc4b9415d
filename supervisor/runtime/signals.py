"""Signals: taken one by one, never handled; those inherited at the start; names and numbers.

It sends nothing and does not decide where a signal goes. All signals to forward are blocked from
the first moment on, in all threads, and the main thread takes them with sigtimedwait(2): a blocked
signal stays pending, even for PID 1, and comes out in the kernel's order. Handlers lose both.
"""

from __future__ import annotations

import signal

from ..core.record import Record
from ..core.signal_numbers import CHLD, UNCATCHABLE

# Made once: each call makes an enum of every number. 32 and 33, of the C library (nptl(7)), are not
# in it. ILL, TRAP, ABRT, BUS, FPE, SEGV and SYS are forwarded when a process sends them: a fault of
# our own ends us all the same, since no thread can block a signal that it causes itself
# (sigprocmask(2), "Notes").
_VALID = frozenset(signal.valid_signals())
FORWARDED = _VALID - UNCATCHABLE - {CHLD}
# The interpreter ignores the first two and handles the third before our code runs. The inherited
# disposition of the first two is lost, so the app gets the default, as from a shell.
_CHANGED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT)

_MOST_DIGITS = 3  # of a signal's number


class Inherited(Record):
    """Signals and descriptors of this process at its start."""

    mask: frozenset[int]  # blocked signals, for the app
    ignored: frozenset[int]  # signals that stay ignored, here and in the app
    taken: frozenset[int]  # the signals for the inbox: all that are forwarded, and CHLD
    files: tuple[int, ...] = ()  # descriptors above 2, for the app


def install() -> Inherited:
    """Block the signals to forward; undo the changes of the interpreter."""
    mask = signal.pthread_sigmask(signal.SIG_SETMASK, FORWARDED | {signal.SIGCHLD})
    for signum in _CHANGED_BY_PYTHON:
        if signum != signal.SIGINT or signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)
    ignored = {
        int(s) for s in FORWARDED | {signal.SIGCHLD} if signal.getsignal(s) is signal.SIG_IGN
    }
    # An ignored signal stays pending while it is blocked: it is forwarded, and the app decides.
    taken = {int(s) for s in FORWARDED} | {int(signal.SIGCHLD)}
    if signal.SIGCHLD in ignored:
        # The kernel discards the exit status of the app while this is ignored.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, taken)
    if mask >= FORWARDED:
        # `env --block-signal supervisor ...` keeps signals pending, even for PID 1, until the
        # interpreter is up; it is not meant for the app.
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
    """The number of a signal: `HUP`, `SIGHUP`, `sighup`, `RTMIN+3`, `RTMAX-1` or `1`.

    Raises ValueError for any other text.
    """
    word = text.strip().upper().removeprefix("SIG")
    base = word
    sign = ""
    offset = "0"
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
