"""The controlling terminal: the app is in its foreground while it runs, and we are otherwise.

It is the terminal of standard input, or /dev/tty where standard input is a pipe. Without a terminal
all calls do nothing. TTOU must be blocked, as it is in the main thread and in its children before
exec. This module knows only process groups.
"""

from __future__ import annotations

import posix as os

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
    """Return to the foreground after the end of the app, which led `group`; not if another job of a
    shell is there.
    """

    def take(fd: int) -> None:
        front = os.tcgetpgrp(fd)
        if front == group or os.getsid(0) == os.getpid() or _is_gone(front):
            os.tcsetpgrp(fd, os.getpgrp())

    _with_terminal(take)


def _is_gone(group: int) -> bool:
    """Whether no process of a group is left. Group 0 belongs to another PID namespace."""
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
    """The answer of `use` for the terminal; False without a terminal, or after it hung up."""
    try:
        # tcgetpgrp(3) and tcsetpgrp(3) fail for all but the controlling terminal.
        return bool(use(0))
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
