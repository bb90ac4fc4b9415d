"""Our place in the tree of processes: adopting orphans, and the death of our own parent (prctl(2)).

For a supervisor other than PID 1. It reaps nothing, and signals this process alone.
"""

from __future__ import annotations

import os

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def become_subreaper() -> None:
    """Have orphaned descendants come to us instead of to PID 1. Raises OSError."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "become a child subreaper")


def die_with_parent(signum: int) -> None:
    """Get `signum` when our parent ends; at once if it has ended already. Raises OSError."""
    parent = os.getppid()
    _prctl(_PR_SET_PDEATHSIG, signum, "ask for a signal at the parent's death")
    if os.getppid() != parent:
        os.kill(os.getpid(), signum)


def _prctl(option: int, value: int, deed: str) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"cannot {deed}")
