"""The log file of [supervisord], as clients read it.

It opens regular files and /dev/null only: a pipe or a device would hold the reader up. The writer
of the file is elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat

_NULL = os.makedev(1, 3)  # null(4)


def read(path: str, offset: int, length: int) -> bytes:
    """The bytes of a span; a negative offset counts from the end, and a length of 0 is the rest.
    Raises OSError, FileNotFoundError where there is no such log.
    """
    descriptor = opened(path)
    try:
        size = os.fstat(descriptor).st_size
        start = max(0, size + offset) if offset < 0 else offset
        return os.pread(descriptor, length or max(0, size - start), start)
    finally:
        os.close(descriptor)


def opened(path: str) -> int:
    """A descriptor of the file, for reading. Raises OSError."""
    if not path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode) and not _is_null(found):
        raise FileNotFoundError(errno.ENOENT, "it is no regular file", path)
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def clear(path: str) -> None:
    """Empty the file: the writer appends to it. Raises OSError."""
    descriptor = opened(path)
    is_null = _is_null(os.fstat(descriptor))
    os.close(descriptor)
    if not is_null:
        os.truncate(path, 0)


def _is_null(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == _NULL
