"""Core dumps: a crash of this process leaves no Secret on disk, and the app keeps its limits.

It does not touch PR_SET_DUMPABLE: without it, /proc/1/fd/1, where many apps log, is closed to all
without SYS_PTRACE.
"""

from __future__ import annotations

import posix

# core(5): the kinds of memory in a dump, also of a dump into a pipe.
_FILTER = "/proc/self/coredump_filter"
_NOTHING = b"0"
_MOST_BYTES = 64


class Suppressed:
    """No core dumps of this process from now on; `restore` undoes it in a child before exec."""

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
        file = posix.open(_FILTER, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            return posix.read(file, _MOST_BYTES).strip()
        finally:
            posix.close(file)
    except OSError:
        return b""


def _write(mask: bytes) -> None:
    try:
        file = posix.open(_FILTER, posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(file, mask)
        finally:
            posix.close(file)
    except OSError:
        pass  # a kernel without core dumps to filter
