"""Files that hold what must stand neither on a command line nor in an environment: URLs with
passwords, headers.

They are small and written by an administrator or the kubelet; they are read with bounds, and no
message repeats what is in them.
"""

from __future__ import annotations

import os
import stat

from ..core.errors import reason

_MOST_BYTES = 1 << 16


def value(path: str) -> str:
    """The one line of a file; raises ValueError."""
    found = lines(path)
    if len(found) != 1:
        raise ValueError(f"{path!r} has {len(found)} lines where one is expected")
    return found[0]


def lines(path: str) -> list[str]:
    """The lines of a file that are not empty; raises ValueError."""
    try:
        return [line for line in map(str.strip, _read(path).decode().split("\n")) if line]
    except UnicodeDecodeError:
        raise ValueError(f"{path!r} is not text in UTF-8") from None


def certificates(path: str) -> None:
    """See that a file may be one of certificates, without what it takes to understand them; raises
    ValueError.
    """
    if b"-----BEGIN " not in _read(path, 1 << 24):
        raise ValueError(f"{path!r} holds no certificate in PEM")


def _read(path: str, most: int = _MOST_BYTES) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError(f"{path!r} is not a regular file")
            data = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path!r}: {reason(error)}") from error
    if len(data) > most:
        raise ValueError(f"{path!r} has more than {most} bytes")
    return data
