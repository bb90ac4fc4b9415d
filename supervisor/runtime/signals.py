"""Signals: taken one by one, never handled; those inherited at the start; names and numbers.

It sends nothing and does not decide where a signal goes. All signals to forward are blocked from
the first moment on, in all threads, and the main thread takes them with sigtimedwait(2): a blocked
signal stays pending, even for PID 1, and comes out in the kernel's order. Handlers lose both.

The module owns `_signal`, the C module below `signal`: `signal` turns its integers into enums, and
the import of `enum` takes a bare init longer than that of all its own modules.
"""

from __future__ import annotations

from ..core.record import Record
from ..core.signal_numbers import CHLD, INT, UNCATCHABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Set as AbstractSet
else:
    import _signal

# 32 and 33, of the C library (nptl(7)), are not in it. ILL, TRAP, ABRT, BUS, FPE, SEGV
# and SYS are forwarded when a process sends them: a fault of our own ends us all the same, since no
# thread can block a signal that it causes itself (sigprocmask(2), "Notes").
_VALID = frozenset(_signal.valid_signals())
FORWARDED = _VALID - UNCATCHABLE - {CHLD}
# The interpreter ignores the first two and handles the third before our code runs. The inherited
# disposition of the first two is lost, so the app gets the default, as from a shell.
_CHANGED_BY_PYTHON = (_signal.SIGPIPE, _signal.SIGXFSZ, INT)

_MOST_DIGITS = 3  # of a signal's number

# Why a signal came: SI_ASYNCNL to SI_KERNEL (asm-generic/siginfo.h).
CODES = range(-60, 0x81)

# Take a pending signal, or sleep until one comes; the second with a limit in seconds.
wait = _signal.sigwaitinfo
wait_for = _signal.sigtimedwait


class Inherited(Record):
    """Signals and descriptors of this process at its start."""

    mask: frozenset[int]  # blocked signals, for the app
    ignored: frozenset[int]  # signals that stay ignored, here and in the app
    taken: frozenset[int]  # the signals for the inbox: all that are forwarded, and CHLD
    files: tuple[int, ...] = ()  # descriptors above 2, for the app


def install() -> Inherited:
    """Block the signals to forward; undo the changes of the interpreter."""
    taken = FORWARDED | {CHLD}
    mask = set_mask(taken)
    for signum in _CHANGED_BY_PYTHON:
        if signum != INT or not _is_ignored(signum):
            _signal.signal(signum, _signal.SIG_DFL)
    # An ignored signal stays pending while it is blocked: it is forwarded, and the app decides.
    ignored = frozenset(filter(_is_ignored, taken))
    if CHLD in ignored:
        # The kernel discards the exit status of the app while this is ignored.
        _signal.signal(CHLD, _signal.SIG_DFL)
    if mask >= FORWARDED:
        # `env --block-signal supervisor ...` keeps signals pending, even for PID 1, until the
        # interpreter is up; it is not meant for the app.
        mask = frozenset()
    return Inherited(mask, ignored, taken)


def set_mask(mask: AbstractSet[int]) -> frozenset[int]:
    """Block these signals, and no others, in this thread; the signals blocked before."""
    return frozenset(_signal.pthread_sigmask(_signal.SIG_SETMASK, mask))


def ignore(signum: int) -> None:
    """Ignore a signal from now on."""
    _signal.signal(signum, _signal.SIG_IGN)


def _is_ignored(signum: int) -> bool:
    return _signal.getsignal(signum) == _signal.SIG_IGN


def name(signum: int) -> str:
    """`SIGHUP` for 1, `SIGRTMIN+3` for 37."""
    if _signal.SIGRTMIN < signum < _signal.SIGRTMAX:
        return f"SIGRTMIN+{signum - _signal.SIGRTMIN}"
    # Of two names for a number, the first in the alphabet: SIGABRT and not SIGIOT.
    names = sorted(word for word, value in _numbers().items() if value == signum)
    return names[0] if names else f"signal {signum}"


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
    elif offset.isdecimal() and len(offset) <= _MOST_DIGITS:
        first = _numbers().get(f"SIG{base}", 0)
        signum = first and first + (-int(offset) if sign == "-" else int(offset))
    else:
        signum = 0
    if signum not in _VALID:
        raise ValueError(
            f"{text!r} is not a signal (a name such as HUP or SIGHUP, RTMIN+n, or a number)"
        )
    return signum


def _numbers() -> dict[str, int]:
    """The number of each name, such as SIGHUP."""
    return {
        word: value
        for word, value in vars(_signal).items()
        if word.startswith("SIG") and not word.startswith("SIG_")
    }
