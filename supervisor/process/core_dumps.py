"""Core dumps: a crash of this process leaves no Secret on disk, and the app keeps the limits that
it was given.

PR_SET_DUMPABLE is left alone: without it, /proc/1/fd/1, which many apps log to, is closed to all
without SYS_PTRACE.
"""

from __future__ import annotations

_FILTER = (
    "/proc/self/coredump_filter"  # core(5): the memory that a dump holds, those to a pipe included
)
_NOTHING = b"0"


class Suppressed:
    """No core dumps of this process from now on. `restore`, in a child before exec, takes it back
    for that child.
    """

    def __init__(self) -> None:
        import resource

        self._resource = resource
        self._limits = resource.getrlimit(resource.RLIMIT_CORE)
        self._filter = _read()
        resource.setrlimit(resource.RLIMIT_CORE, (0, self._limits[1]))
        _write(_NOTHING)

    def restore(self) -> None:
        self._resource.setrlimit(self._resource.RLIMIT_CORE, self._limits)
        if self._filter:
            _write(b"0x" + self._filter)


def _read() -> bytes:
    try:
        with open(_FILTER, "rb") as file:
            return file.read().strip()
    except OSError:
        return b""


def _write(mask: bytes) -> None:
    try:
        with open(_FILTER, "wb") as file:
            file.write(mask)
    except OSError:
        pass  # a kernel without core dumps to filter
