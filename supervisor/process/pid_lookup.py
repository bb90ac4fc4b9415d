"""The pid of a process of another container, by its name or its pid file.

For a pod whose containers share a PID namespace. Containers restart, so every `find` looks again.
It signals nothing; whether the process takes a signal is the question of `signal_disposition.py`,
whether the kernel lets us send one is answered here. `psutil` belongs to this module, which imports
it late.
"""

from __future__ import annotations

import errno
import os
import stat

from ..core.errors import reason
from . import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_PID_LINE = 32  # characters
_COMM = 15  # the kernel keeps this many characters of a name (proc(5), comm)
_HINT = "is its container up, and does the pod have shareProcessNamespace: true?"


class ProcessMissing(Exception):
    """No process, or more than one, fits; the message says what to do."""


class PidLookup:
    """A process by name or, if the text has a slash, by the file that holds its pid."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for a text that is neither."""
        self._text = text.strip()
        if not self._text or "\0" in text or self._text.endswith("/"):
            raise ValueError(
                f"{text!r} is neither the name of a process nor the path of a pid file"
            )

    def __str__(self) -> str:
        return self._text

    def find(self) -> int:
        """The pid at this moment, never ours nor of our descendants. Raises ProcessMissing.

        By name it is the topmost match: the workers of a server have its name, and only their
        parent reloads.
        """
        ours = {os.getpid(), *procfs.descendants(os.getpid())}
        if "/" in self._text:
            return _by_file(self._text, ours)
        found = {pid: parent for pid, parent in _matches(self._text) if pid not in ours}
        top = [pid for pid, parent in found.items() if parent not in found]
        if not top:
            raise ProcessMissing(f"no process is called {self._text}; {_HINT}")
        if len(top) > 1:
            pids = ", ".join(map(str, sorted(top)))
            raise ProcessMissing(
                f"{len(top)} processes are called {self._text} (pids {pids}); name a pid file"
                " instead"
            )
        return top[0]


def _by_file(path: str, ours: set[int]) -> int:
    try:
        text = _first_line(path)
    except OSError as error:
        raise ProcessMissing(
            f"cannot read the pid file {path}: {reason(error)}; {_HINT}"
        ) from error
    pid = int(text) if text.isascii() and text.isdecimal() else 0
    if not pid:
        raise ProcessMissing(f"cannot use the pid file {path}: its first line is not a pid")
    if pid in ours:
        # The file of a container with its own PID namespace says 1, which is another process here.
        raise ProcessMissing(f"{path} says {pid}, which is our own here; {_HINT}")
    if procfs.has_ended(pid):
        raise ProcessMissing(f"{path} says {pid}, and there is no such process; {_HINT}")
    return pid


def _first_line(path: str) -> str:
    """The first line of a pid file; some programs write more after the pid. Raises OSError.

    It never waits, as a FIFO without O_NONBLOCK would for a writer.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, encoding="ascii", errors="replace") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return file.readline(_MOST_PID_LINE).strip()


def _matches(name: str) -> Iterator[tuple[int, int]]:
    """Pid and parent of every living process whose executable, first argument or name is `name`."""
    import psutil

    for pid in psutil.pids():
        # Not process_iter: it remembers pids, and an entrypoint script becomes its server by exec.
        try:
            info = psutil.Process(pid).as_dict(
                ["ppid", "exe", "cmdline", "name", "status"], ad_value=""
            )
        except psutil.NoSuchProcess:
            continue  # gone meanwhile
        if info["status"] in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            continue
        paths = (info["exe"] or "", (info["cmdline"] or [""])[0])
        # psutil completes a name that the kernel has cut; the kernel's own part is compared.
        if name in map(os.path.basename, paths) or info["name"][:_COMM] == name[:_COMM]:
            yield pid, info["ppid"]


def may_signal(pid: int) -> bool:
    """Whether kill(2) would let us; also true for a process that is gone."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    return True
