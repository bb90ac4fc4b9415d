"""The controlling terminal: the app is in its foreground while it runs, and we are while there is
no app.

The terminal is standard input's, or /dev/tty where standard input is something else (a pipe). All
calls do nothing where there is none. They must be made with TTOU blocked, as it is in the main
thread and in its children before exec.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def holds() -> bool:
    """Whether we are the foreground group of our terminal."""
    return _with_terminal(lambda fd: os.tcgetpgrp(fd) == os.getpgrp())


def give(group: int) -> None:
    """Put a process group in the foreground."""
    _with_terminal(lambda fd: os.tcsetpgrp(fd, group))


def reclaim(group: int) -> None:
    """Be in the foreground again, now that the app, which led `group`, has ended: unless a shell's
    other job is.
    """

    def take(fd: int) -> None:
        front = os.tcgetpgrp(fd)
        if front == group or os.getsid(0) == os.getpid() or _is_gone(front):
            os.tcsetpgrp(fd, os.getpgrp())

    _with_terminal(take)


def _is_gone(group: int) -> bool:
    """Whether no process of a group is left. Group 0 is one of another PID namespace."""
    if group == 0:
        return False
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _with_terminal(use: Callable[[int], bool | None]) -> bool:
    """The answer of `use` about the terminal; False where there is none, or where it
    was hung up.
    """
    try:
        return bool(
            use(0)
        )  # tcgetpgrp(3) and tcsetpgrp(3) fail for all but the controlling terminal
    except OSError:
        pass
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return bool(use(terminal))
    except OSError:
        return False
    finally:
        os.close(terminal)
